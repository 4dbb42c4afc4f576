//! The answer of a page: what is shown of people, written down once, so that what is logged is what is sent.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::Profile;
use ranker::DeckItem;
use ranker::deck::PortraitVersion;
use serde::Serialize;
use utoipa::ToSchema;

use super::cursor::Cursor;
use crate::state::App;

/// A page of people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recommendations {
    /// The deck the page is of; explains under `/v1/recommendations/{deck}/explain`.
    deck_id: String,
    /// The people, best first.
    items: Vec<Recommended>,
    /// Gives the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// What did not work, if anything.
    degraded: Vec<String>,
}

/// Somebody recommended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recommended {
    /// Who.
    user_id: UserId,
    /// Shown name.
    nickname: String,
    /// Age in years.
    age: u8,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    /// Bio.
    #[serde(skip_serializing_if = "Option::is_none")]
    bio: Option<String>,
    /// Interests.
    tags: Vec<String>,
    /// How far, as a bucket.
    distance: &'static str,
    /// Position in the deck, from 0; send it back with what the viewer does.
    position: usize,
    /// Score, 0 to 1.
    score: f32,
    /// Why, in the language of `Accept-Language`.
    reasons: Vec<String>,
    /// Whether an agent writes for the account; left out where it does not.
    #[serde(rename = "virtual", skip_serializing_if = "std::ops::Not::not")]
    is_virtual: bool,
    /// Whether somebody has checked that the person is who they say; left out where nobody has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    verified: bool,
}

/// Somebody on a page, with the profile that is shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) position: usize,
    pub(super) item: DeckItem,
    pub(super) profile: Arc<Profile>,
    /// The portrait whose profile it is.
    pub(super) portrait: PortraitVersion,
    /// Whether the profile was changed since.
    pub(super) overlaid: bool,
}

/// People of a page with their profiles, read at one moment; those who have gone meanwhile are given apart.
pub(super) fn look_up(app: &App, items: Vec<(usize, DeckItem)>) -> (Vec<Shown>, Vec<UserId>) {
    let table = app.indexes.table.read();
    let (mut shown, mut gone) = (Vec::with_capacity(items.len()), Vec::new());
    for (position, item) in items {
        match table.row_of(item.user_id).filter(|_| app.may_show(item.user_id)) {
            Some(row) => {
                let (generation, version) = table.version(row);
                let portrait = PortraitVersion { generation, version };
                shown.push(Shown { position, item, profile: table.profile(row), portrait, overlaid: table.overlaid(row) });
            }
            None => gone.push(item.user_id),
        }
    }
    (shown, gone)
}

/// A page as it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) viewer: UserId,
    pub(super) deck_id: &'a str,
    pub(super) shown: &'a [Shown],
    /// Where the next page begins; none after the last one.
    pub(super) next: Option<usize>,
    pub(super) degraded: &'a [String],
    pub(super) chinese: bool,
    pub(super) now: DateTime<Utc>,
}

impl Answer<'_> {
    /// The body as JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        let cursor = |next| Cursor { viewer: self.viewer, deck: self.deck_id.to_owned(), next }.encode();
        let answer = Recommendations {
            deck_id: self.deck_id.to_owned(),
            items: self.shown.iter().map(|shown| self.recommended(shown)).collect(),
            cursor: self.next.map(cursor),
            degraded: self.degraded.to_vec(),
        };
        serde_json::to_vec(&answer).expect("numbers, strings and lists")
    }

    fn recommended(&self, shown: &Shown) -> Recommended {
        let Shown { position, item, profile, .. } = shown;
        Recommended {
            user_id: item.user_id,
            nickname: profile.nickname.clone(),
            age: profile.age(self.now),
            city: profile.city.clone(),
            bio: profile.bio.clone(),
            tags: profile.tags.clone(),
            distance: item.distance.label(),
            position: *position,
            score: item.score,
            reasons: item.reasons.iter().map(|r| if self.chinese { r.zh.clone() } else { r.en.clone() }).collect(),
            is_virtual: profile.is_virtual,
            verified: profile.verified,
        }
    }
}
