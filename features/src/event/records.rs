//! Records that jobs write.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{MomentId, UserId};

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
}
