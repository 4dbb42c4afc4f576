//! The configuration that holds for a viewer: the section, then the region, then the arms, then what the strategy demands.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;

use super::assign::{Assignment, Experiments};
use crate::config::{Effective, RankerConfig, lay, seal};
use crate::error::ConfigError;
use crate::strategy::Strategies;

/// More configurations than these are not made ready.
const MOST: usize = 5_000;

/// Every configuration that can hold, ready.
#[derive(Debug, Clone)]
pub struct Plans {
    experiments: Experiments,
    regions: HashMap<String, ByArms>,
    elsewhere: ByArms,
}

/// Configurations by the arms that are in them.
type ByArms = HashMap<Vec<String>, Arc<Effective>>;

impl Plans {
    /// Works out every region with every combination of arms.
    ///
    /// # Errors
    /// When a value is out of its range, alone or together with others, an override names an unknown field, a strategy is not known, or there
    /// are more than 5,000 combinations.
    pub fn new(config: &RankerConfig, strategies: &Strategies) -> Result<Self, ConfigError> {
        config.validate()?;
        strategies.adapted(config.alone(), "strategy")?;
        for region in config.regions.keys() {
            strategies.adapted(config.in_region(region)?, &format!("regions.{region}.strategy"))?;
        }
        let experiments = Experiments::new(config);
        let many = experiments.combinations().saturating_mul(config.regions.len() + 1);
        if many > MOST {
            let problem =
                format!("make {many} combinations of regions and arms, at most {MOST} are possible: end some, or put them into one layer");
            return Err(ConfigError { field: "experiments".to_owned(), problem });
        }
        let possible = experiments.possible();
        let ready = |base: &RankerConfig| -> Result<ByArms, ConfigError> {
            let all = possible.iter().map(|arms| Ok((labels(arms), Arc::new(combined(config, base, arms, strategies)?))));
            all.collect()
        };
        let elsewhere = ready(&config.alone())?;
        let regions = config.regions.keys().map(|name| Ok((name.clone(), ready(&config.in_region(name)?)?)));
        Ok(Self { regions: regions.collect::<Result<_, ConfigError>>()?, elsewhere, experiments })
    }

    /// What holds for a viewer in a region, or in none, at a moment.
    pub fn get(&self, region: Option<&str>, viewer: UserId, now: DateTime<Utc>) -> Arc<Effective> {
        let by_arms = region.and_then(|name| self.regions.get(name)).unwrap_or(&self.elsewhere);
        let arms = labels(&self.experiments.assign(viewer, now));
        Arc::clone(by_arms.get(&arms).expect("every list of arms that can be assigned was made ready"))
    }

    /// The experiments.
    pub fn experiments(&self) -> &Experiments {
        &self.experiments
    }
}

fn labels(arms: &[Assignment]) -> Vec<String> {
    arms.iter().map(Assignment::label).collect()
}

fn combined(all: &RankerConfig, base: &RankerConfig, arms: &[Assignment], strategies: &Strategies) -> Result<Effective, ConfigError> {
    let (mut config, mut field) = (base.clone(), "strategy".to_owned());
    for assignment in arms {
        // The holdout has no section of its own: nothing differs there.
        let Some(arm) = all.experiments.get(&assignment.experiment).and_then(|e| e.arms.get(&assignment.arm)) else { continue };
        let here = format!("experiments.{}.arms.{}", assignment.experiment, assignment.arm);
        let over = arm.overrides();
        config = lay(&config, &over, &here)?;
        if over.contains_key("strategy") {
            field = format!("{here}.strategy");
        }
    }
    let together = |e: ConfigError| ConfigError { problem: format!("{} (with arms {})", e.problem, labels(arms).join(", ")), ..e };
    let config = strategies.adapted(config, &field)?;
    config.check_at("").map_err(together)?;
    Ok(seal(config, labels(arms)))
}
