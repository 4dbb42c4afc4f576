//! The `[entitlements]` section.

use features::entitlements::Entitlement;
use serde::{Deserialize, Serialize};

/// The `[entitlements]` section: what everybody has; 0 for as many as they like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntitlementsConfig {
    /// Likes in a day.
    pub likes_per_day: u32,
    /// Super-likes in a day.
    pub super_likes_per_day: u32,
    /// Minutes that clocks are ahead of UTC where the day of quotas begins at midnight.
    pub day_ahead_min: i32,
}

impl EntitlementsConfig {
    /// How many of something everybody has in a day; 0 for as many as they like.
    pub fn everybody(&self, what: Entitlement) -> u32 {
        match what {
            Entitlement::LikesPerDay => self.likes_per_day,
            Entitlement::SuperLikesPerDay => self.super_likes_per_day,
        }
    }

    /// What is wrong with the section: the key, and the remedy.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(-720..=840).contains(&self.day_ahead_min) {
            return Err(("entitlements.day_ahead_min", "must be -720 to 840 minutes".to_owned()));
        }
        Ok(())
    }
}
