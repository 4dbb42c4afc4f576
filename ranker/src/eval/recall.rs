//! How many of the good ones are found.

use std::collections::BTreeSet;

use super::real;

/// The share of `relevant` that stands among the first `k` of `ranked`: 0 to 1, repeats counted once.
///
/// `None` when nothing is relevant. With more relevant items than `k` the best reachable value is `k / |relevant|`.
pub fn recall_at_k<T: Ord>(ranked: &[T], relevant: &BTreeSet<T>, k: usize) -> Option<f64> {
    let found: BTreeSet<&T> = ranked.iter().take(k).filter(|item| relevant.contains(item)).collect();
    (!relevant.is_empty()).then(|| real(found.len()) / real(relevant.len()))
}
