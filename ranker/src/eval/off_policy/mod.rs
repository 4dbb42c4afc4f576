//! What another policy would have earned, from a log that says with which chance it did what it did.
//!
//! A log tells the reward of what was shown and nothing about what was not. Where every shown thing comes with its *propensity* (the chance
//! with which the logging policy chose it), rows can be weighted so that they stand for another policy: `w = π(action) / propensity`.
//!
//! | estimate | formula | when |
//! | --- | --- | --- |
//! | inverse propensity, `ips` | mean of `w·r` | unbiased, however wrong any model; wild when weights are large |
//! | self-normalised, `snips` | `Σ w·r / Σ w` | slightly biased, far calmer; stays within the rewards seen |
//! | direct, `dm` | mean of the model's expectation under π | calm, and as wrong as the model |
//! | doubly robust, `dr` | mean of `expectation + w·(r − model)` | unbiased when propensities *or* model are right |
//!
//! (Horvitz and Thompson 1952; Swaminathan and Joachims, NeurIPS 2015; Dudík, Langford and Li, ICML 2011.) Weights may be clipped at a most,
//! which trades a known downward bias of `ips` for less variance (Ionides 2008). The *effective sample size* `(Σw)² / Σw²` says how many rows
//! are left of the log: an estimate on a few dozen is none.
//!
//! Needed: the logging policy gave every action that π takes a chance above 0. Actions that history does not know get no chance from the
//! policies here, so that holds for what they are learned from.

mod judge;
mod model;
mod policy;

pub use self::judge::{JudgeOptions, judge};
pub use self::model::RewardModel;
pub use self::policy::Policy;

use super::real;

/// One decision of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Where it was shown.
    pub position: u32,
    /// What was shown.
    pub action: u64,
    /// What came of it, such as 1 for a click.
    pub reward: f64,
    /// The chance with which the logging policy showed it there, above 0, at most 1.
    pub propensity: f64,
}

/// A decision as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighed {
    /// What came of it.
    pub reward: f64,
    /// How many rows it stands for: `π(action) / propensity`, clipped.
    pub weight: f64,
    /// What the model expects of the action.
    pub direct: f64,
    /// What the model expects of the policy there.
    pub expected: f64,
}

impl Weighed {
    /// A decision as a policy and a model see it, with its weight at most `clip`.
    pub fn new(decision: &Decision, policy: &Policy, model: &RewardModel, clip: f64) -> Self {
        Self {
            reward: decision.reward,
            weight: (policy.chance(decision.position, decision.action) / decision.propensity).min(clip),
            direct: model.expects(decision.position, decision.action),
            expected: policy.expects(decision.position, model),
        }
    }
}

fn mean(rows: &[Weighed], of: impl Fn(&Weighed) -> f64) -> Option<f64> {
    (!rows.is_empty()).then(|| rows.iter().map(of).sum::<f64>() / real(rows.len()))
}

/// Inverse propensity score: reward a decision of the policy. `None` without rows.
pub fn ips(rows: &[Weighed]) -> Option<f64> {
    mean(rows, |row| row.weight * row.reward)
}

/// Self-normalised inverse propensity score. `None` when no row has a weight.
pub fn snips(rows: &[Weighed]) -> Option<f64> {
    let total: f64 = rows.iter().map(|row| row.weight).sum();
    (total > 0.0).then(|| rows.iter().map(|row| row.weight * row.reward).sum::<f64>() / total)
}

/// What the model alone says. `None` without rows.
pub fn direct(rows: &[Weighed]) -> Option<f64> {
    mean(rows, |row| row.expected)
}

/// Doubly robust: the model, corrected by what it misses on the log. `None` without rows.
pub fn doubly_robust(rows: &[Weighed]) -> Option<f64> {
    mean(rows, |row| row.expected + row.weight * (row.reward - row.direct))
}

/// How many rows of equal weight would say as much: `(Σw)² / Σw²`, at most the number of rows. `None` when no row has a weight.
pub fn effective_size(rows: &[Weighed]) -> Option<f64> {
    let (sum, squares) = rows.iter().fold((0.0, 0.0), |(sum, squares), row| (sum + row.weight, squares + row.weight * row.weight));
    (squares > 0.0).then(|| sum * sum / squares)
}

#[cfg(test)]
mod tests;
