//! The configuration as it holds in a region.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::RankerConfig;
use crate::error::ConfigError;

/// A configuration with a name for its contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The values, without `regions`.
    pub config: RankerConfig,
    /// Hash of the values: equal configurations have equal versions.
    pub version: String,
}

/// The effective configuration of every region.
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

fn seal(config: RankerConfig) -> Effective {
    let json = serde_json::to_vec(&config).expect("numbers, strings and maps with string keys");
    let digest = Sha256::digest(json);
    let version = digest.iter().take(6).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    Effective { config, version }
}

impl RankerConfig {
    /// The values as they hold in a region: its overrides laid upon the section.
    ///
    /// # Errors
    /// When an override names an unknown field or has a wrong type.
    pub fn in_region(&self, region: &str) -> Result<Self, ConfigError> {
        let base = Self { regions: Default::default(), ..self.clone() };
        let Some(over) = self.regions.get(region) else { return Ok(base) };
        let wrong = |problem: String| ConfigError { field: format!("regions.{region}"), problem };
        if over.contains_key("regions") {
            return Err(wrong("`regions` cannot be nested".to_owned()));
        }
        let mut merged = serde_json::to_value(base).map_err(|e| wrong(e.to_string()))?;
        merge(&mut merged, &Value::Object(over.clone()));
        serde_json::from_value(merged).map_err(|e| wrong(e.to_string()))
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
            by_name.insert(name.clone(), Arc::new(seal(config.in_region(name)?)));
        }
        let default = Arc::new(seal(RankerConfig { regions: Default::default(), ..config.clone() }));
        Ok(Self { default, by_name })
    }

    /// What holds in a region, or in none.
    pub fn get(&self, region: Option<&str>) -> &Arc<Effective> {
        region.and_then(|name| self.by_name.get(name)).unwrap_or(&self.default)
    }
}
