//! Who is in which arm.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use sha2::{Digest, Sha256};

use super::HOLDOUT;
use super::config::ExperimentConfig;
use crate::config::RankerConfig;

/// Parts into which the users of a layer fall.
pub const BUCKETS: u64 = 10_000;

/// 64 even bits for a user under a salt: the first eight bytes, big end first, of SHA-256 over `salt/user`.
fn hash(salt: &str, user: UserId) -> u64 {
    let digest = Sha256::digest(format!("{salt}/{user}"));
    digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

/// The bucket of a user under a salt, 0 to 9,999: the hash times 10,000, without the lower 64 bits. The salt of a layer is
/// `layer:<name>`. In Python: `int(hashlib.sha256(f"{salt}/{user}".encode()).hexdigest()[:16], 16) * 10_000 >> 64`.
pub fn bucket(salt: &str, user: UserId) -> u64 {
    ((u128::from(hash(salt, user)) * u128::from(BUCKETS)) >> 64) as u64
}

/// Buckets of a share of the users, to the nearest.
pub(super) fn buckets(share: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 10,000")]
    let count = (share * BUCKETS as f64).round() as u64;
    count
}

/// Somebody's arm in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The layer; empty for the holdout.
    pub layer: String,
    /// The experiment, or [`HOLDOUT`].
    pub experiment: String,
    /// The arm.
    pub arm: String,
}

impl Assignment {
    /// As it is logged: `experiment:arm`.
    pub fn label(&self) -> String {
        format!("{}:{}", self.experiment, self.arm)
    }
}

/// One experiment, ready to assign.
#[derive(Debug, Clone)]
struct Ready {
    name: String,
    salt: String,
    config: ExperimentConfig,
    /// Arms with the end of their part, growing to 1.
    until: Vec<(String, f64)>,
}

impl Ready {
    fn new(name: &str, config: &ExperimentConfig) -> Self {
        let total: f64 = config.arms.values().map(|arm| arm.weight).sum();
        let mut sum = 0.0;
        let parts = config.arms.iter().map(|(arm, of)| {
            sum += of.weight;
            (arm.clone(), sum / total)
        });
        let until = parts.collect();
        let salt = if config.salt.is_empty() { name.to_owned() } else { config.salt.clone() };
        Self { name: name.to_owned(), salt: format!("arm:{salt}"), config: config.clone(), until }
    }

    fn has(&self, bucket: u64) -> bool {
        let from = buckets(self.config.offset);
        (from..from + buckets(self.config.share)).contains(&bucket)
    }

    /// The arm of a user who is in the experiment.
    fn arm(&self, user: UserId) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let at = (hash(&self.salt, user) >> 11) as f64 / 9_007_199_254_740_992.0;
        // The last part ends at 1, but for rounding.
        self.until.iter().position(|(_, until)| at < *until).unwrap_or(self.until.len() - 1)
    }
}

/// A layer's experiments.
#[derive(Debug, Clone)]
struct Layer {
    name: String,
    salt: String,
    experiments: Vec<Ready>,
}

/// Every experiment, ready to assign.
#[derive(Debug, Clone)]
pub struct Experiments {
    layers: Vec<Layer>,
    /// Buckets held out, with their salt, if anybody is.
    holdout: Option<(String, u64)>,
}

impl Experiments {
    /// Those of a configuration that was validated.
    pub fn new(config: &RankerConfig) -> Self {
        let mut layers: BTreeMap<&str, Vec<Ready>> = BTreeMap::new();
        for (name, experiment) in &config.experiments {
            layers.entry(&experiment.layer).or_default().push(Ready::new(name, experiment));
        }
        let layers =
            layers.into_iter().map(|(name, experiments)| Layer { name: name.to_owned(), salt: format!("layer:{name}"), experiments });
        let held = (config.holdout.share > 0.0).then(|| (format!("holdout:{}", config.holdout.salt), buckets(config.holdout.share)));
        Self { layers: layers.collect(), holdout: held }
    }

    /// The arms of a user at a moment, layer by layer in the order of their names, the holdout last. Empty when nothing is tried.
    pub fn assign(&self, user: UserId, now: DateTime<Utc>) -> Vec<Assignment> {
        let held = self.holdout.as_ref().map(|(salt, until)| bucket(salt, user) < *until);
        let mut assigned = Vec::new();
        if held != Some(true) {
            assigned.extend(self.layers.iter().filter_map(|layer| layer.assign(user, now)));
        }
        assigned.extend(held.map(holdout));
        assigned
    }

    /// Every list of arms that [`Self::assign`] can give to anybody at any time, in a fixed order; the first is that of somebody in none.
    pub fn possible(&self) -> Vec<Vec<Assignment>> {
        let mut lists = vec![Vec::new()];
        for layer in &self.layers {
            let options = layer.options();
            let more = lists.iter().flat_map(|list| options.iter().map(|one| [list.as_slice(), std::slice::from_ref(one)].concat()));
            let more: Vec<Vec<Assignment>> = more.collect();
            lists.extend(more);
        }
        if self.holdout.is_some() {
            lists.iter_mut().for_each(|list| list.push(holdout(false)));
            lists.push(vec![holdout(true)]);
        }
        lists
    }

    /// How many lists [`Self::possible`] gives, without making them.
    pub fn combinations(&self) -> usize {
        let layers = self.layers.iter().map(|layer| 1 + layer.experiments.iter().map(|e| e.until.len()).sum::<usize>());
        layers.fold(1, usize::saturating_mul) + usize::from(self.holdout.is_some())
    }
}

fn holdout(held: bool) -> Assignment {
    Assignment { layer: String::new(), experiment: HOLDOUT.to_owned(), arm: if held { "in" } else { "out" }.to_owned() }
}

impl Layer {
    fn of(&self, experiment: &Ready, arm: usize) -> Assignment {
        Assignment { layer: self.name.clone(), experiment: experiment.name.clone(), arm: experiment.until[arm].0.clone() }
    }

    fn assign(&self, user: UserId, now: DateTime<Utc>) -> Option<Assignment> {
        let mut running = self.experiments.iter().filter(|e| e.config.runs_at(now)).peekable();
        running.peek()?;
        let bucket = bucket(&self.salt, user);
        running.find(|experiment| experiment.has(bucket)).map(|experiment| self.of(experiment, experiment.arm(user)))
    }

    fn options(&self) -> Vec<Assignment> {
        self.experiments.iter().flat_map(|e| (0..e.until.len()).map(|arm| self.of(e, arm))).collect()
    }
}
