//! A block by either of the two.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Blocked;

impl Filter for Blocked {
    fn name(&self) -> FilterName {
        FilterName::Blocked
    }

    fn refuse(&self, scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let blocked = scene.ledger.blocked(pair.viewer.user(), pair.candidate.user());
        blocked.then_some(Refusal { en: "one of the two blocked the other", zh: "两人之间存在拉黑" })
    }
}
