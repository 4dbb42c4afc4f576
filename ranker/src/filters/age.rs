//! Each must be of an age that the other looks for.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Age;

impl Filter for Age {
    fn name(&self) -> FilterName {
        FilterName::Age
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let (viewer, candidate) = (pair.viewer, &pair.candidate);
        if !viewer.limits().wants_age(candidate.age()) {
            return Some(Refusal { en: "not an age the viewer looks for", zh: "年龄不符合查看者的期望" });
        }
        (!candidate.limits().wants_age(viewer.age()))
            .then_some(Refusal { en: "looks for another age", zh: "查看者的年龄不符合对方的期望" })
    }
}
