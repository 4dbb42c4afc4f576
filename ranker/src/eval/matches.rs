//! What a deck is for.

use super::real;

/// Expected matches per 100 impressions: 100 times the mean probability of a match, from the two one-sided probabilities of every
/// impression, 0 to 100. `None` without impressions.
///
/// The two sides are taken as independent given the pair, which is what the one-sided models promise: everything that makes both like
/// each other is in both of their features. With outcomes instead of predictions (1 for yes, 0 for no) it counts what happened.
pub fn matches_per_100(sides: &[(f64, f64)]) -> Option<f64> {
    (!sides.is_empty()).then(|| 100.0 * sides.iter().map(|(ours, theirs)| ours * theirs).sum::<f64>() / real(sides.len()))
}
