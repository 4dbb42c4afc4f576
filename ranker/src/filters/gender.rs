//! Each must be of a gender that the other looks for.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Gender;

impl Filter for Gender {
    fn name(&self) -> FilterName {
        FilterName::Gender
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let (viewer, candidate) = (pair.viewer.limits(), pair.candidate.limits());
        if !viewer.wants_gender(candidate.gender) {
            return Some(Refusal { en: "not a gender the viewer looks for", zh: "性别不符合查看者的期望" });
        }
        (!candidate.wants_gender(viewer.gender))
            .then_some(Refusal { en: "looks for another gender", zh: "查看者的性别不符合对方的期望" })
    }
}
