//! Everybody alike: the baseline that shows what filters and recall alone are worth, and what people would do without a ranking.

use super::{Case, Strategy, sharp};
use crate::config::RankerConfig;
use crate::query::Query;

pub(super) struct Random;

impl Strategy for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        vec![1.0; cases.len()]
    }

    fn adapt(&self, config: &mut RankerConfig) {
        sharp(config);
    }
}
