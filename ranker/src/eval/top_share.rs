//! What the few at the top get.

use super::real;

/// The share of the total that goes to the top `share` of the holders (0.01 for one in a hundred), rounded up to whole holders: 0 to 1.
///
/// `None` without values, when all are 0, when one is negative or not finite, or when `share` is not between 0 and 1. With `share` = 1 it
/// is 1.
pub fn top_share(amounts: &[f64], share: f64) -> Option<f64> {
    let total: f64 = amounts.iter().sum();
    if !total.is_finite() || total <= 0.0 || amounts.iter().any(|x| *x < 0.0) || !(0.0..=1.0).contains(&share) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of holders")]
    let top = (share * real(amounts.len())).ceil() as usize;
    let mut sorted = amounts.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    Some((sorted.iter().take(top).sum::<f64>() / total).min(1.0))
}
