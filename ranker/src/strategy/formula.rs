//! The formula of the house: both sides' weighted terms, combined so that the match is high only when both are.

use super::{Case, FORMULA, Strategy};
use crate::query::Query;

pub(super) struct Formula;

impl Strategy for Formula {
    fn name(&self) -> &str {
        FORMULA
    }

    fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        cases.iter().map(|case| f64::from(case.sides.mutual)).collect()
    }
}
