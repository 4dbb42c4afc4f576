//! How unevenly something is spread.

use super::real;

/// The Gini coefficient of amounts (impressions, likes) that are zero or more: 0 when all have the same, `1 − 1/n` when one of `n` has all.
///
/// `None` without values, when all are 0, or when one is negative or not finite. It does not change when all amounts are multiplied by
/// the same factor. `2·Σ i·x₍ᵢ₎ / (n·Σ x) − (n + 1)/n` over the sorted amounts: Gini (1912), in the form of Sen (1973).
pub fn gini(amounts: &[f64]) -> Option<f64> {
    let total: f64 = amounts.iter().sum();
    if !total.is_finite() || total <= 0.0 || amounts.iter().any(|x| *x < 0.0) {
        return None;
    }
    let mut sorted = amounts.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = real(sorted.len());
    let ranked: f64 = sorted.iter().enumerate().map(|(i, x)| real(i + 1) * x).sum();
    // Equal amounts may come out a rounding error below 0.
    Some((2.0 * ranked / (n * total) - (n + 1.0) / n).max(0.0))
}
