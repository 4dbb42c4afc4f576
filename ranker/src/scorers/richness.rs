//! How rich the other's Moments are.

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Richness;

impl Scorer for Richness {
    fn name(&self) -> TermName {
        TermName::Richness
    }

    fn value(&self, _judge: &Face<'_>, other: &Face<'_>, _between: &Between<'_>) -> Option<f32> {
        Some(other.signals().richness)
    }
}
