//! Rows for training, validation and testing.

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use ranker::chance::{Purpose, uniform};
use serde::{Deserialize, Serialize};

use super::impressions::Impression;

/// The seed of the split by viewers: the same viewer is always in the same part.
const VIEWERS: u64 = 0x7370_6c69_7400_0001;
/// The seed of sampling.
const ROWS: u64 = 0x7370_6c69_7400_0002;

/// By what rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The latest are for testing, those before them for validation: as a model is used.
    Time,
    /// All rows of a viewer are in the same part: for people of whom nothing was seen.
    Viewer,
}

/// The shares of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// By what.
    pub by: SplitBy,
    /// For validation, 0 to 1; of the time, or of the viewers.
    pub valid: f64,
    /// For testing, 0 to 1; both together at most 1.
    pub test: f64,
}

/// Which part a row is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Split {
    /// Validation and testing begin at these times.
    Time([DateTime<Utc>; 2]),
    Viewer(Shares),
}

impl Split {
    /// For rows of a range of time.
    pub(super) fn new(shares: Shares, range: [DateTime<Utc>; 2]) -> Self {
        if shares.by == SplitBy::Viewer {
            return Self::Viewer(shares);
        }
        let span = (range[1] - range[0]).num_microseconds().unwrap_or(i64::MAX);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a share of a time, to the microsecond or nearly so"
        )]
        let cut = |last: f64| range[0] + TimeDelta::microseconds((span as f64 * (1.0 - last)) as i64);
        Self::Time([cut(shares.valid + shares.test), cut(shares.test)])
    }

    /// When validation and testing begin, if that is told by time.
    pub(super) const fn cuts(&self) -> Option<[DateTime<Utc>; 2]> {
        match self {
            Self::Time(cuts) => Some(*cuts),
            Self::Viewer(_) => None,
        }
    }

    pub(super) fn of(&self, shown: &Impression) -> &'static str {
        let (valid, test) = match self {
            Self::Time([valid, test]) => (shown.at >= *valid, shown.at >= *test),
            Self::Viewer(shares) => {
                let at = uniform(VIEWERS, Purpose::Sample, shown.viewer);
                (at < shares.test + shares.valid, at < shares.test)
            }
        };
        if test {
            "test"
        } else if valid {
            "valid"
        } else {
            "train"
        }
    }
}

/// A number between 0 and 1 that depends on the event alone.
pub(super) fn chance(shown: &Impression) -> f64 {
    let id = shown.event_id.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    uniform(ROWS, Purpose::Sample, UserId(id))
}
