//! Friends of friends: those with the most friends in common first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use features::ids::UserId;

use super::Source;
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct FriendsOfFriends;

#[async_trait]
impl Source for FriendsOfFriends {
    fn name(&self) -> SourceName {
        SourceName::FriendsOfFriends
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        let most = query.config().sources.friends_scan;
        let mut in_common: BTreeMap<UserId, u32> = BTreeMap::new();
        for friend in parts.ledger.friends_of(query.viewer).into_iter().take(most) {
            for other in parts.ledger.friends_of(friend).into_iter().filter(|other| *other != query.viewer) {
                *in_common.entry(other).or_default() += 1;
            }
        }
        let mut ranking: Vec<(UserId, u32)> = in_common.into_iter().collect();
        ranking.sort_by_key(|(user, count)| (Reverse(*count), *user));
        Ok(query.take_fresh(&parts.ledger, ranking.into_iter().map(|(user, _)| user), limit))
    }
}
