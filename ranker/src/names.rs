//! Names of sources, filters and terms: one list each, the same in config, answers and metrics.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire, in the configuration and in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

names! {
    /// Where a candidate came from.
    SourceName {
        /// People in the cells around the viewer.
        NearMe = "near_me",
        /// People whose `content` the viewer's `taste` likes.
        TasteContent = "taste_content",
        /// People whose `taste` the viewer's `content` suits.
        ContentTaste = "content_taste",
        /// People who joined lately.
        Newcomers = "newcomers",
        /// People few have been shown.
        UnderShown = "under_shown",
        /// Friends of friends.
        FriendsOfFriends = "friends_of_friends",
        /// People whom those like who like as the viewer does.
        CoLike = "co_like",
        /// The ready-made list of the region.
        Hot = "hot",
    }
}

names! {
    /// Why a candidate is not shown: the hard rules, and what else thins candidates out.
    FilterName {
        /// The viewer.
        Myself = "self",
        /// Nothing is known of the candidate.
        NoPortrait = "no_portrait",
        /// Hidden or banned.
        Hidden = "hidden",
        /// One of the two blocked the other.
        Blocked = "blocked",
        /// Shown to the viewer within the exposure window.
        AlreadyShown = "already_shown",
        /// Both like or follow each other.
        AlreadyFriends = "already_friends",
        /// The viewer has liked or passed the candidate.
        AlreadyAnswered = "already_answered",
        /// Not a gender that one of the two looks for.
        Gender = "gender",
        /// Not an age that one of the two looks for.
        Age = "age",
        /// Beyond a distance limit of one of the two, or not known to be within it.
        Distance = "distance",
        /// No filter: more candidates than are scored, and this one stood low in every source.
        NotScored = "not_scored",
        /// No filter: scored, but others were drawn for the deck.
        NotSelected = "not_selected",
        /// No filter: scored, but shown to so many people today that others came first.
        EnoughToday = "enough_today",
        /// Erased after the deck was made.
        Erased = "erased",
    }
}

names! {
    /// A term of the score.
    TermName {
        /// How near.
        Distance = "distance",
        /// How close in age.
        Age = "age",
        /// How close in height.
        Height = "height",
        /// How close in education.
        Education = "education",
        /// How much the other shows of what one likes.
        LikedTags = "liked_tags",
        /// How much both show the same.
        SharedTags = "shared_tags",
        /// How well the other's `content` fits one's `taste`.
        Taste = "taste",
        /// How present the other is.
        Activity = "activity",
        /// How rich the other's Moments are.
        Richness = "richness",
        /// How much of the other's profile is filled in.
        Completeness = "completeness",
        /// The rate of likes between the genders of both; of the strategy `warm`, as all that follow.
        Base = "base",
        /// How readily the one likes.
        Choosy = "choosy",
        /// How readily the other is liked.
        Liked = "liked",
        /// How present the other is.
        Recency = "recency",
        /// How readily the other replies.
        Reply = "reply",
    }
}

impl TermName {
    /// The terms of the formula: what scorers say.
    pub const SIMILAR: &'static [Self] = Self::ALL.split_at(10).0;
}
