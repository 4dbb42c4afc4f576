//! What a reward will be: means by action and position, drawn towards what is known of more rows.

use std::collections::{BTreeMap, BTreeSet};

use super::Decision;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, reward: f64) {
        self.sum += reward;
        self.n += 1.0;
    }

    /// As if `strength` more rows had given `prior`.
    fn towards(self, prior: f64, strength: f64) -> f64 {
        (self.sum + strength * prior) / (self.n + strength)
    }
}

/// Expected rewards: the mean of an action at a position, drawn towards that of the action anywhere, and that towards the mean of all.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardModel {
    strength: f64,
    /// The least and the greatest reward seen.
    seen: (f64, f64),
    all: Mean,
    actions: BTreeMap<u64, Mean>,
    positions: BTreeMap<u32, Mean>,
    cells: BTreeMap<(u32, u64), Mean>,
}

impl RewardModel {
    /// Learns from a log that chose without looking at rewards. `strength` (above 0) is how many rows the wider mean counts as.
    pub fn fit(history: &[Decision], strength: f64) -> Self {
        let mut model = Self {
            strength,
            seen: (f64::INFINITY, f64::NEG_INFINITY),
            all: Mean::default(),
            actions: BTreeMap::new(),
            positions: BTreeMap::new(),
            cells: BTreeMap::new(),
        };
        for row in history {
            model.seen = (model.seen.0.min(row.reward), model.seen.1.max(row.reward));
            model.all.add(row.reward);
            model.actions.entry(row.action).or_default().add(row.reward);
            model.positions.entry(row.position).or_default().add(row.reward);
            model.cells.entry((row.position, row.action)).or_default().add(row.reward);
        }
        model
    }

    /// What is expected of an action at a position, within the rewards seen; of one that is not known, the mean of all.
    pub fn expects(&self, position: u32, action: u64) -> f64 {
        let all = self.all.towards(0.0, 0.0);
        let all = if all.is_nan() { 0.0 } else { all };
        let of = |mean: Option<&Mean>, prior: f64| mean.map_or(prior, |mean| mean.towards(prior, self.strength));
        let action_mean = of(self.actions.get(&action), all);
        // A position's rows are as many as all actions' there: it shifts the action's mean by its own ratio to all.
        let shift = if all > 0.0 { of(self.positions.get(&position), all) / all } else { 1.0 };
        // The shift of a good action at a good position may point beyond what any row has earned.
        let prior = (action_mean * shift).max(self.seen.0).min(self.seen.1);
        of(self.cells.get(&(position, action)), if self.all.n > 0.0 { prior } else { 0.0 })
    }

    /// Actions of the history.
    pub fn actions(&self) -> impl Iterator<Item = u64> {
        self.actions.keys().copied()
    }

    /// Positions of the history.
    pub fn positions(&self) -> BTreeSet<u32> {
        self.positions.keys().copied().collect()
    }
}
