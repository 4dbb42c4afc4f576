//! Collaborative: people whom those like who like as the viewer does, best those who themselves like people liked as the viewer is. Somebody
//! who has not liked anybody yet and whom nobody likes is left to the other sources.

use async_trait::async_trait;
use features::ids::UserId;
use index::co_likes::Reach;

use super::Source;
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

/// So many times more people are taken from the walk than asked for, because some are known already.
const SPARE: usize = 3;

pub(super) struct CoLike;

#[async_trait]
impl Source for CoLike {
    fn name(&self) -> SourceName {
        SourceName::CoLike
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        let sources = &query.config().sources;
        let reach = Reach { likes: sources.co_like_scan, fan_out: sources.co_like_scan, alike: sources.co_like_alike };
        let found = parts.ledger.co_liked(query.viewer, &reach, limit * SPARE);
        Ok(query.take_fresh(&parts.ledger, found.into_iter().map(|one| one.user), limit))
    }
}
