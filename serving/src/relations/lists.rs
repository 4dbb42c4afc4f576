//! Reading: how two people stand, and the lists of a person, from the cache where it is of the version in the database.
//!
//! A list is read in three steps: the version of the person's lists, the newest entries, the version again. They are cached with the version when both are
//! the same: then no change was committed in between. An answer begins with the version in the database, by one read of a row: what is cached with another
//! one is not used. So nothing has to be told to other nodes, and a process that dies between a commit and its cache leaves nothing wrong behind.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::relations::Pair;

use super::pair::List;
use super::service::{Relations, Trip};
use super::store;
use crate::db::{DbError, key, time, user};

/// Entries of a list that are cached: some pages. What lies behind is read by index.
pub(super) const HEAD: usize = 500;

/// A list of a person.
pub(super) type ListOf = (i64, List);

/// The newest entries of a list as they were at a version.
#[derive(Debug)]
pub(super) struct Head {
    version: i64,
    /// Since when, and whose key.
    entries: Vec<(i64, i64)>,
}

impl Head {
    /// Whether it holds the whole list.
    fn is_whole(&self) -> bool {
        self.entries.len() < HEAD
    }

    /// So many entries after one of them; nothing where the head does not reach as far.
    fn page(&self, after: Option<Place>, most: usize) -> Option<Vec<(i64, i64)>> {
        let from = after.map_or(0, |Place { since, key }| self.entries.partition_point(|entry| *entry >= (since, key)));
        let rest = &self.entries[from..];
        (rest.len() >= most || self.is_whole()).then(|| rest[..most.min(rest.len())].to_vec())
    }
}

/// How long the lists of somebody are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Friends.
    pub friends: i64,
    /// Fans.
    pub fans: i64,
    /// Followed.
    pub following: i64,
    /// Blocked.
    pub blocked: i64,
}

impl Counts {
    /// The length of a list.
    pub fn of(&self, list: List) -> i64 {
        match list {
            List::Friends => self.friends,
            List::Fans => self.fans,
            List::Following => self.following,
            List::Blocked => self.blocked,
        }
    }
}

/// Somebody on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Where that is in the list.
    pub place: Place,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Since when, in microseconds since 1970.
    pub since: i64,
    /// The key of who is there.
    pub key: i64,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The newest first.
    pub entries: Vec<Entry>,
    /// Whether there is more behind.
    pub more: bool,
    /// How long all lists are.
    pub counts: Counts,
}

impl Relations {
    /// How two people stand, as the one sees it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pair(&self, one: UserId, other: UserId) -> Result<Pair, DbError> {
        let kept = store::pair(&self.db, one, other).await?;
        Ok(kept.map_or_else(|| self.told_by_ledger(one, other), |kept| kept.pair))
    }

    /// The id of the conversation of two people while it is open: they are friends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn conversation(&self, one: UserId, other: UserId) -> Result<Option<i64>, DbError> {
        Ok(store::conversation(&self.db, one, other).await?.and_then(|(id, open)| open.then_some(id)))
    }

    /// How long the lists of somebody are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self, of: UserId) -> Result<Counts, DbError> {
        Ok(store::lengths(&self.db, of).await?.map(counts).unwrap_or_default())
    }

    /// At most so many people of a list, the newest first, after a place in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, of: UserId, list: List, after: Option<Place>, most: usize) -> Result<Page, DbError> {
        let Some(lengths) = store::lengths(&self.db, of).await? else {
            return Ok(Page { entries: Vec::new(), more: false, counts: Counts::default() });
        };
        let wanted = most + 1;
        let head = self.head(of, list, lengths.0).await?;
        let mut found = match head.page(after, wanted) {
            Some(page) => page,
            None => store::entries(&self.db, of, list, after.map(|at| (at.since, at.key)), wanted as u64).await?,
        };
        let more = found.len() > most;
        found.truncate(most);
        let entry = |(since, key): (i64, i64)| Entry { user: user(key), since: time(since), place: Place { since, key } };
        Ok(Page { entries: found.into_iter().map(entry).collect(), more, counts: counts(lengths) })
    }

    /// The newest entries of a list whose version in the database was `version` a moment ago.
    async fn head(&self, of: UserId, list: List, version: i64) -> Result<Arc<Head>, DbError> {
        if let Some(head) = self.heads.get(&(key(of), list)).filter(|head| head.version == version) {
            metrics::counter!("hongniang_relation_lists_total", "from" => "cache").increment(1);
            return Ok(head);
        }
        metrics::counter!("hongniang_relation_lists_total", "from" => "database").increment(1);
        let entries = store::entries(&self.db, of, list, None, HEAD as u64).await?;
        let head = Arc::new(Head { version, entries });
        let now = store::lengths(&self.db, of).await?.map(|(version, _)| version);
        if now == Some(version) && self.trip(Trip::Fill).is_ok() {
            self.heads.insert((key(of), list), Arc::clone(&head));
        }
        Ok(head)
    }
}

fn counts((_, [friends, fans, following, blocked]): (i64, [i64; 4])) -> Counts {
    Counts { friends, fans, following, blocked }
}
