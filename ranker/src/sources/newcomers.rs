//! People who joined lately, newest first. At most `newcomer_scan` people are looked at, from a place that the seed chooses.

use std::cmp::Reverse;

use async_trait::async_trait;
use chrono::TimeDelta;
use features::ids::UserId;
use roaring::RoaringBitmap;

use super::Source;
use crate::chance::{Purpose, bits};
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

/// `count` rows, from one that the seed chooses onwards and around the end.
pub(super) fn walk<'a>(rows: &'a RoaringBitmap, query: &Query, count: usize) -> impl Iterator<Item = u32> + use<'a> {
    let turn = bits(query.seed, Purpose::Sample, query.viewer) % rows.len().max(1);
    let start = u32::try_from(turn).ok().and_then(|nth| rows.select(nth)).unwrap_or(0);
    rows.range(start..).chain(rows.range(..start)).take(count)
}

pub(super) struct Newcomers;

#[async_trait]
impl Source for Newcomers {
    fn name(&self) -> SourceName {
        SourceName::Newcomers
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        let config = &query.config().sources;
        let since = query.now - TimeDelta::days(i64::from(config.newcomer_days));
        let table = parts.table.read();
        let rows = query.pool.rows(&table, query);
        let looked = walk(&rows, query, config.newcomer_scan);
        let mut joined: Vec<_> =
            looked.map(|row| (table.created_at(row), row)).filter(|(at, _)| *at >= since).map(|(at, row)| (at, table.user(row))).collect();
        joined.sort_unstable_by_key(|(at, user)| (Reverse(*at), *user));
        Ok(query.take_fresh(&parts.ledger, joined.into_iter().map(|(_, user)| user), limit))
    }
}
