//! Names of files, the positions, and what a crash left behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::bus::Offsets;
use crate::snapshots::SnapshotError;

const POSITIONS: &str = "_positions.json";

/// What can go wrong with the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The place cannot be used.
    #[error(transparent)]
    Place(#[from] SnapshotError),
    /// The store refused.
    #[error("could not {what} `{name}` in the lake: {source}; nothing is lost, it is tried again")]
    Store {
        /// What was tried.
        what: &'static str,
        /// The object.
        name: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The positions cannot be read.
    #[error("`_positions.json` in the lake is damaged: {0}; restore it, or move the lake away to begin a new one")]
    Positions(String),
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
#[derive(Clone)]
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
}

impl Files {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    pub(super) async fn put(&self, name: &FileName, bytes: Vec<u8>) -> Result<(), LakeError> {
        self.put_at(&name.path(), bytes).await
    }

    async fn put_at(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let done = self.store.put(&Path::from(path), bytes.into()).await;
        done.map(drop).map_err(|source| LakeError::Store { what: "write", name: path.to_owned(), source })
    }

    /// Up to where each partition is in the lake.
    pub(super) async fn positions(&self) -> Result<Offsets, LakeError> {
        let refused = |source| LakeError::Store { what: "read", name: POSITIONS.to_owned(), source };
        let bytes = match self.store.get(&Path::from(POSITIONS)).await {
            Ok(found) => found.bytes().await.map_err(refused)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(Offsets::default()),
            Err(error) => return Err(refused(error)),
        };
        let named: BTreeMap<String, i64> = serde_json::from_slice(&bytes).map_err(|e| LakeError::Positions(e.to_string()))?;
        Ok(Offsets::from_named(&named))
    }

    pub(super) async fn set_positions(&self, positions: &Offsets) -> Result<(), LakeError> {
        let json = serde_json::to_vec_pretty(&positions.to_named()).map_err(|e| LakeError::Positions(e.to_string()))?;
        self.put_at(POSITIONS, json).await
    }

    /// Every file of one table.
    pub(super) async fn of_table(&self, table: &str) -> Result<Vec<FileName>, LakeError> {
        let refused = |source| LakeError::Store { what: "list", name: table.to_owned(), source };
        let found: Vec<object_store::ObjectMeta> = self.store.list(Some(&Path::from(table))).try_collect().await.map_err(refused)?;
        let mut names: Vec<FileName> = found.iter().filter_map(|meta| FileName::parse(meta.location.as_ref())).collect();
        names.sort();
        Ok(names)
    }

    /// Removes the files of a flush that did not come to its end: those at or behind the positions.
    pub(super) async fn remove_unfinished(&self, table: &str, positions: &Offsets) -> Result<usize, LakeError> {
        let mut removed = 0;
        for name in self.of_table(table).await? {
            if name.first >= positions.get(&name.topic, name.partition).unwrap_or(0) {
                let path = name.path();
                self.store.delete(&Path::from(path.as_str())).await.map_err(|source| LakeError::Store {
                    what: "remove",
                    name: path,
                    source,
                })?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::snapshots::open_store;

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

    #[tokio::test]
    async fn only_what_lies_behind_the_positions_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(open_store(dir.path().to_str().unwrap()).unwrap());
        assert!(files.positions().await.unwrap().0.is_empty());
        let (done, half) = (name(0, 9, "2026-11-23"), name(10, 19, "2026-11-24"));
        files.put(&done, vec![1]).await.unwrap();
        files.put(&half, vec![1]).await.unwrap();
        let mut positions = Offsets::default();
        positions.set("dead_letters", 3, 10);
        files.set_positions(&positions).await.unwrap();
        assert_eq!(files.positions().await.unwrap(), positions);
        assert_eq!(files.remove_unfinished("dead_letters", &positions).await.unwrap(), 1);
        assert_eq!(files.of_table("dead_letters").await.unwrap(), [done]);
        assert!(files.of_table("moments").await.unwrap().is_empty());
    }
}
