//! The parts of the `[lake]` section that are about files which are there already.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// The `[lake.compact]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactConfig {
    /// Hours between two rounds of the job `lake_keeper`, which compacts, applies the retention and takes snapshots; 0 turns it off.
    pub every_h: f64,
    /// MiB at which a merged file is large enough.
    pub target_mb: u64,
    /// MiB of memory for sorting; more goes to files in the system's folder for temporary files.
    pub memory_mb: usize,
    /// Hours for which replaced files are kept for readers that have begun; then they are gone for good.
    pub keep_h: f64,
}

impl Default for CompactConfig {
    fn default() -> Self {
        Self { every_h: 24.0, target_mb: 256, memory_mb: 256, keep_h: 6.0 }
    }
}

/// The `[lake.retention]` section of the configuration: for how many days the tables that name people and grow are kept; 0 for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Decks.
    pub decks: u32,
    /// Pages.
    pub pages: u32,
    /// Versions of portraits.
    pub portraits: u32,
    /// Portraits at the end of each day.
    pub portrait_days: u32,
    /// Vectors.
    pub embeddings: u32,
}

impl RetentionConfig {
    /// The days for which a table is kept; none for ever.
    pub fn of(&self, table: &str) -> Option<u32> {
        let days = match table {
            "decks" => self.decks,
            "pages" => self.pages,
            "portraits" => self.portraits,
            "portrait_days" => self.portrait_days,
            "embeddings" => self.embeddings,
            _ => 0,
        };
        (days > 0).then_some(days)
    }

    /// The tables that can have one.
    pub const TABLES: [&str; 5] = ["decks", "pages", "portraits", "portrait_days", "embeddings"];
}

/// So many hours, 0 or more, at most a century.
pub(super) fn hours(hours: f64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs_f64(hours.clamp(0.0, 876_600.0) * 3_600.0)).unwrap_or_default()
}
