//! Nobody is shown twice within the exposure window.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct AlreadyShown;

impl Filter for AlreadyShown {
    fn name(&self) -> FilterName {
        FilterName::AlreadyShown
    }

    fn refuse(&self, scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let window = chrono::TimeDelta::days(i64::from(scene.query.config().deck.exposure_window_days));
        let shown = scene.ledger.shown_within(pair.viewer.user(), pair.candidate.user(), scene.query.now, window);
        shown.then_some(Refusal { en: "shown lately", zh: "近期已展示过" })
    }
}
