//! How much of the other's profile is filled in.

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Completeness;

impl Scorer for Completeness {
    fn name(&self) -> TermName {
        TermName::Completeness
    }

    fn value(&self, _judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        Some(other.signals().completeness)
    }
}
