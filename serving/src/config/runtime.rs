//! The `[features]` section.

use serde::{Deserialize, Serialize};

/// Who computes the feature sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureRuntime {
    /// The job `features`, in this process or another one of hongniang.
    #[default]
    Embedded,
    /// Pipelines on an Arroyo cluster (`hongniang pipeline deploy`); the job `features` does not run.
    Arroyo,
    /// Nobody: portraits keep the counters they have.
    Off,
}

impl FeatureRuntime {
    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Arroyo => "arroyo",
            Self::Off => "off",
        }
    }

    /// Why the job `features` does not run, and what to do; nothing where it does.
    pub const fn instead(self) -> Option<&'static str> {
        match self {
            Self::Embedded => None,
            Self::Arroyo => Some(
                "feature sets are computed by Arroyo here (features.runtime = \"arroyo\"): `hongniang pipeline deploy --arroyo URL` starts them \
                 there; the job features runs where features.runtime = \"embedded\"",
            ),
            Self::Off => Some("feature sets are not computed here (features.runtime = \"off\"); set it to \"embedded\" or \"arroyo\""),
        }
    }
}

/// The `[features]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeaturesConfig {
    /// Who computes the feature sets.
    pub runtime: FeatureRuntime,
}
