//! The viewer has said yes or no already.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct AlreadyAnswered;

impl Filter for AlreadyAnswered {
    fn name(&self) -> FilterName {
        FilterName::AlreadyAnswered
    }

    fn refuse(&self, scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let (viewer, candidate) = (pair.viewer.user(), pair.candidate.user());
        if scene.ledger.likes(viewer, candidate) {
            return Some(Refusal { en: "the viewer likes or follows them already", zh: "已喜欢或关注" });
        }
        scene.ledger.passed(viewer, candidate).then_some(Refusal { en: "the viewer passed them", zh: "已被跳过" })
    }
}
