//! What can happen: one enum per topic.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        // Not derived: the derive does not see names that come through a macro, and would give those of the variants.
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($text),+])).into()
            }
        }

        impl ToSchema for $name {}

        impl $name {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The kind of that name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// What happened to a profile.
    ProfileKind {
        /// The whole profile as it now stands.
        Updated = "profile_updated",
        /// The user is erased; filed as a tombstone.
        Erased = "profile_erased",
    }
}

kinds! {
    /// What happened to a Moment.
    MomentKind {
        /// A Moment was published.
        Published = "moment_published",
        /// A Moment was deleted; repeats the facts of the publication so that sums can take them back.
        Deleted = "moment_deleted",
    }
}

kinds! {
    /// What somebody did to somebody.
    InteractionKind {
        /// The target was shown to the actor on a recommendation page.
        Impression = "impression",
        /// The actor opened the target's profile.
        ProfileView = "profile_view",
        /// The actor likes the target or one of the target's Moments.
        Like = "like",
        /// The actor does not want the target.
        Pass = "pass",
        /// The actor commented on the target's Moment.
        Comment = "comment",
        /// The actor answered the target's comment.
        Reply = "reply",
        /// The actor follows the target.
        Follow = "follow",
        /// The actor no longer follows the target.
        Unfollow = "unfollow",
        /// Neither may see the other any more.
        Block = "block",
        /// The actor takes the block back.
        Unblock = "unblock",
        /// The actor reports the target to moderation.
        Report = "report",
    }
}

kinds! {
    /// Signs of life.
    PresenceKind {
        /// The app came to the front: a session.
        AppOpen = "app_open",
        /// The app is still in front.
        Heartbeat = "heartbeat",
        /// The device reported where it is.
        Location = "location",
    }
}

kinds! {
    /// Facts about messages; never the text.
    MessageKind {
        /// A message was sent.
        Sent = "message_sent",
        /// Messages were read.
        Read = "message_read",
    }
}

kinds! {
    /// What became of a deck.
    DeckKind {
        /// Its first page is about to be answered.
        Served = "deck_served",
    }
}

kinds! {
    /// What became of a page.
    PageKind {
        /// It is about to be answered.
        Served = "page_served",
    }
}
