//! Closeness in age: `2^(−years / age_half_years)`.

use super::{Between, Scorer, halving};
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Age;

impl Scorer for Age {
    fn name(&self) -> TermName {
        TermName::Age
    }

    fn value(&self, judge: &Face<'_>, other: &Face<'_>, between: &Between<'_>) -> Option<f32> {
        let gap = f64::from(judge.age().abs_diff(other.age()));
        Some(halving(gap, between.curves.age_half_years))
    }

    fn mutual(&self) -> bool {
        true
    }
}
