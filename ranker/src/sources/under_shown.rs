//! People few have been shown, fewest impressions first: they cannot become popular before somebody sees them.
//! At most `under_shown_scan` people are looked at, from a place that the seed chooses.

use async_trait::async_trait;
use features::ids::UserId;

use super::Source;
use super::newcomers::walk;
use crate::chance::{Purpose, bits};
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct UnderShown;

#[async_trait]
impl Source for UnderShown {
    fn name(&self) -> SourceName {
        SourceName::UnderShown
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        let config = &query.config().sources;
        let table = parts.table.read();
        let rows = query.pool.rows(&table, query);
        let looked = table.impressions(walk(&rows, query, config.under_shown_scan), query.now);
        let seldom = looked.into_iter().filter(|(impressions, _)| *impressions < config.under_shown_below);
        let mut seldom: Vec<(f32, UserId)> = seldom.map(|(impressions, row)| (impressions, table.user(row))).collect();
        // Many have none at all: among equals the seed decides, not the id.
        let turn = |user| bits(query.seed, Purpose::Sample, user);
        seldom.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| turn(a.1).cmp(&turn(b.1))));
        Ok(query.take_fresh(&parts.ledger, seldom.into_iter().map(|(_, user)| user), limit))
    }
}
