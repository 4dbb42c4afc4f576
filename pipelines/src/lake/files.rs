//! Names of files, and the store they lie in.

use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::bus::Offsets;
use crate::snapshots::{SnapshotError, remedy};
use crate::tables::TABLES;

/// What can go wrong with the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The place cannot be used.
    #[error(transparent)]
    Place(#[from] SnapshotError),
    /// The store refused.
    #[error("could not {what} `{name}` in the lake: {source}{}; nothing is lost, it is tried again", remedy(.source))]
    Store {
        /// What was tried.
        what: &'static str,
        /// The object.
        name: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// Another process writes this lake now.
    #[error("another process has taken over the lake; this one stops, and what it had gathered is written by the other")]
    Superseded,
    /// Another process compacts this lake now.
    #[error("another process has begun to compact this lake; this one stops, and what it had merged so far counts")]
    Overtaken,
    /// The store writes over what is there although it was told not to.
    #[error(
        "the store of the lake ignores `If-None-Match`, so two writers could not be told apart; use a store with conditional writes (S3, MinIO, Ceph, R2), or a folder"
    )]
    NoConditions,
    /// What the lake notes about itself cannot be read.
    #[error("`{name}` in the lake is damaged: {reason}; restore it, or move the lake away to begin a new one")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Rows could not be made or written as Parquet.
    #[error("could not {what}: {reason}")]
    Data {
        /// What was tried.
        what: String,
        /// What went wrong.
        reason: String,
    },
}

impl LakeError {
    pub(super) fn data(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Data { what: what.into(), reason: reason.to_string() }
    }
}

/// The name of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// The topic, which is also the table.
    pub topic: String,
    /// The day of its rows.
    pub day: NaiveDate,
    /// The partition its rows came from.
    pub partition: i32,
    /// The first offset of the flush.
    pub first: i64,
    /// The last offset of the flush.
    pub last: i64,
}

impl FileName {
    /// Where the file lies in the lake.
    pub fn path(&self) -> String {
        let Self { topic, day, partition, first, last } = self;
        format!("{topic}/dt={day}/{topic}-{partition}-{first}-{last}.parquet")
    }

    /// Whether the rows of `other` are in this file, too: a file counts only where no other one covers it.
    pub fn covers(&self, other: &Self) -> bool {
        let alike = self.topic == other.topic && self.day == other.day && self.partition == other.partition;
        alike && self.first <= other.first && other.last <= self.last && (self.first, self.last) != (other.first, other.last)
    }

    /// Reads a path of the lake; none for other files.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (table, day, file) = (parts.next()?, parts.next()?.strip_prefix("dt=")?, parts.next()?.strip_suffix(".parquet")?);
        let mut numbers = file.strip_prefix(table)?.strip_prefix('-')?.split('-');
        let mut number = || numbers.next()?.parse::<i64>().ok();
        let (partition, first, last) = (i32::try_from(number()?).ok()?, number()?, number()?);
        let name = Self { topic: table.to_owned(), day: day.parse().ok()?, partition, first, last };
        (parts.next().is_none() && numbers.next().is_none()).then_some(name)
    }
}

/// The files of a lake.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) store: Arc<dyn ObjectStore>,
}

impl Files {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Writes a file where readers see it at once.
    pub(super) async fn put(&self, name: &FileName, bytes: Vec<u8>) -> Result<(), LakeError> {
        let done = self.store.put(&Path::from(name.path()), bytes.into()).await;
        done.map(drop).map_err(|source| LakeError::Store { what: "write", name: name.path(), source })
    }

    /// An object's bytes; none when there is none.
    pub(super) async fn get(&self, path: &Path) -> Result<Option<Bytes>, LakeError> {
        let refused = |source| LakeError::Store { what: "read", name: path.to_string(), source };
        match self.store.get(path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(refused),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, path: &Path) -> Result<(), LakeError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(LakeError::Store { what: "remove", name: path.to_string(), source }),
        }
    }

    /// Every object in a folder and below.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, LakeError> {
        let refused = |source| LakeError::Store { what: "list", name: folder.to_owned(), source };
        self.store.list(Some(&Path::from(folder))).try_collect().await.map_err(refused)
    }

    /// Whether an object is there.
    pub(super) async fn exists(&self, path: &str) -> Result<bool, LakeError> {
        match self.store.head(&Path::from(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(LakeError::Store { what: "look at", name: path.to_owned(), source }),
        }
    }

    /// The bytes of an object that is there.
    pub(super) async fn size(&self, path: &Path) -> Result<u64, LakeError> {
        let refused = |source| LakeError::Store { what: "look at", name: path.to_string(), source };
        self.store.head(path).await.map(|meta| meta.size).map_err(refused)
    }

    /// Moves an object; false where it was not there.
    pub(super) async fn rename(&self, from: &Path, to: &Path) -> Result<bool, LakeError> {
        match self.store.rename(from, to).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(LakeError::Store { what: "move in", name: to.to_string(), source }),
        }
    }

    /// Every file of one table.
    pub(super) async fn of_table(&self, table: &str) -> Result<Vec<FileName>, LakeError> {
        let found = self.list(table).await?;
        let mut names: Vec<FileName> = found.iter().filter_map(|meta| FileName::parse(meta.location.as_ref())).collect();
        names.sort();
        Ok(names)
    }

    /// Removes files at or behind the positions: what a flush left that did not come to its end, in a lake of before there were commits.
    pub(super) async fn remove_unfinished(&self, positions: &Offsets) -> Result<(), LakeError> {
        for topic in TABLES {
            for name in self.of_table(topic.name()).await? {
                if name.first >= positions.get(&name.topic, name.partition).unwrap_or(0) {
                    self.remove(&Path::from(name.path())).await?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(first: i64, last: i64, day: &str) -> FileName {
        FileName { topic: "dead_letters".to_owned(), day: day.parse().unwrap(), partition: 3, first, last }
    }

    #[test]
    fn names_are_read_back_and_others_are_not() {
        let one = name(0, 41, "2026-11-24");
        assert_eq!(one.path(), "dead_letters/dt=2026-11-24/dead_letters-3-0-41.parquet");
        assert_eq!(FileName::parse(&one.path()), Some(one));
        for other in [
            "_positions.json",
            "moments/dt=2026-11-24/moments-0-1.parquet",
            "moments/dt=x/moments-0-1-2.parquet",
            "moments/dt=2026-11-24/likes-0-1-2.parquet",
            "a/b",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
