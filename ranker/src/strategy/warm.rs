//! What people did so far: the chance that each likes the other, and what follows for the two.
//!
//! A side is a probability, [`Direction::probability`]; the contributions of its terms are log-odds and sum to the side's. The terms of the formula stay
//! and share the weight of similarity between them. Of people of whom nothing is known the rates are those of their segments, so that similarity alone
//! tells them apart.

use super::{Case, Strategy, WARM};
use crate::config::{RankerConfig, WarmConfig};
use crate::deck::{Side, Sides, Term};
use crate::names::TermName;
use crate::query::Query;
use crate::warm::{Direction, logit};

pub(super) struct Warm;

#[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
fn f(value: f64) -> f32 {
    value as f32
}

/// Turns the terms of a side into log-odds, adds those of the rates, and gives the probability.
fn side(side: Side, direction: &Direction, weights: &WarmConfig, terms: &mut Vec<Term>) -> f64 {
    let mine = |term: &&mut Term| term.side == side;
    let total: f64 = terms.iter_mut().filter(mine).map(|term| f64::from(term.weight)).sum();
    for term in terms.iter_mut().filter(mine) {
        let share = if total > 0.0 { f64::from(term.weight) / total } else { 0.0 };
        term.contribution = f(weights.similarity * share * (f64::from(term.value) - 0.5));
    }
    let base = Term {
        name: TermName::Base,
        side,
        value: f(direction.base),
        weight: 1.0,
        contribution: f(logit(direction.base) + weights.intercept),
    };
    terms.push(base);
    terms.extend(direction.parts().iter().map(|(name, value, per_weight)| {
        let weight = weights.of(*name);
        Term { name: *name, side, value: f(*value), weight: f(weight), contribution: f(weight * per_weight) }
    }));
    direction.probability(weights)
}

impl Strategy for Warm {
    fn name(&self) -> &str {
        WARM
    }

    fn sides(&self, query: &Query, cases: &mut [Case<'_>]) {
        let weights = &query.config().warm;
        for case in cases {
            let (viewer, candidate) = (case.pair.viewer, &case.pair.candidate);
            let ours = Direction::between(viewer, candidate, case.sides.viewer.into(), &query.rates);
            let theirs = Direction::between(candidate, viewer, case.sides.candidate.into(), &query.rates);
            let ours = side(Side::Viewer, &ours, weights, &mut case.terms);
            let theirs = side(Side::Candidate, &theirs, weights, &mut case.terms);
            case.sides = Sides { viewer: f(ours), candidate: f(theirs), mutual: f(weights.combine.apply(ours, theirs)) };
        }
    }

    fn reads_rates(&self) -> bool {
        true
    }

    fn worth(&self, query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        let combine = query.config().warm.combine;
        cases.iter().map(|case| combine.mean(case.sides.viewer.into(), case.sides.candidate.into())).collect()
    }

    /// How liked somebody is stands in the probability already.
    fn adapt(&self, config: &mut RankerConfig) {
        config.draw.sharpness = config.warm.sharpness;
        config.draw.popularity_exponent = 0.0;
    }
}

#[cfg(test)]
mod tests;
