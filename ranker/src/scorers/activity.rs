//! How present the other is.

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Activity;

impl Scorer for Activity {
    fn name(&self) -> TermName {
        TermName::Activity
    }

    fn value(&self, _judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        Some(other.signals().activity)
    }
}
