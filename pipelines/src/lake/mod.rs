//! The lake: every filed event and every refusal as Hive-partitioned Parquet, for analysts, backfills and training.
//!
//! Files are `<table>/dt=YYYY-MM-DD/<topic>-<partition>-<first>-<last>.parquet`: the day of the rows, and the range of offsets that the
//! writer flushed together (a range that touches several days is in several files of the same range). Readers see a file once its flush is
//! committed with the positions behind it ([`commits`]): nothing is lost and nothing is there twice, after a crash and beside a second writer.
//!
//! Rows are sorted by time; files carry statistics, bloom filters on ids, and are compressed with zstd.

mod commits;
mod compact;
mod config;
mod files;
mod footer;
mod forget;
mod history;
mod job;
mod keeper;
mod manifest;
mod merge;
mod numbered;
mod portrait_days;
mod reading;
mod stats;
mod stock;
mod swaps;
mod verify;
mod write;

pub use compact::{CompactPlan, Compacted, Step, compact};
pub use config::{CompactConfig, RetentionConfig};
pub use files::{FileName, LakeError};
pub use forget::{Forgotten, forget};
pub use history::{DayRows, History, write_events};
pub use job::{LakeConfig, LakeWriter, NAME, topics};
pub use keeper::{KEEPER, LakeKeeper};
pub use portrait_days::{DayTaken, alive, days_without, take};
pub use reading::readable;
pub use stats::{TableStats, stats};
pub use stock::{Stock, StoredFile};
pub use verify::{Finding, LogBounds, Verified, count_against_log, verify};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
