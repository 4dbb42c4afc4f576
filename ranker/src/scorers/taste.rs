//! How well the other's `content` fits one's `taste`: their cosine between `cosine_floor` and `cosine_ceiling`. Not known without both vectors.

use index::table::VectorColumn;

use super::{Between, Scorer};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Taste;

impl Scorer for Taste {
    fn name(&self) -> TermName {
        TermName::Taste
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, between: &Between<'_>) -> Option<f32> {
        let (taste, content) = (judge.vector(VectorColumn::Taste)?, other.vector(VectorColumn::Content)?);
        let (floor, ceiling) = (between.curves.cosine_floor, between.curves.cosine_ceiling);
        #[expect(clippy::cast_possible_truncation, reason = "a term between 0 and 1")]
        let value = ((f64::from(taste.cosine(&content)) - floor) / (ceiling - floor)).clamp(0.0, 1.0) as f32;
        Some(value)
    }
}
