//! The `[rights]` section.

use serde::{Deserialize, Serialize};

/// The `[rights]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RightsConfig {
    /// Seconds an erasure waits for others, so that files are rewritten once for all of them. Nobody is shown or found meanwhile.
    pub gather_s: u64,
    /// Copies of their data that a person may have made in a day.
    pub exports_per_day: u32,
}

impl Default for RightsConfig {
    fn default() -> Self {
        Self { gather_s: 60, exports_per_day: 5 }
    }
}

impl RightsConfig {
    /// What is wrong with it: the key and the reason.
    ///
    /// # Errors
    /// When a value is out of bounds.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.gather_s > 86_400 {
            return Err(("rights.gather_s", "must be at most 86400 seconds: who asks to be erased may expect it within days".to_owned()));
        }
        if !(1..=1_000).contains(&self.exports_per_day) {
            return Err(("rights.exports_per_day", "must be 1 to 1000".to_owned()));
        }
        Ok(())
    }
}
