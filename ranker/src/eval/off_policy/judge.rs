//! The protocol: policies are learned from the first part of a log and judged on the rest.

use std::collections::BTreeMap;

use super::{Decision, Policy, RewardModel, Weighed, direct, doubly_robust, effective_size, ips, snips};
use crate::eval::{Bootstrap, Row, real};

/// How a log is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeOptions {
    /// Share of the rows, the earliest, from which policies and model are learned, above 0, below 1.
    pub history: f64,
    /// The largest weight of a row.
    pub clip: f64,
    /// How many rows a wider mean counts as in the reward model.
    pub strength: f64,
    /// How often the greedy policy shows anything at all.
    pub explore: f64,
    /// The intervals.
    pub bootstrap: Bootstrap,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self { history: 0.5, clip: 100.0, strength: 200.0, explore: 0.1, bootstrap: Bootstrap::default() }
    }
}

/// What policies would have earned on the later part of a log, whose rows are in the order of time: for each policy and slice the estimates
/// of [`super`], the effective size, and the share of rows that were clipped; for `logged` the mean reward there, which needs no estimate.
/// Slices are `all` and every position. Empty when one part of the log is.
pub fn judge(log: &[Decision], options: &JudgeOptions) -> Vec<Row> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the number of rows")]
    let until = (options.history.clamp(0.0, 1.0) * real(log.len())).floor() as usize;
    let (history, judged) = log.split_at(until.min(log.len()));
    if history.is_empty() || judged.is_empty() {
        return Vec::new();
    }
    let model = RewardModel::fit(history, options.strength);
    let policies = [Policy::uniform(&model), Policy::proportional(&model), Policy::greedy(&model, options.explore)];
    let mut slices: BTreeMap<String, Vec<&Decision>> = BTreeMap::from([("all".to_owned(), judged.iter().collect())]);
    for row in judged {
        slices.entry(format!("position={}", row.position)).or_default().push(row);
    }
    let mut rows = Vec::new();
    for (slice, decisions) in &slices {
        let rewards: Vec<Vec<f64>> = decisions.iter().map(|d| vec![d.reward]).collect();
        let mean = options.bootstrap.interval(&rewards, |r| (!r.is_empty()).then(|| r.iter().sum::<f64>() / real(r.len())));
        rows.extend(mean.map(|interval| Row::estimated("logged", slice, "mean", interval)));
        for policy in &policies {
            let weighed: Vec<Weighed> = decisions.iter().map(|d| Weighed::new(d, policy, &model, options.clip)).collect();
            rows.extend(estimates(policy.name(), slice, &weighed, options));
        }
    }
    rows
}

/// An estimate of rows.
type Estimator = fn(&[Weighed]) -> Option<f64>;

fn estimates(strategy: &str, slice: &str, weighed: &[Weighed], options: &JudgeOptions) -> Vec<Row> {
    const ESTIMATES: [(&str, Estimator); 4] = [("ips", ips), ("snips", snips), ("dm", direct), ("dr", doubly_robust)];
    let apart: Vec<Vec<Weighed>> = weighed.iter().map(|row| vec![*row]).collect();
    let mut rows: Vec<Row> = Vec::new();
    for (metric, estimate) in ESTIMATES {
        rows.extend(options.bootstrap.interval(&apart, estimate).map(|interval| Row::estimated(strategy, slice, metric, interval)));
    }
    rows.extend(effective_size(weighed).map(|size| Row::plain(strategy, slice, "effective_size", size)));
    let clipped = weighed.iter().filter(|row| row.weight >= options.clip).count();
    rows.push(Row::plain(strategy, slice, "clipped_share", real(clipped) / real(weighed.len().max(1))));
    rows
}
