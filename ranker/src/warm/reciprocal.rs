//! Two sides to one match.

use serde::{Deserialize, Serialize};

use super::logistic::{Logistic, Ridge};
use super::logit;
use crate::eval::{auc, log_loss};
use crate::scorers::harmonic;

/// How the two one-sided probabilities become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// `a·b`: the chance of a match if the sides are independent given what the models know.
    Product,
    /// `2ab / (a + b)`: high only when both are; Pizzato et al. (RECON, RecSys 2010).
    Harmonic,
}

impl Combine {
    /// Both, in the order of preference when they are equally good.
    pub const ALL: [Self; 2] = [Self::Product, Self::Harmonic];

    /// The combined number, 0 to 1. Only the product is meant as a probability of a match.
    pub fn apply(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::Product => ours * theirs,
            Self::Harmonic => harmonic(ours, theirs),
        }
    }

    /// The same order on the scale of one side, 0 to 1: the geometric mean for the product, the harmonic mean as it is. Where the
    /// combination differs between groups whose pairs are ranked together, their scores stay comparable.
    pub fn mean(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::Product => (ours * theirs).sqrt(),
            Self::Harmonic => harmonic(ours, theirs),
        }
    }
}

/// By what the combination is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// By order: the higher AUC.
    Auc,
    /// By probability: the lower log-loss.
    LogLoss,
}

/// One pair of held-out history: the two one-sided probabilities and whether it became a match.
pub type HeldOut = (f64, f64, bool);

/// What a combination reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Which.
    pub combine: Combine,
    /// AUC of the later pairs.
    pub auc: f64,
    /// Log-loss of the later pairs, in nats, after calibration on the earlier ones.
    pub log_loss: f64,
}

/// What every combination reaches on the `later` pairs, in the order of [`Combine::ALL`]; those that cannot be judged are left out.
///
/// The combined numbers are first turned into probabilities by a logistic curve fitted to the `earlier` pairs (Platt 1999), because the
/// harmonic mean is none and log-loss would judge its scale instead of its order.
pub fn judge(earlier: &[HeldOut], later: &[HeldOut]) -> Vec<Judged> {
    let one = |combine: Combine| {
        let feature = |pair: &HeldOut| vec![logit(combine.apply(pair.0, pair.1))];
        let rows: Vec<Vec<f64>> = earlier.iter().map(feature).collect();
        let labels: Vec<bool> = earlier.iter().map(|pair| pair.2).collect();
        let curve = Logistic::fit(&rows, &labels, Ridge::default())?;
        let scored: Vec<(f64, bool)> = later.iter().map(|pair| (combine.apply(pair.0, pair.1), pair.2)).collect();
        let predicted: Vec<(f64, bool)> = later.iter().map(|pair| (curve.predict(&feature(pair)), pair.2)).collect();
        Some(Judged { combine, auc: auc(&scored)?, log_loss: log_loss(&predicted)? })
    };
    Combine::ALL.into_iter().filter_map(one).collect()
}

/// The better combination on held-out history; the product when nothing can be judged or both are equal.
pub fn choose(earlier: &[HeldOut], later: &[HeldOut], by: Criterion) -> Combine {
    let cost = |j: &Judged| if by == Criterion::Auc { -j.auc } else { j.log_loss };
    // The first of equals wins.
    let best = judge(earlier, later).into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    best.map_or(Combine::Product, |judged| judged.combine)
}
