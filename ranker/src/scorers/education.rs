//! Closeness in education: 1 at the same level, a fifth less for each level between. Not known unless both state theirs.

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Education;

impl Scorer for Education {
    fn name(&self) -> TermName {
        TermName::Education
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        let (ours, theirs) = (judge.limits().education?, other.limits().education?);
        Some(1.0 - f32::from((ours as u8).abs_diff(theirs as u8)) / 5.0)
    }

    fn mutual(&self) -> bool {
        true
    }
}
