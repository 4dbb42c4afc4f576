//! Those first whom most like: the baseline of every recommender.

use super::{Case, Strategy, sharp};
use crate::config::RankerConfig;
use crate::query::Query;

pub(super) struct Popularity;

impl Strategy for Popularity {
    fn name(&self) -> &str {
        "popularity"
    }

    fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        cases.iter().map(|case| f64::from(case.pair.candidate.signals().like_rate)).collect()
    }

    fn adapt(&self, config: &mut RankerConfig) {
        sharp(config);
    }
}
