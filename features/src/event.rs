//! The events: everything that happens, one JSON object per record.
//!
//! Rules of the codec:
//! - every event has `event_id`, `event_time` (RFC 3339, UTC), `kind` and may have `request_id`;
//! - the `kind` alone decides the type and the topic ([`Event::topic`]); unknown kinds are refused;
//! - unknown *fields* are ignored, so that a newer writer does not stop an older reader;
//! - 64-bit ids are strings; times are written with microseconds and `Z`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{EventId, MomentId, UserId};
use crate::profile::{Position, Profile};
use crate::topic::Topic;

mod kinds;
mod records;
mod served;

pub use self::kinds::{DeckKind, InteractionKind, MessageKind, MomentKind, PageKind, PresenceKind, ProfileKind};
pub use self::records::{DeadLetter, EmbeddingRecord, LetterHeader, Replay, ReplayKind, Subject};
pub use self::served::{DeckEvent, PageEvent, PageItem, PageRemoved};

/// A profile event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: ProfileKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whose profile.
    pub user_id: UserId,
    /// The profile; absent when erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// One question of the Moment agent and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionAnswer {
    /// What the agent asked, at most 500 characters.
    pub question: String,
    /// What the author answered, at most 2,000 characters.
    pub answer: String,
}

/// Kind of a Moment's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A photo.
    Photo,
    /// A short video.
    Video,
}

/// Facts about one photo or video of a Moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Media {
    /// Photo or video.
    pub kind: MediaKind,
    /// Name of the object in the media store.
    pub object: String,
    /// Length of a video in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f32>,
}

/// A Moment event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MomentEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: MomentKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The Moment.
    pub moment_id: MomentId,
    /// Who published it.
    pub author_id: UserId,
    /// When it was published (of a deletion: when the deleted Moment was published).
    pub published_at: DateTime<Utc>,
    /// Title, at most 100 characters.
    #[serde(default)]
    pub title: String,
    /// Text, at most 5,000 characters.
    #[serde(default)]
    pub text: String,
    /// The two rounds with the agent; at most 10.
    #[serde(default)]
    pub answers: Vec<QuestionAnswer>,
    /// Tags, at most 30.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Photos and videos; at most 20.
    #[serde(default)]
    pub media: Vec<Media>,
    /// Characters of title and text; filled in by the gate.
    #[serde(default)]
    pub text_chars: u32,
    /// Characters of all answers; filled in by the gate.
    #[serde(default)]
    pub answer_chars: u32,
    /// Number of media; filled in by the gate.
    #[serde(default)]
    pub media_count: u32,
}

impl MomentEvent {
    /// The text that stands for the Moment in embeddings and in the text index.
    pub fn full_text(&self) -> String {
        let parts = [self.title.as_str(), self.text.as_str()].into_iter().chain(self.answers.iter().map(|qa| qa.answer.as_str()));
        parts.filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Fills in the counts that the feature SQL reads.
    #[must_use]
    pub fn with_counts(mut self) -> Self {
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.text_chars = chars(&self.title) + chars(&self.text);
        self.answer_chars = self.answers.iter().map(|qa| chars(&qa.answer)).sum();
        self.media_count = u32::try_from(self.media.len()).unwrap_or(u32::MAX);
        self
    }
}

/// An interaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InteractionEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: InteractionKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who did it.
    pub actor_id: UserId,
    /// To whom.
    pub target_id: UserId,
    /// The Moment it was about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment_id: Option<MomentId>,
    /// Text of a comment, reply or report; at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Tags of the Moment or person it was about, as they stood then.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The deck that showed the target, if a recommendation did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deck_id: Option<String>,
    /// Position in that deck, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Experiment arms that held for the actor when the deck was made, each as `experiment:arm`; set on impressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// The chance, 0 to 1, with which the draw of the deck would have put the target first among all it drew from, before diversity, caps
    /// and guaranteed places; set on impressions. Given who stood before, the chance of a position is `p / (1 - sum of p before it)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
}

impl InteractionEvent {
    /// What somebody did to somebody, and nothing beside it.
    pub fn new(event_id: EventId, event_time: DateTime<Utc>, kind: InteractionKind, actor_id: UserId, target_id: UserId) -> Self {
        Self {
            event_id,
            event_time,
            kind,
            request_id: None,
            actor_id,
            target_id,
            moment_id: None,
            text: None,
            tags: Vec::new(),
            deck_id: None,
            position: None,
            experiments: Vec::new(),
            propensity: None,
        }
    }
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PresenceEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: PresenceKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whose.
    pub user_id: UserId,
    /// Where; required for `location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A fact about a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageEvent {
    /// Identity of the event.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// What happened.
    pub kind: MessageKind,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The conversation.
    pub conversation_id: String,
    /// Who sent (or, for `message_read`, who read).
    pub sender_id: UserId,
    /// Who received (or whose messages were read).
    pub receiver_id: UserId,
    /// Length of the text in characters.
    #[serde(default)]
    pub chars: u32,
}

