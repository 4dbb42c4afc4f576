//! How much both show the same: weighted overlap of both people's tags. Not known unless both have some.

use index::table::tag_overlap;

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct SharedTags;

impl Scorer for SharedTags {
    fn name(&self) -> TermName {
        TermName::SharedTags
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        let (ours, theirs) = (judge.tags(), other.tags());
        (!ours.is_empty() && !theirs.is_empty()).then(|| tag_overlap(ours, theirs))
    }

    fn mutual(&self) -> bool {
        true
    }
}
