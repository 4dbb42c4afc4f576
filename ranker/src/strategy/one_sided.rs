//! What the candidate is worth to the viewer alone: the formula without the candidate's say, for comparison.

use super::{Case, Strategy};
use crate::query::Query;

pub(super) struct OneSided;

impl Strategy for OneSided {
    fn name(&self) -> &str {
        "one_sided"
    }

    fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        cases.iter().map(|case| f64::from(case.sides.viewer)).collect()
    }
}
