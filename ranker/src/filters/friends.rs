//! Friends have found each other.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct AlreadyFriends;

impl Filter for AlreadyFriends {
    fn name(&self) -> FilterName {
        FilterName::AlreadyFriends
    }

    fn refuse(&self, scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let friends = scene.ledger.friends(pair.viewer.user(), pair.candidate.user());
        friends.then_some(Refusal { en: "already friends", zh: "已经是好友" })
    }
}
