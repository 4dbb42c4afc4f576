//! How much the other shows of what one likes: weighted overlap of one's liked tags with the other's tags. Not known without tags on
//! either side.

use index::table::tag_overlap;

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct LikedTags;

impl Scorer for LikedTags {
    fn name(&self) -> TermName {
        TermName::LikedTags
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        let (liked, shown) = (judge.liked_tags(), other.tags());
        (!liked.is_empty() && !shown.is_empty()).then(|| tag_overlap(liked, shown))
    }
}
