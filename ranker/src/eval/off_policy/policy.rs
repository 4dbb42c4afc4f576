//! Policies: with which chance what is shown where.

use std::collections::BTreeMap;

use super::model::RewardModel;
use crate::eval::real;

/// A policy that looks at positions only: chances of actions, which sum to 1 at every position that history knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    name: String,
    chances: BTreeMap<u32, BTreeMap<u64, f64>>,
}

impl Policy {
    /// Every action of the history alike, everywhere.
    pub fn uniform(model: &RewardModel) -> Self {
        Self::weighted("uniform", model, |_, _| 1.0)
    }

    /// In proportion to what the model expects: the better more often, none never.
    pub fn proportional(model: &RewardModel) -> Self {
        Self::weighted("proportional", model, |position, action| model.expects(position, action).max(1e-9))
    }

    /// The best that the model knows, and anything with chance `explore` (0 to 1).
    pub fn greedy(model: &RewardModel, explore: f64) -> Self {
        let best = |position: u32| {
            let worth = |action: u64| model.expects(position, action);
            model.actions().max_by(|a, b| worth(*a).total_cmp(&worth(*b)).then(b.cmp(a)))
        };
        let best: BTreeMap<u32, Option<u64>> = model.positions().into_iter().map(|position| (position, best(position))).collect();
        let many = real(model.actions().count());
        Self::weighted("greedy", model, |position, action| {
            explore / many + if best[&position] == Some(action) { 1.0 - explore } else { 0.0 }
        })
    }

    /// Chances in proportion to weights (0 or more, not all 0) of every position and action of the history.
    pub fn weighted(name: &str, model: &RewardModel, weight: impl Fn(u32, u64) -> f64) -> Self {
        let at = |position: u32| {
            let weights: BTreeMap<u64, f64> = model.actions().map(|action| (action, weight(position, action))).collect();
            let total: f64 = weights.values().sum();
            weights.into_iter().map(|(action, weight)| (action, weight / total)).collect()
        };
        Self { name: name.to_owned(), chances: model.positions().into_iter().map(|position| (position, at(position))).collect() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The chance with which it shows an action at a position; 0 for what history does not know.
    pub fn chance(&self, position: u32, action: u64) -> f64 {
        self.chances.get(&position).and_then(|actions| actions.get(&action)).copied().unwrap_or(0.0)
    }

    /// What a model expects of it at a position; 0 at one that history does not know.
    pub fn expects(&self, position: u32, model: &RewardModel) -> f64 {
        let actions = self.chances.get(&position).into_iter().flatten();
        actions.map(|(action, chance)| chance * model.expects(position, *action)).sum()
    }
}
