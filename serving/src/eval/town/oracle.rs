//! The strategy that knows the truth: what the best pages would be.

use std::sync::Arc;

use ranker::RankerConfig;
use ranker::query::Query;
use ranker::strategy::{Case, Strategies, Strategy};

use super::market::{Market, greedy};

/// Its name.
pub(super) const ORACLE: &str = "oracle";
/// So many that no source leaves anybody out.
const EVERYBODY: usize = 10_000;

/// Worth is the hidden chance that both like each other.
pub(super) struct Oracle(pub(super) Arc<Market>);

impl Strategy for Oracle {
    fn name(&self) -> &str {
        ORACLE
    }

    fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
        let of = |case: &Case<'_>| {
            let (likes, back) = self.0.truth(case.pair.viewer.user(), case.pair.candidate.user());
            likes * back
        };
        cases.iter().map(of).collect()
    }
}

/// The strategies of the house, and the oracle.
pub(super) fn strategies(market: &Arc<Market>) -> Strategies {
    Strategies::default().with(Arc::new(Oracle(Arc::clone(market))))
}

/// The oracle's configuration: it chooses among everybody whom the filters allow.
pub(super) fn config(base: &RankerConfig) -> RankerConfig {
    let mut config = RankerConfig { strategy: ORACLE.to_owned(), regions: Default::default(), ..greedy(base.clone()) };
    config.deck.candidates_to_score = 50_000;
    config.deck.exact_scan_below = 1_000_000;
    let sources = &mut config.sources;
    (sources.under_shown.limit, sources.under_shown_below, sources.under_shown_scan) = (EVERYBODY, 1e9, 1_000_000);
    config
}
