//! The configuration as it holds in a region.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Overrides, RankerConfig};
use crate::error::ConfigError;

/// A configuration with a name for its contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The values, without `regions`, `holdout` and `experiments`.
    pub config: RankerConfig,
    /// Hash of the values: equal configurations have equal versions.
    pub version: String,
    /// Experiment arms that are in it, each as `experiment:arm`.
    pub experiments: Vec<String>,
}

impl Effective {
    /// The values as JSON, as [`Self::from_json`] reads them, to the last bit.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_value(&self.config).expect("numbers, strings and maps with string keys");
        each_value(&mut json, &mut wrap);
        json.to_string()
    }

    /// Reads values that were written down; the version is that of the values as this program understands them.
    ///
    /// # Errors
    /// When they have a key that this program does not know, or a wrong type.
    pub fn from_json(json: &str, experiments: Vec<String>) -> Result<Self, ConfigError> {
        let wrong = |e: serde_json::Error| ConfigError { field: "config".to_owned(), problem: e.to_string() };
        let mut json: Value = serde_json::from_str(json).map_err(wrong)?;
        each_value(&mut json, &mut unwrap);
        Ok(seal(serde_json::from_value(json).map_err(wrong)?, experiments))
    }
}

/// Marks a number that stands as text, because the JSON reader, which is quick rather than exact, would read it as its neighbour.
const EXACT: &str = "f64";

fn each_value(json: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match json {
        Value::Array(list) => list.iter_mut().for_each(|value| each_value(value, change)),
        Value::Object(map) => map.values_mut().for_each(|value| each_value(value, change)),
        _ => {}
    }
    change(json);
}

fn wrap(json: &mut Value) {
    let Some(number) = json.as_f64().filter(|_| json.is_f64()) else { return };
    let text = number.to_string();
    let read: Option<f64> = serde_json::from_str(&json.to_string()).ok();
    if read.map(f64::to_bits) != Some(number.to_bits()) {
        *json = serde_json::json!({ EXACT: text });
    }
}

fn unwrap(json: &mut Value) {
    let marked = json.as_object().filter(|map| map.len() == 1).and_then(|map| map.get(EXACT)).and_then(Value::as_str);
    if let Some(number) = marked.and_then(|text| text.parse().ok()).and_then(serde_json::Number::from_f64) {
        *json = Value::Number(number);
    }
}

/// The effective configuration of every region, before any experiment.
#[derive(Debug, Clone)]
pub struct Regions {
    default: Arc<Effective>,
    by_name: HashMap<String, Arc<Effective>>,
}

/// Lays `over` upon `base`: objects are merged, everything else is replaced.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Overrides laid upon a configuration; `field` is where they were written.
///
/// # Errors
/// When an override names an unknown field, has a wrong type, or is of a section that cannot be overridden.
pub(crate) fn lay(base: &RankerConfig, over: &Overrides, field: &str) -> Result<RankerConfig, ConfigError> {
    let wrong = |problem: String| ConfigError { field: field.to_owned(), problem };
    for section in ["regions", "holdout", "experiments"] {
        if over.contains_key(section) {
            return Err(wrong(format!("`{section}` cannot be nested")));
        }
    }
    let mut merged = serde_json::to_value(base).map_err(|e| wrong(e.to_string()))?;
    merge(&mut merged, &Value::Object(over.clone()));
    serde_json::from_value(merged).map_err(|e| wrong(e.to_string()))
}

/// Names a configuration by its contents.
pub(crate) fn seal(config: RankerConfig, experiments: Vec<String>) -> Effective {
    let json = serde_json::to_vec(&config).expect("numbers, strings and maps with string keys");
    let digest = Sha256::digest(json);
    let version = digest.iter().take(6).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    Effective { config, version, experiments }
}

impl RankerConfig {
    /// The values that hold where nothing overrides them: without regions, holdout and experiments.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { regions: Default::default(), holdout: Default::default(), experiments: Default::default(), ..self.clone() }
    }

    /// The values as they hold in a region: its overrides laid upon the section.
    ///
    /// # Errors
    /// When an override names an unknown field or has a wrong type.
    pub fn in_region(&self, region: &str) -> Result<Self, ConfigError> {
        let base = self.alone();
        self.regions.get(region).map_or(Ok(base.clone()), |over| lay(&base, over, &format!("regions.{region}")))
    }

    /// The values as they would hold if everybody were in this arm and in no other; those of the section for an arm that is not there.
    ///
    /// # Errors
    /// When an override names an unknown field or has a wrong type.
    pub fn in_arm(&self, experiment: &str, arm: &str) -> Result<Self, ConfigError> {
        let base = self.alone();
        let found = self.experiments.get(experiment).and_then(|e| e.arms.get(arm));
        found.map_or(Ok(base.clone()), |tried| lay(&base, &tried.overrides(), &format!("experiments.{experiment}.arms.{arm}")))
    }
}

impl Regions {
    /// Works out every region.
    ///
    /// # Errors
    /// When a value is out of its range or an override names an unknown field.
    pub fn new(config: &RankerConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut by_name = HashMap::new();
        for name in config.regions.keys() {
            by_name.insert(name.clone(), Arc::new(seal(config.in_region(name)?, Vec::new())));
        }
        Ok(Self { default: Arc::new(seal(config.alone(), Vec::new())), by_name })
    }

    /// What holds in a region, or in none.
    pub fn get(&self, region: Option<&str>) -> &Arc<Effective> {
        region.and_then(|name| self.by_name.get(name)).unwrap_or(&self.default)
    }
}
