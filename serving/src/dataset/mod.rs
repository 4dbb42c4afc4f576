//! Training examples out of the lake: every impression with both people as they stood before it, and what followed.
//!
//! - A feature knows what has an `event_time` strictly before the impression and nothing else, to the last bit; a label knows what has one at or after
//!   it, within a window. No event is on both sides. The past is told by [`crate::world`], the terms are those of the ranker's own scorers.
//! - One Parquet file a day (UTC), sorted by time, seen whole or not at all. What a file holds follows from the lake and the flags: neither from the days
//!   made before it in the same run nor from how often a run was cut off.
//! - Memory holds the state of the people, one day of impressions and the answers of one window.
//! - Positions enter as the cells that indexes know and as buckets of distance; names and texts do not enter.
//!
//! `docs/DATASET.md` has every column.

mod between;
mod cell;
mod columns;
mod days;
mod decks;
mod impressions;
mod labels;
mod notes;
mod person;
mod scene;
mod split;
mod write;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::embed::TextEncoder;
use pipelines::shelf::Shelf;

pub use self::columns::columns_markdown;
pub use self::notes::{Counts, Made};
pub use self::split::{Shares, SplitBy};
use crate::config::Config;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Impressions at or after this; those of the lake's first day on, when left out.
    pub from: Option<DateTime<Utc>>,
    /// Impressions before this; to the end of the lake, when left out.
    pub to: Option<DateTime<Utc>>,
    /// How long after an impression an answer counts; more than 0.
    pub window: TimeDelta,
    /// How rows are told apart for training and testing.
    pub shares: Shares,
    /// Keeps so many impressions without a like for each with one, by chance, a day; all, when left out.
    pub sample: Option<f64>,
    /// Whether the vectors are columns.
    pub vectors: bool,
    /// Makes every day anew, whatever is there.
    pub again: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The day under way, or just found finished.
    pub day: chrono::NaiveDate,
    /// Days that are done.
    pub days: usize,
    /// Days there are.
    pub of_days: usize,
    /// Impressions of the day that are done.
    pub done: usize,
    /// Impressions of the day.
    pub of: usize,
}

/// Makes the days of a dataset that are not finished, out of the lake of the configuration onto the shelf. Without an encoder nobody has vectors.
///
/// # Errors
/// When the lake has no impression in the range, the shelf holds a dataset of other flags, or one of the two cannot be read or written.
pub async fn make(
    config: &Config,
    encoder: Option<Arc<dyn TextEncoder>>,
    spec: &Spec,
    shelf: &Shelf,
    told: impl FnMut(Progress),
) -> anyhow::Result<Made> {
    days::make(config, encoder, spec, shelf, told).await
}

#[cfg(test)]
mod tests;
