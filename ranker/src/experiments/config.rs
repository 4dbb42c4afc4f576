//! What experiments are made of, and whether it makes sense.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HOLDOUT;
use super::assign::buckets;
use crate::config::{Overrides, RankerConfig, lay};
use crate::error::ConfigError;

/// Who takes part in no experiment: a small share that keeps to the plain configuration, so that what all experiments together did can be
/// measured. Logged as `holdout:in` and `holdout:out`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoldoutConfig {
    /// Share of users, 0 to 1; 0 holds nobody out and logs nothing.
    pub share: f64,
    /// What the share is drawn with; another one draws others.
    pub salt: String,
}

impl Default for HoldoutConfig {
    fn default() -> Self {
        Self { share: 0.0, salt: HOLDOUT.to_owned() }
    }
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentConfig {
    /// Experiments of one layer share its users out among themselves; each layer has all users.
    pub layer: String,
    /// What arms are drawn with; empty: the name of the experiment. Another one draws anew.
    pub salt: String,
    /// Begins then; absent: has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Ends before then; absent: goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Where in the layer its users begin, 0 to 1.
    pub offset: f64,
    /// Share of the layer's users, 0 to 1, in steps of 0.0001. Raising it adds users and moves nobody.
    pub share: f64,
    /// The arm with which the others are compared.
    pub control: String,
    /// How many users, in all arms together, the one planned look is at; the always-valid interval is tightest around there.
    pub planned_users: u64,
    /// What there is to compare, by name. Changing names or weights while it runs moves users.
    pub arms: std::collections::BTreeMap<String, ArmConfig>,
}

impl Default for ExperimentConfig {
    fn default() -> Self {
        Self {
            layer: "default".to_owned(),
            salt: String::new(),
            from: None,
            until: None,
            offset: 0.0,
            share: 0.0,
            control: "control".to_owned(),
            planned_users: 10_000,
            arms: Default::default(),
        }
    }
}

impl ExperimentConfig {
    /// Whether it runs at a moment.
    pub fn runs_at(&self, now: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// Whether there is a moment at which both run.
    fn meets(&self, other: &Self) -> bool {
        let before = |until: Option<DateTime<Utc>>, from: Option<DateTime<Utc>>| until.zip(from).is_some_and(|(until, from)| until <= from);
        !before(self.until, other.from) && !before(other.until, self.from)
    }
}

/// An arm of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArmConfig {
    /// Users of the experiment it gets, in proportion to the weights of the others.
    pub weight: f64,
    /// The strategy in this arm; absent: as everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Keys of `[ranker]` that differ in this arm, such as `{ weights = { distance = 3.0 } }`; they win over those of a region.
    pub overrides: Overrides,
}

impl Default for ArmConfig {
    fn default() -> Self {
        Self { weight: 1.0, strategy: None, overrides: Overrides::new() }
    }
}

impl ArmConfig {
    /// Everything that differs in this arm, the strategy included.
    pub fn overrides(&self) -> Overrides {
        let mut over = self.overrides.clone();
        over.extend(self.strategy.iter().map(|name| ("strategy".to_owned(), Value::String(name.clone()))));
        over
    }
}

/// What [`is_name`] demands, in words.
pub(crate) const NAMES: &str = "1 to 60 lower-case letters, digits, `_` and `-`";

/// Whether a text can name an experiment, arm, layer or strategy: it stands in events and in SQL.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn refuse<T>(field: String, problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError { field, problem: problem.into() })
}

fn within(field: String, value: f64, most: f64) -> Result<(), ConfigError> {
    if (0.0..=most).contains(&value) { Ok(()) } else { refuse(field, format!("{value} is out of range, use 0 to {most}")) }
}

/// Checks every experiment, alone and beside the others.
///
/// # Errors
/// Names the first field that is wrong and what it may be.
pub(crate) fn validate(config: &RankerConfig) -> Result<(), ConfigError> {
    within("holdout.share".to_owned(), config.holdout.share, 1.0)?;
    for (name, experiment) in &config.experiments {
        alone(name, experiment)?;
        for (arm_name, arm) in &experiment.arms {
            arm_holds(config, &format!("experiments.{name}.arms.{arm_name}"), arm)?;
        }
    }
    let all: Vec<_> = config.experiments.iter().collect();
    for (at, (name, one)) in all.iter().enumerate() {
        for (other_name, other) in all[..at].iter().filter(|(_, other)| one.meets(other)) {
            if one.layer == other.layer { apart(name, one, other_name, other)? } else { disjoint(name, one, other_name, other)? }
        }
    }
    Ok(())
}

