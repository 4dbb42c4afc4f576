//! Closeness in height: `2^(−cm / height_half_cm)`. Not known unless both state theirs.

use super::{Between, Scorer, halving};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Height;

impl Scorer for Height {
    fn name(&self) -> TermName {
        TermName::Height
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, between: &Between<'_>) -> Option<f32> {
        let (ours, theirs) = (judge.limits().height_cm?, other.limits().height_cm?);
        Some(halving(f64::from(ours.abs_diff(theirs)), between.curves.height_half_cm))
    }

    fn mutual(&self) -> bool {
        true
    }
}
