//! Sources: cheap ways to find candidates. They run side by side; each has a limit and a time limit, and one that fails or
//! is late is named and done without.
//!
//! What a source returns is a ranking, best first; it need not respect the filters, but does well to.

mod co_like;
mod content_taste;
mod friends_of_friends;
mod hot;
mod near_me;
mod newcomers;
mod similar;
mod taste_content;
mod under_shown;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use features::ids::UserId;
use foldhash::fast::RandomState;
use futures::FutureExt;
use futures::future::join_all;

use crate::error::SourceError;
use crate::measure::{StageTiming, Watch, failed};
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

/// Somebody a source found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub user: UserId,
    /// Every source that found them, in the order of [`SourceName`].
    pub sources: Vec<SourceName>,
    /// Best place in the ranking of any of them, from 0.
    pub rank: usize,
}

/// What a source came back with.
#[derive(Debug)]
pub struct Fetched {
    /// Which source.
    pub source: SourceName,
    /// Its ranking, or why there is none.
    pub found: Result<Vec<UserId>, SourceError>,
    /// What it cost.
    pub timing: StageTiming,
}

/// A way to find candidates.
#[async_trait]
pub trait Source: Send + Sync {
    /// Its name.
    fn name(&self) -> SourceName;

    /// At most `limit` people whom the viewer does not know yet, best first; people known already may stand between them.
    ///
    /// # Errors
    /// When the index behind it fails.
    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError>;

    /// [`Self::find`] within its budget, measured. A panic counts as a failure.
    async fn run(&self, query: &Query, parts: &Parts) -> Fetched {
        let source = self.name();
        let budget = query.config().sources.budget(source);
        let watch = Watch::start("source", source.name(), 0);
        let work = AssertUnwindSafe(self.find(query, parts, budget.limit)).catch_unwind();
        let found = match tokio::time::timeout(Duration::from_millis(budget.timeout_ms), work).await {
            Ok(Ok(found)) => found,
            Ok(Err(_panic)) => Err(SourceError::Panicked),
            Err(_late) => Err(SourceError::TimedOut(budget.timeout_ms)),
        };
        let found = found.map(|mut users| {
            users.truncate(budget.limit * 2);
            users
        });
        if let Err(error) = &found {
            failed("source", source.name());
            tracing::warn!(source = source.name(), %error, viewer = %query.viewer, "source failed");
        }
        let timing = watch.stop(found.as_ref().map_or(0, Vec::len));
        Fetched { source, found, timing }
    }
}

/// Every source.
pub(crate) fn sources() -> Vec<Box<dyn Source>> {
    vec![
        Box::new(near_me::NearMe),
        Box::new(taste_content::TasteContent),
        Box::new(content_taste::ContentTaste),
        Box::new(newcomers::Newcomers),
        Box::new(under_shown::UnderShown),
        Box::new(friends_of_friends::FriendsOfFriends),
        Box::new(co_like::CoLike),
        Box::new(hot::Hot),
    ]
}

/// Asks all sources that have a budget, side by side.
pub(crate) async fn ask(sources: &[Box<dyn Source>], query: &Query, parts: &Parts) -> Vec<Fetched> {
    let asked = sources.iter().filter(|source| query.config().sources.budget(source.name()).limit > 0);
    join_all(asked.map(|source| source.run(query, parts))).await
}

/// One list of candidates out of many rankings: those that stand high anywhere come first, ties by id. The order in which
/// sources are given does not matter.
pub fn merge<'a>(rankings: impl IntoIterator<Item = (SourceName, &'a [UserId])>) -> Vec<Candidate> {
    let mut merged: Vec<Candidate> = Vec::new();
    let mut place: HashMap<UserId, usize, RandomState> = HashMap::default();
    for (source, ranking) in rankings {
        for (rank, user) in ranking.iter().enumerate() {
            let at = *place.entry(*user).or_insert_with(|| {
                merged.push(Candidate { user: *user, sources: Vec::with_capacity(2), rank });
                merged.len() - 1
            });
            let candidate = &mut merged[at];
            candidate.rank = candidate.rank.min(rank);
            if !candidate.sources.contains(&source) {
                candidate.sources.push(source);
            }
        }
    }
    merged.iter_mut().for_each(|c| c.sources.sort_unstable());
    merged.sort_unstable_by_key(|c| (c.rank, c.user));
    merged
}

#[cfg(test)]
mod tests;