/// Any event that enters through `inbox`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// About a profile.
    Profile(ProfileEvent),
    /// About a Moment.
    Moment(MomentEvent),
    /// Between two people.
    Interaction(InteractionEvent),
    /// A sign of life.
    Presence(PresenceEvent),
    /// About a message.
    Message(MessageEvent),
    /// A deck that was served.
    Deck(DeckEvent),
    /// A page that was served.
    Page(PageEvent),
}

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field is missing or of a wrong type.
    #[error("not a valid event: {0}")]
    Json(#[from] serde_json::Error),
    /// A kind that this version does not know.
    #[error("unknown kind `{0}`: see docs/EVENTS.md for the kinds of each topic")]
    UnknownKind(String),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
}

impl Event {
    /// Reads one JSON event.
    ///
    /// # Errors
    /// When the bytes are not JSON, the kind is unknown, or a field is missing or of a wrong type.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Head { kind } = serde_json::from_slice(bytes)?;
        let kind = kind.as_ref();
        if InteractionKind::parse(kind).is_some() {
            Ok(Self::Interaction(serde_json::from_slice(bytes)?))
        } else if PresenceKind::parse(kind).is_some() {
            Ok(Self::Presence(serde_json::from_slice(bytes)?))
        } else if MomentKind::parse(kind).is_some() {
            Ok(Self::Moment(serde_json::from_slice(bytes)?))
        } else if MessageKind::parse(kind).is_some() {
            Ok(Self::Message(serde_json::from_slice(bytes)?))
        } else if ProfileKind::parse(kind).is_some() {
            Ok(Self::Profile(serde_json::from_slice(bytes)?))
        } else if DeckKind::parse(kind).is_some() {
            Ok(Self::Deck(serde_json::from_slice(bytes)?))
        } else if PageKind::parse(kind).is_some() {
            Ok(Self::Page(serde_json::from_slice(bytes)?))
        } else {
            Err(DecodeError::UnknownKind(kind.chars().take(60).collect()))
        }
    }

    /// Writes the event as one JSON object.
    pub fn encode(&self) -> Vec<u8> {
        let written = match self {
            Self::Profile(e) => serde_json::to_vec(e),
            Self::Moment(e) => serde_json::to_vec(e),
            Self::Interaction(e) => serde_json::to_vec(e),
            Self::Presence(e) => serde_json::to_vec(e),
            Self::Message(e) => serde_json::to_vec(e),
            Self::Deck(e) => serde_json::to_vec(e),
            Self::Page(e) => serde_json::to_vec(e),
        };
        written.expect("events hold no map with non-string keys")
    }

    /// Identity of the event.
    pub fn event_id(&self) -> EventId {
        match self {
            Self::Profile(e) => e.event_id,
            Self::Moment(e) => e.event_id,
            Self::Interaction(e) => e.event_id,
            Self::Presence(e) => e.event_id,
            Self::Message(e) => e.event_id,
            Self::Deck(e) => e.event_id,
            Self::Page(e) => e.event_id,
        }
    }

    /// When it happened.
    pub fn event_time(&self) -> DateTime<Utc> {
        match self {
            Self::Profile(e) => e.event_time,
            Self::Moment(e) => e.event_time,
            Self::Interaction(e) => e.event_time,
            Self::Presence(e) => e.event_time,
            Self::Message(e) => e.event_time,
            Self::Deck(e) => e.event_time,
            Self::Page(e) => e.event_time,
        }
    }

    /// Where the gate files it.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Profile(_) => Topic::Profiles,
            Self::Moment(_) => Topic::Moments,
            Self::Interaction(_) => Topic::Interactions,
            Self::Presence(_) => Topic::Presence,
            Self::Message(_) => Topic::Messages,
            Self::Deck(_) => Topic::Decks,
            Self::Page(_) => Topic::Pages,
        }
    }

    /// Who caused it: the key on `inbox`.
    pub fn actor(&self) -> UserId {
        match self {
            Self::Profile(e) => e.user_id,
            Self::Moment(e) => e.author_id,
            Self::Interaction(e) => e.actor_id,
            Self::Presence(e) => e.user_id,
            Self::Message(e) => e.sender_id,
            Self::Deck(e) => e.viewer_id,
            Self::Page(e) => e.viewer_id,
        }
    }

    /// The record key on its filed topic.
    pub fn key(&self) -> String {
        match self {
            Self::Message(e) => e.conversation_id.clone(),
            other => other.actor().to_string(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
