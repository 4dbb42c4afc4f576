//! Those first who are near, as buckets tell: a baseline. Who is nowhere comes last.

use super::{Case, Strategy, sharp};
use crate::config::RankerConfig;
use crate::query::Query;
use crate::scorers::nearness;

pub(super) struct Distance;

impl Strategy for Distance {
    fn name(&self) -> &str {
        "distance"
    }

    fn worth(&self, query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        let near = |case: &Case<'_>| nearness(case.pair.bucket(), &query.config().curves).map_or(0.0, f64::from);
        cases.iter().map(near).collect()
    }

    fn adapt(&self, config: &mut RankerConfig) {
        sharp(config);
    }
}
