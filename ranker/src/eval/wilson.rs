//! The interval of a rate.

use super::real;

/// The score interval of a rate after `yes` of `n`, at `z` standard deviations (1.96 for 95 %): lower and upper end.
///
/// Both ends lie in 0 to 1 and the interval holds `yes / n`; with `n` = 0 it is everything. Wilson (1927); keeps its promise at small
/// `n` and at rates near 0 and 1, where the usual `± z·√(p(1−p)/n)` does not (Brown, Cai, DasGupta 2001).
pub fn wilson(yes: usize, n: usize, z: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, z2) = (real(n), z * z);
    let rate = (real(yes) / n).min(1.0);
    let middle = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // Rounding may leave a rate of exactly 0 or 1 just outside.
    ((middle - half).clamp(0.0, rate), (middle + half).clamp(rate, 1.0))
}
