//! The `[relations]` section.

use serde::{Deserialize, Serialize};

/// The `[relations]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelationsConfig {
    /// Likes, follows, comments, blocks and the rest that somebody may do in an hour with an access token.
    pub acts_per_hour: u32,
    /// Reports that somebody may send in an hour with an access token.
    pub reports_per_hour: u32,
    /// Seconds within which a like or comment that is taken back takes the follow back that it began.
    pub undo_s: i64,
    /// Lists of people whose newest entries are kept in memory, at most; a long one takes 8 kB.
    pub cached_lists: u64,
}

impl Default for RelationsConfig {
    fn default() -> Self {
        Self { acts_per_hour: 1_000, reports_per_hour: 30, undo_s: 60, cached_lists: 10_000 }
    }
}

impl RelationsConfig {
    /// What is wrong with the section: the key, and the remedy.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=1_000_000).contains(&self.acts_per_hour) {
            return Err(("relations.acts_per_hour", "must be 1 to 1000000".to_owned()));
        }
        if !(1..=1_000_000).contains(&self.reports_per_hour) {
            return Err(("relations.reports_per_hour", "must be 1 to 1000000".to_owned()));
        }
        if !(0..=86_400).contains(&self.undo_s) {
            return Err(("relations.undo_s", "must be 0 to 86400 seconds".to_owned()));
        }
        if self.cached_lists > 10_000_000 {
            return Err(("relations.cached_lists", "must be at most 10000000".to_owned()));
        }
        Ok(())
    }
}
