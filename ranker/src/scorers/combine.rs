//! Terms to sides, sides to a match.

use crate::config::Weights;
use crate::deck::{Side, Term};
use crate::names::TermName;

/// The terms of a side and its score: the weighted mean of the terms that are known. Terms without a value or without weight are
/// left out and the others share their weight. 0 if nothing is known.
pub fn side_terms(side: Side, values: &[(TermName, Option<f32>)], weights: &Weights) -> (Vec<Term>, f64) {
    let weighted = values.iter().filter_map(|(name, value)| value.map(|v| (*name, v, weights.of(*name)))).filter(|(_, _, w)| *w > 0.0);
    let known: Vec<(TermName, f32, f64)> = weighted.collect();
    let total: f64 = known.iter().map(|(_, _, weight)| weight).sum();
    let mut score = 0.0;
    let terms = known.into_iter().map(|(name, value, weight)| {
        let contribution = f64::from(value) * weight / total;
        score += contribution;
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let term = Term { name, side, value, weight: weight as f32, contribution: contribution as f32 };
        term
    });
    let terms = terms.collect();
    (terms, score)
}

/// `2ab / (a + b)`; 0 when both are 0. Lies between the smaller and twice the smaller.
pub fn harmonic(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}
