//! Whether users fell into the arms as configured.

use crate::eval::real;
use crate::experiments::tails::chi_square_tail;

/// Below this p-value a split is broken, and nothing else of the experiment is to be trusted: the threshold that is usual for this check
/// (Fabijan et al., KDD 2019, "Diagnosing sample ratio mismatch").
pub const SUSPICIOUS: f64 = 0.001;

/// Pearson's chi-square test of users by arm against the weights of the arms: the chance of a split at least as far off if all is well.
/// `None` with fewer than two arms, when lengths differ, or when an arm would have fewer than five users, where the test does not hold.
pub fn split_p_value(users: &[u64], weights: &[f64]) -> Option<f64> {
    let (n, total): (u64, f64) = (users.iter().sum(), weights.iter().sum());
    let n = real(usize::try_from(n).ok()?);
    let expected: Vec<f64> = weights.iter().map(|weight| n * weight / total).collect();
    if users.len() < 2 || users.len() != weights.len() || expected.iter().any(|e| e.is_nan() || *e < 5.0) {
        return None;
    }
    let off = |(seen, expected): (&u64, &f64)| {
        let seen = real(usize::try_from(*seen).unwrap_or(usize::MAX));
        (seen - expected).powi(2) / expected
    };
    let statistic: f64 = users.iter().zip(&expected).map(off).sum();
    Some(chi_square_tail(statistic, u32::try_from(users.len() - 1).unwrap_or(u32::MAX)))
}
