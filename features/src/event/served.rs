//! What was served: decks and pages of recommendations, with what it takes to compute them again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::kinds::{DeckKind, PageKind};
use crate::ids::{EventId, UserId};

/// A deck of which a page was served. Written once, with its first page, before that page is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeckEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When its first page was served.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: DeckKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The deck.
    pub deck_id: String,
    /// Whose deck.
    pub viewer_id: UserId,
    /// When it was computed: the time at which everything was read. Earlier than `event_time` for a deck made ahead.
    pub made_at: DateTime<Utc>,
    /// The seed of every draw in it, as decimal text.
    #[serde(with = "decimal")]
    #[schema(value_type = String, example = "17907264482398237471")]
    pub seed: u64,
    /// Hash of the configuration that held.
    pub config_version: String,
    /// The region whose weights applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The strategy that said what people are worth.
    pub strategy: String,
    /// Experiment arms that held, each as `experiment:arm`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// What did not work and was done without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
    /// How many candidates were scored.
    pub scored: u32,
    /// How many people the deck has.
    pub size: u32,
    /// Name and version of the program that made it.
    pub program: String,
    /// What the deck was made of, to compute it again: request, configuration, and of everybody scored the sources and the version of the
    /// portrait that was read. Base64 of a packed record that `hongniang replay` reads.
    pub record: String,
}

/// A page of a deck, as it was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it was served: the time its checks and ages are of.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: PageKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The deck.
    pub deck_id: String,
    /// Whose deck.
    pub viewer_id: UserId,
    /// The first position of the deck that the page looked at.
    pub first: u32,
    /// The position at which the next page goes on.
    pub next: u32,
    /// The language of the reasons: `zh` or `en`.
    pub language: String,
    /// Who was shown, in order; at most 1,000.
    #[serde(default)]
    pub items: Vec<PageItem>,
    /// Who stood at these positions and was taken out by the checks of the page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<PageRemoved>,
    /// SHA-256 of the answer's body before any compression, as 64 hexadecimal digits.
    pub body_sha256: String,
    /// Bytes of that body.
    pub body_bytes: u32,
}

/// Somebody on a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageItem {
    /// Who.
    pub user_id: UserId,
    /// Position in the deck, from 0.
    pub position: u32,
    /// How good, before chance.
    pub score: f32,
    /// What the strategy said, 0 to 1.
    pub worth: f32,
    /// The chance to be drawn first, 0 to 1.
    pub propensity: f32,
    /// Where the candidate came from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Codes of the reasons that were given, strongest first.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Generation of the portrait whose profile was shown.
    pub generation: u32,
    /// Version of the portrait whose profile was shown; 0 when there was none yet.
    pub version: u64,
    /// The profile that was shown, as JSON text, where it was newer than that portrait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// Somebody whom the checks of a page took out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageRemoved {
    /// Who.
    pub user_id: UserId,
    /// The filter that refused.
    pub filter: String,
}

/// A 64-bit number as decimal text.
mod decimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number below 2^64, as a string")))
    }
}
