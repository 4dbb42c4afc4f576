//! What the shelf remembers beside the rows: by which flags a dataset is made, and which days are finished.

use chrono::{DateTime, NaiveDate, Utc};
use pipelines::shelf::Shelf;
use serde::{Deserialize, Serialize};

use super::Spec;
use super::labels::Outcome;
use super::split::Shares;
use crate::config::Config;
use crate::recommend::sha256;

/// Raised when columns or their meaning change.
const FORMAT: u32 = 1;
/// Readers of Parquet folders pass over names that begin with `_`.
const DATASET: &str = "_dataset.json";

/// By what a dataset is made: all its days have the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recipe {
    format: u32,
    window_s: i64,
    shares: Shares,
    sample: Option<f64>,
    vectors: bool,
    /// Name and version of the encoder; none when no text is encoded.
    encoder: Option<String>,
    /// A hash of the ranker's configuration.
    ranker: String,
    /// A hash of the SQL of all feature sets.
    features: String,
}

impl Recipe {
    pub(super) fn new(config: &Config, encoder: Option<&str>, spec: &Spec) -> anyhow::Result<Self> {
        let short = |bytes: &[u8]| sha256(bytes).get(..12).unwrap_or_default().to_owned();
        let sql: String = features::sets::feature_sets().iter().map(|set| format!("{}\n{}\n", set.name, set.sql)).collect();
        Ok(Self {
            format: FORMAT,
            window_s: spec.window.num_seconds(),
            shares: spec.shares,
            sample: spec.sample,
            vectors: spec.vectors && encoder.is_some(),
            encoder: encoder.map(str::to_owned),
            ranker: short(&serde_json::to_vec(&config.ranker)?),
            features: short(sql.as_bytes()),
        })
    }

    /// What differs from another, in words.
    fn differs(&self, other: &Self) -> anyhow::Result<Vec<String>> {
        let (ours, theirs) = (serde_json::to_value(self)?, serde_json::to_value(other)?);
        let fields = ours.as_object().into_iter().flatten();
        Ok(fields
            .filter(|(name, ours)| theirs[*name] != **ours)
            .map(|(name, ours)| format!("{name} {}, not {ours}", theirs[name]))
            .collect())
    }

    /// Makes sure that the shelf holds nothing made otherwise, and notes the recipe. With `again` everything that was made before is removed.
    ///
    /// # Errors
    /// When the shelf holds a dataset of another recipe.
    pub(super) async fn claim(&self, shelf: &Shelf, again: bool) -> anyhow::Result<()> {
        if let Some(bytes) = shelf.get(DATASET).await?.filter(|_| !again) {
            let there: Self = serde_json::from_slice(&bytes)
                .map_err(|e| anyhow::anyhow!("{DATASET} cannot be read: {e}; give another --out, or --again to make everything anew"))?;
            let differs = self.differs(&there)?;
            anyhow::ensure!(
                differs.is_empty(),
                "--out holds a dataset that was made otherwise ({}); give another --out, or --again to make everything anew",
                differs.join("; ")
            );
        }
        if again {
            for name in shelf.names("").await?.into_iter().filter(|name| name.starts_with("dt=") || name.starts_with("_days/")) {
                shelf.remove(&name).await?;
            }
        }
        Ok(shelf.put(DATASET, serde_json::to_vec_pretty(self)?).await?)
    }
}

/// Numbers of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Impressions in the range.
    pub impressions: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Of those: liked.
    pub liked: u64,
    /// Passed.
    pub passed: u64,
    /// Commented.
    pub commented: u64,
    /// Replied to by the candidate.
    pub replied: u64,
    /// Matched.
    pub matched: u64,
    /// Followed by a message.
    pub chatted: u64,
    /// With a window that reaches beyond the lake.
    pub censored: u64,
    /// Left out: nothing was known of the viewer before.
    pub viewer_unknown: u64,
    /// Left out: nothing was known of the candidate before.
    pub candidate_unknown: u64,
    /// Left out by `--sample`.
    pub sampled_out: u64,
}

impl Counts {
    /// A row was written.
    pub(super) fn row(&mut self, outcome: &Outcome) {
        self.rows += 1;
        for (count, happened) in [
            (&mut self.liked, outcome.liked.is_some()),
            (&mut self.passed, outcome.passed.is_some()),
            (&mut self.commented, outcome.commented.is_some()),
            (&mut self.replied, outcome.replied.is_some()),
            (&mut self.matched, outcome.matched.is_some()),
            (&mut self.chatted, outcome.chatted.is_some()),
            (&mut self.censored, outcome.censored),
        ] {
            *count += u64::from(happened);
        }
    }

    /// Adds those of another day.
    pub(super) fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (count, more) in self.all().into_iter().zip(other.all()) {
            *count += *more;
        }
    }

    fn all(&mut self) -> [&mut u64; 12] {
        let Self {
            impressions,
            rows,
            liked,
            passed,
            commented,
            replied,
            matched,
            chatted,
            censored,
            viewer_unknown,
            candidate_unknown,
            sampled_out,
        } = self;
        [impressions, rows, liked, passed, commented, replied, matched, chatted, censored, viewer_unknown, candidate_unknown, sampled_out]
    }
}

/// A day that is finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DayNote {
    pub(super) recipe: Recipe,
    /// The impressions that were taken: at or after, and before.
    pub(super) range: [DateTime<Utc>; 2],
    /// When validation and testing begin, of a split by time.
    pub(super) cuts: Option<[DateTime<Utc>; 2]>,
    /// Where the lake ended.
    pub(super) lake_end: DateTime<Utc>,
    pub(super) counts: Counts,
}

fn note(day: NaiveDate) -> String {
    format!("_days/{day}.json")
}

impl DayNote {
    /// What was made of a day; none when it was not, or the note cannot be read.
    pub(super) async fn read(shelf: &Shelf, day: NaiveDate) -> anyhow::Result<Option<Self>> {
        Ok(shelf.get(&note(day)).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Notes that a day is finished: its file is there by now.
    pub(super) async fn write(&self, shelf: &Shelf, day: NaiveDate) -> anyhow::Result<()> {
        Ok(shelf.put(&note(day), serde_json::to_vec_pretty(self)?).await?)
    }

    /// Whether a day made like `other` would be as this one is: made of the same, and no row waits for what the lake did not have yet.
    pub(super) fn serves(&self, other: &Self) -> bool {
        let same = self.recipe == other.recipe && self.range == other.range && self.cuts == other.cuts;
        same && (self.lake_end == other.lake_end || self.counts.censored == 0)
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Made {
    /// Days that were made.
    pub days_made: usize,
    /// Days that were there already.
    pub days_kept: usize,
    /// Rows of the days that were made.
    pub rows_made: u64,
    /// Everything that is there now, in the range.
    pub counts: Counts,
    /// Where the lake ends: the time of the newest event.
    pub lake_end: Option<DateTime<Utc>>,
}
