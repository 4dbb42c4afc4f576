//! How two people stand to each other, and what each act makes of it.
//!
//! - A like, a comment and a reply are follows of whoever they go to. Two who follow each other are friends; nothing else makes friends.
//! - Whoever unfollows, deletes or blocks a friend takes their own follow back; that of the other side stays, as a one-way follow.
//! - A block is one side's word and in force both ways. Who blocks follows no longer, so unblocking restores neither a follow of one's own nor a friendship.
//!
//! So each side does one of three things about the other ([`Side`]), and a pair has nine states ([`Pair`]), all of which occur. Acts are decided by a
//! [table of rules](rules::RULES), the first that fits; docs/RELATIONS.md shows what follows in every state. No time, no chance, no IO:
//! whoever keeps pairs applies [`Pair::after`] to the state it holds locked, so that a friendship begins exactly once.

mod docs;
pub mod rules;

use serde::{Deserialize, Serialize};

pub use self::docs::markdown;
pub use self::rules::{RULES, Rule};
use crate::event::InteractionKind;

/// What one side does about the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Nothing.
    #[default]
    Nothing,
    /// Follows: likes, or commented or replied, or followed.
    Follows,
    /// Blocks.
    Blocks,
}

impl Side {
    /// Everything one side can do about the other.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Follows, Self::Blocks];

    /// The name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Follows => "follows",
            Self::Blocks => "blocks",
        }
    }
}

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Follows the other.
    Follow,
    /// Takes the follow back; so does undoing a like.
    Unfollow,
    /// Likes the other or one of their Moments; likes back.
    Like,
    /// Comments on a Moment of the other.
    Comment,
    /// Answers a comment of the other.
    Reply,
    /// Deletes the other from their friends.
    Delete,
    /// Blocks the other.
    Block,
    /// Takes the block back.
    Unblock,
    /// Reports the other to whoever runs the platform.
    Report,
}

impl Act {
    /// Everything that can be done.
    pub const ALL: [Self; 9] =
        [Self::Follow, Self::Like, Self::Comment, Self::Reply, Self::Unfollow, Self::Delete, Self::Block, Self::Unblock, Self::Report];

    /// The name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            other => other.kind().name(),
        }
    }

    /// The act that an event of a kind tells of, if it is one between two people that changes or may change how they stand.
    pub fn of(kind: InteractionKind) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.kind() == kind && *act != Self::Delete)
    }

    /// Whether it turns to the other: follow, like, comment, reply.
    pub const fn is_towards(self) -> bool {
        matches!(self, Self::Follow | Self::Like | Self::Comment | Self::Reply)
    }

    /// The kind of event that tells of it. There is none of its own for a deletion: it is an unfollow.
    pub const fn kind(self) -> InteractionKind {
        match self {
            Self::Follow => InteractionKind::Follow,
            Self::Unfollow | Self::Delete => InteractionKind::Unfollow,
            Self::Like => InteractionKind::Like,
            Self::Comment => InteractionKind::Comment,
            Self::Reply => InteractionKind::Reply,
            Self::Block => InteractionKind::Block,
            Self::Unblock => InteractionKind::Unblock,
            Self::Report => InteractionKind::Report,
        }
    }
}

/// Why an act is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The actor blocks the other, and has to unblock first.
    UnblockFirst,
    /// The other blocks the actor, who is not told: the other is not available.
    NotAvailable,
}

impl Refusal {
    /// The name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnblockFirst => "unblock_first",
            Self::NotAvailable => "not_available",
        }
    }
}

/// What becomes of a friendship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Friendship {
    /// Both are friends from here on; their conversation opens.
    Begins,
    /// They are friends no longer; what was said stays readable to both, and nothing new can be said.
    Ends,
}

impl Friendship {
    /// The name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Ends => "ends",
        }
    }
}

/// Who is told of an act. Nobody is ever told that they were unfollowed, deleted, blocked or reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Nobody.
    Nobody,
    /// The other side: of the follow, like, comment or reply.
    Other,
    /// The other side of the act, and both of the friendship.
    Both,
    /// Whoever runs the platform.
    Operators,
}

impl Told {
    /// The name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Other => "other",
            Self::Both => "both",
            Self::Operators => "operators",
        }
    }
}

/// How two people stand to each other, as one of them sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Pair {
    /// What the one does about the other.
    pub mine: Side,
    /// What the other does about the one.
    pub theirs: Side,
}

/// What an act comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The rule that decided.
    pub rule: &'static str,
    /// How the two stand afterwards, or why it was not done.
    pub after: Result<Pair, Refusal>,
    /// Events to publish, in this order, all from the actor about the other. Whoever reads them needs no rules: that somebody follows no longer
    /// is told by an `unfollow` each time, and that a comment is a follow by a `follow`.
    pub publish: Vec<InteractionKind>,
    /// What becomes of a friendship.
    pub friendship: Option<Friendship>,
    /// Who is told.
    pub tell: Told,
}

impl Pair {
    /// Every state: those that can be reached.
    pub fn all() -> impl Iterator<Item = Self> {
        Side::ALL.into_iter().flat_map(|mine| Side::ALL.into_iter().map(move |theirs| Self { mine, theirs }))
    }

    /// The same as the other side sees it.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        Self { mine: self.theirs, theirs: self.mine }
    }

    /// Whether they are friends: both follow.
    pub fn are_friends(self) -> bool {
        (self.mine, self.theirs) == (Side::Follows, Side::Follows)
    }

    /// Whether a block is in force between them, whoever said so.
    pub fn is_blocked(self) -> bool {
        self.mine == Side::Blocks || self.theirs == Side::Blocks
    }

    /// What an act of the one whose view this is comes to.
    pub fn after(self, act: Act) -> Outcome {
        rules::decide(self, act)
    }

    /// What an act of the other side comes to, still as the one sees it.
    pub fn after_theirs(self, act: Act) -> Outcome {
        let outcome = rules::decide(self.mirrored(), act);
        Outcome { after: outcome.after.map(Self::mirrored), ..outcome }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
