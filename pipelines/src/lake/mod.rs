//! The lake: every filed event and every refusal as Hive-partitioned Parquet, for analysts, backfills and training.
//!
//! Files are `<table>/dt=YYYY-MM-DD/<topic>-<partition>-<first>-<last>.parquet`: the day of the rows, and the range of offsets that the
//! writer flushed together (a range that touches several days is in several files of the same range). One object,
//! `_positions.json`, says up to which offset each partition is in the lake; it is replaced after all files of a flush are durable. A start
//! removes files behind it, which a crash left unfinished, and writes them again: nothing is lost and nothing is there twice.
//!
//! Rows are sorted by time; files carry statistics, bloom filters on ids, and are compressed with zstd.

mod files;
mod history;
mod job;
mod query;
mod write;

pub use files::{FileName, LakeError};
pub use history::{DayRows, History, write_events};
pub use job::{LakeConfig, LakeWriter, NAME};
pub use query::{batch_features, session};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
