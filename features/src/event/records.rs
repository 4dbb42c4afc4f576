//! Records that jobs write.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{EventId, MomentId, UserId};

/// An embedding on the `embeddings` topic, keyed by [`Subject`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingRecord {
    /// What the vector stands for.
    pub subject: Subject,
    /// Whose it is.
    pub user_id: UserId,
    /// The event time of what was embedded; the later one wins.
    pub event_time: DateTime<Utc>,
    /// Model name with version; vectors of different models never meet.
    pub model: String,
    /// The vector, unit length.
    pub vector: crate::vector::QVector,
}

/// What an embedding stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A Moment.
    Moment(MomentId),
    /// A profile.
    Profile(UserId),
}

impl Subject {
    /// The record key: `m:<id>` or `p:<id>`.
    pub fn key(self) -> String {
        match self {
            Self::Moment(id) => format!("m:{id}"),
            Self::Profile(id) => format!("p:{id}"),
        }
    }
}

/// What could not be decoded or processed: the value of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// When it was refused.
    pub refused_at: DateTime<Utc>,
    /// Who refused it: `gate` or the job.
    pub job: String,
    /// Why, for a person to read.
    pub reason: String,
    /// Topic it came from.
    pub topic: String,
    /// Partition it came from.
    pub partition: i32,
    /// Offset it came from.
    pub offset: i64,
    /// The record's key, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The record's value as received, base64.
    pub raw: String,
    /// The record's headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<LetterHeader>,
}

/// A header of a refused record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetterHeader {
    /// Its name.
    pub name: String,
    /// Its value, base64.
    pub value: String,
}

/// How a dead letter was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayKind {
    /// As it was: what made it fail is gone.
    Replayed,
    /// Corrected.
    Fixed,
}

/// A dead letter was sent to `inbox` again: the value of `replays`, keyed by the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// Partition and offset in `dead_letters`, as `0-153`.
    pub letter: String,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// As it was, or corrected.
    pub kind: ReplayKind,
    /// The event that was sent.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
}