fn alone(name: &str, experiment: &ExperimentConfig) -> Result<(), ConfigError> {
    let field = |rest: &str| format!("experiments.{name}{rest}");
    if !is_name(name) || name == HOLDOUT {
        return refuse(field(""), format!("is no name for an experiment, use {NAMES}, and not `{HOLDOUT}`"));
    }
    if !is_name(&experiment.layer) {
        return refuse(field(".layer"), format!("`{}` is no name, use {NAMES}", experiment.layer));
    }
    within(field(".offset"), experiment.offset, 1.0)?;
    within(field(".share"), experiment.share, 1.0)?;
    if experiment.offset + experiment.share > 1.0 + 1e-9 {
        return refuse(field(".share"), format!("{} from offset {} on reaches beyond 1", experiment.share, experiment.offset));
    }
    if experiment.from.zip(experiment.until).is_some_and(|(from, until)| from >= until) {
        return refuse(field(".until"), "is not after `from`");
    }
    if experiment.planned_users < 100 {
        return refuse(field(".planned_users"), format!("{} is too few to conclude anything, use 100 or more", experiment.planned_users));
    }
    if experiment.arms.len() < 2 {
        return refuse(field(".arms"), "are fewer than two: there is nothing to compare");
    }
    for (arm, of) in &experiment.arms {
        if !is_name(arm) {
            return refuse(field(&format!(".arms.{arm}")), format!("is no name for an arm, use {NAMES}"));
        }
        within(field(&format!(".arms.{arm}.weight")), of.weight, 1e6)?;
        if of.weight == 0.0 {
            return refuse(field(&format!(".arms.{arm}.weight")), "must be above 0; leave out an arm that nobody gets");
        }
        if of.strategy.is_some() && of.overrides.contains_key("strategy") {
            return refuse(field(&format!(".arms.{arm}.strategy")), "is given twice, here and in `overrides`");
        }
    }
    if !experiment.arms.contains_key(&experiment.control) {
        let arms = experiment.arms.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return refuse(field(".control"), format!("`{}` is not an arm, use one of {arms}", experiment.control));
    }
    Ok(())
}

/// What an arm overrides makes sense everywhere.
fn arm_holds(config: &RankerConfig, field: &str, arm: &ArmConfig) -> Result<(), ConfigError> {
    let field = format!("{field}.overrides");
    lay(&config.alone(), &arm.overrides(), &field)?.check_at(&format!("{field}."))?;
    for region in config.regions.keys() {
        let there = |e: ConfigError| ConfigError { problem: format!("{} (in region {region})", e.problem), ..e };
        lay(&config.in_region(region)?, &arm.overrides(), &field)?.check_at(&format!("{field}.")).map_err(there)?;
    }
    Ok(())
}

/// Two of one layer that run at the same time have no users in common.
fn apart(name: &str, one: &ExperimentConfig, other_name: &str, other: &ExperimentConfig) -> Result<(), ConfigError> {
    let ends = |experiment: &ExperimentConfig| {
        let from = buckets(experiment.offset);
        (from, from + buckets(experiment.share))
    };
    let ((from, to), (other_from, other_to)) = (ends(one), ends(other));
    let (from, to) = (from.max(other_from), to.min(other_to));
    if from < to {
        let problem = format!(
            "buckets {from} to {to} of layer `{}` are in `{other_name}`, too: change `offset` or `share`, or the time of one of them",
            one.layer
        );
        return refuse(format!("experiments.{name}.share"), problem);
    }
    Ok(())
}

/// Two of different layers that run at the same time change different things.
fn disjoint(name: &str, one: &ExperimentConfig, other_name: &str, other: &ExperimentConfig) -> Result<(), ConfigError> {
    let changed = |experiment: &ExperimentConfig| {
        let mut keys = BTreeSet::new();
        experiment.arms.values().for_each(|arm| leaves(&Value::Object(arm.overrides()), "", &mut keys));
        keys
    };
    let both: Vec<String> = changed(one).intersection(&changed(other)).cloned().collect();
    if let Some(key) = both.first() {
        let problem = format!(
            "changes `{key}`, and so does `{other_name}` of layer `{}` at the same time: put both into one layer, or one after the other",
            other.layer
        );
        return refuse(format!("experiments.{name}.arms"), problem);
    }
    Ok(())
}

/// Paths of everything that is no table.
fn leaves(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(of) => {
            for (key, inner) in of {
                leaves(inner, &if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, out);
            }
        }
        _ => {
            out.insert(at.to_owned());
        }
    }
}
