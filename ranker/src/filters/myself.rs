//! Nobody is shown to themselves.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Myself;

impl Filter for Myself {
    fn name(&self) -> FilterName {
        FilterName::Myself
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let same = pair.candidate.user() == pair.viewer.user();
        same.then_some(Refusal { en: "this is the viewer", zh: "这是本人" })
    }
}
