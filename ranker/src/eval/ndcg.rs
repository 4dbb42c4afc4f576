//! How far up a ranking the good ones stand.

use super::real;

/// Normalised discounted cumulative gain of the first `k`.
///
/// `ranked` holds the gain of the item at each place, `gains` the gains of everything that could have been ranked, in any order; gains
/// are zero or more, and 1 for "relevant" where there are no grades. Between 0 and 1, 1 for an ideal order. `None` when nothing is
/// relevant or `k` is 0. Linear gain and discount `1 / log₂(place + 1)`: Järvelin and Kekäläinen (2002).
pub fn ndcg_at_k(ranked: &[f64], gains: &[f64], k: usize) -> Option<f64> {
    let mut ideal = gains.to_vec();
    ideal.sort_unstable_by(|a, b| b.total_cmp(a));
    let best = discounted(&ideal, k);
    (best > 0.0).then(|| discounted(ranked, k) / best)
}

fn discounted(gains: &[f64], k: usize) -> f64 {
    gains.iter().take(k).enumerate().map(|(i, gain)| gain / real(i + 2).log2()).sum()
}
