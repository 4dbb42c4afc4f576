//! The topics, named once.

use serde::{Deserialize, Serialize};

/// How a topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Kept for the configured time (`kafka.retention_ms`).
    Delete,
    /// Only the newest record of each key is kept; a null value erases the key.
    Compact,
}

/// Every fixed topic of the platform. Feature topics are named by [`feature_topic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Whatever is reported, as received.
    Inbox,
    /// The profile as it now stands, by user.
    Profiles,
    /// Moments published and deleted, by author.
    Moments,
    /// What people do to each other, by actor.
    Interactions,
    /// App opens, heartbeats, locations, by user.
    Presence,
    /// Facts about messages, by conversation.
    Messages,
    /// Decks of which a page was served, by viewer.
    Decks,
    /// Pages as they were served, by viewer.
    Pages,
    /// Vectors of Moments and profiles, by subject.
    Embeddings,
    /// Assembled portraits, by user.
    Portraits,
    /// What could not be decoded or processed.
    DeadLetters,
    /// Which of that was sent again, by letter.
    Replays,
}

impl Topic {
    /// Every fixed topic.
    pub const ALL: [Self; 12] = [
        Self::Inbox,
        Self::Profiles,
        Self::Moments,
        Self::Interactions,
        Self::Presence,
        Self::Messages,
        Self::Decks,
        Self::Pages,
        Self::Embeddings,
        Self::Portraits,
        Self::DeadLetters,
        Self::Replays,
    ];

    /// The topics that the gate files events under.
    pub const FILED: [Self; 7] =
        [Self::Profiles, Self::Moments, Self::Interactions, Self::Presence, Self::Messages, Self::Decks, Self::Pages];

    /// Those of them that tell what people did: all that portraits and relations rest on. The others tell what was served.
    pub const LIVED: [Self; 5] = [Self::Profiles, Self::Moments, Self::Interactions, Self::Presence, Self::Messages];

    /// Those of them that tell what was served.
    pub const SERVED: [Self; 2] = [Self::Decks, Self::Pages];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Profiles => "profiles",
            Self::Moments => "moments",
            Self::Interactions => "interactions",
            Self::Presence => "presence",
            Self::Messages => "messages",
            Self::Decks => "decks",
            Self::Pages => "pages",
            Self::Embeddings => "embeddings",
            Self::Portraits => "portraits",
            Self::DeadLetters => "dead_letters",
            Self::Replays => "replays",
        }
    }

    /// How the topic is kept.
    pub const fn cleanup(self) -> Cleanup {
        match self {
            Self::Profiles | Self::Embeddings | Self::Portraits | Self::Replays => Cleanup::Compact,
            _ => Cleanup::Delete,
        }
    }
}

/// The topic of a feature set: one row per key, the newest wins.
pub fn feature_topic(set: &str) -> String {
    format!("features.{set}")
}
