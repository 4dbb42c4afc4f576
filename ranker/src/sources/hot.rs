//! The ready-made list of the region, then that of everywhere.

use async_trait::async_trait;
use features::ids::UserId;

use super::Source;
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct Hot;

#[async_trait]
impl Source for Hot {
    fn name(&self) -> SourceName {
        SourceName::Hot
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        // The list holds all genders and people known already: read further than needed.
        let list = parts.hot.list(query.region(), limit * 4 + query.known.len().min(limit * 4));
        let table = parts.table.read();
        let genders = query.genders();
        let suits = |user: &UserId| table.row_of(*user).is_none_or(|row| genders == 0 || genders & table.limits(row).gender.bit() != 0);
        Ok(query.take_fresh(&parts.ledger, list.into_iter().filter(suits), limit))
    }
}
