//! What is told of an erasure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The person is shown to nobody; files wait.
    Waiting,
    /// Files are being rewritten.
    Working,
    /// A look everywhere found nothing any more.
    Done,
}

impl Stage {
    /// The name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Done => "done",
        }
    }

    /// The stage of a name; what is unknown is work to do.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "waiting" => Self::Waiting,
            "done" => Self::Done,
            _ => Self::Working,
        }
    }
}

/// What went: by place, and there by table, topic or the like. It holds nothing of what was erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// How many rows, records or texts went, by place and part. Of people who were erased together the numbers are of all.
    pub places: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many people were erased in the same round.
    pub people: u64,
}

impl Receipt {
    /// Adds what went from a place; a round that was cut off and began again adds to what it had.
    pub fn add(&mut self, place: &str, found: &BTreeMap<String, u64>) {
        let there = self.places.entry(place.to_owned()).or_default();
        for (part, count) in found.iter().filter(|(_, count)| **count > 0) {
            *there.entry(part.clone()).or_default() += count;
        }
    }
}

/// An erasure as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// Its id; who knows it may ask how it stands.
    pub erasure_id: String,
    /// How far it is.
    pub state: Stage,
    /// When it was asked for; from then on the person was shown to nobody.
    pub requested_at: DateTime<Utc>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at: Option<DateTime<Utc>>,
    /// What went so far.
    pub receipt: Receipt,
}
