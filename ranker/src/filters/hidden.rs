//! Hidden by themselves or banned by moderation.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Hidden;

impl Filter for Hidden {
    fn name(&self) -> FilterName {
        FilterName::Hidden
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        (!pair.candidate.visible()).then_some(Refusal { en: "hidden or banned", zh: "已隐藏或被封禁" })
    }
}
