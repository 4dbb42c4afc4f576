//! Terms to sides, sides to a match.

use crate::config::Weights;
use crate::deck::{Side, Term};
use crate::names::TermName;

/// Adds the terms of a side to `terms` and gives its score: the weighted mean of the terms that are known. Terms without a value or without
/// weight are left out and the others share their weight. 0 if nothing is known.
pub fn add_side_terms(
    side: Side,
    values: impl Iterator<Item = (TermName, Option<f32>)> + Clone,
    weights: &Weights,
    terms: &mut Vec<Term>,
) -> f64 {
    let known = values.filter_map(|(name, value)| value.map(|v| (name, v, weights.of(name)))).filter(|(_, _, weight)| *weight > 0.0);
    let total: f64 = known.clone().map(|(_, _, weight)| weight).sum();
    let mut score = 0.0;
    terms.extend(known.map(|(name, value, weight)| {
        let contribution = f64::from(value) * weight / total;
        score += contribution;
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let term = Term { name, side, value, weight: weight as f32, contribution: contribution as f32 };
        term
    }));
    score
}

/// [`add_side_terms`] into a list of their own.
pub fn side_terms(side: Side, values: &[(TermName, Option<f32>)], weights: &Weights) -> (Vec<Term>, f64) {
    let mut terms = Vec::with_capacity(values.len());
    let score = add_side_terms(side, values.iter().copied(), weights, &mut terms);
    (terms, score)
}

/// `2ab / (a + b)`; 0 when both are 0. Lies between the smaller and twice the smaller.
pub fn harmonic(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}
