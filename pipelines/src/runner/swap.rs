//! State that was computed elsewhere, waiting for the runner: how a backfill hands over what it has made.
//!
//! A backfill stages the state of each set in chunks, then makes one object, `backfill/swaps/<number>`, that names them together with the offsets they
//! end at and the generation of their rows: with it all of them count, before it none. The runner looks for such objects at every
//! checkpoint and starts again from what they name: it reads on from those offsets, so nothing that arrived meanwhile is missed, keeps the new rows
//! back until it is where it was, then sends all of them, takes back the keys that are gone, and saves. Only then does it answer. A runner
//! that is killed on the way finds the object again, and does what was left. Sets that the object does not name stay as they are.

use std::collections::BTreeMap;

use features::sets::FeatureSet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::store::{sql_hash, unpack, zip};
use crate::bus::Offsets;
use crate::snapshots::{SnapshotError, SnapshotStore};

/// Where backfills keep what they make, beside the state of the jobs.
pub(crate) const PLACE: &str = "backfill";

/// Some rows of a state, in the order of their keys.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// Key columns, joined as in the keyed state.
    pub(crate) keys: Vec<String>,
    /// The number of events of each key.
    pub(crate) versions: Vec<i64>,
    /// The values of each key, one after the other.
    pub(crate) values: Vec<f64>,
}

/// The staged state of one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Fingerprint of the SQL it was computed with.
    pub(crate) sql: String,
    /// Value columns of each row.
    pub(crate) columns: usize,
    /// The generation of its rows.
    pub(crate) generation: u32,
    /// What it contains: the next offset of each partition, by `topic/partition`.
    pub(crate) offsets: BTreeMap<String, i64>,
    /// The folder of its chunks, below `staged`.
    pub(crate) place: String,
    /// Chunks of rows.
    pub(crate) chunks: u32,
    /// Chunks of keys that readers hold and that are no more.
    pub(crate) gone: u32,
    /// Rows.
    pub(crate) keys: u64,
    /// Keys that are no more.
    pub(crate) gone_keys: u64,
}

impl Staged {
    /// What it contains.
    pub(super) fn offsets(&self) -> Offsets {
        Offsets::from_named(&self.offsets)
    }

    /// Whether it was computed with the SQL that the set has here.
    pub(super) fn fits(&self, set: &FeatureSet) -> bool {
        self.sql == sql_hash(set) && self.columns == set.value_columns.len()
    }
}

/// What counts together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Swap {
    /// Its number: the larger one is the later one.
    pub(crate) number: u64,
    /// The states by set.
    pub(crate) sets: BTreeMap<String, Staged>,
}

/// What the runner says to a swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Rows, retractions and state are durable.
    TakenOver,
    /// It cannot be taken over, and why.
    Refused(String),
}

/// Swaps, their states and the answers to them.
#[derive(Clone)]
pub(crate) struct Swaps {
    swaps: SnapshotStore,
    answers: SnapshotStore,
    staged: SnapshotStore,
}

fn name(number: u64) -> String {
    format!("{number:020}")
}

fn damaged(name: &str, reason: impl std::fmt::Display) -> SnapshotError {
    SnapshotError::Damaged { name: name.to_owned(), reason: reason.to_string() }
}

async fn put(store: &SnapshotStore, name: &str, value: &impl Serialize) -> Result<(), SnapshotError> {
    let json = serde_json::to_vec(value).map_err(|e| damaged(name, e))?;
    store.put(name, &json).await
}

async fn get<T: DeserializeOwned>(store: &SnapshotStore, name: &str) -> Result<Option<T>, SnapshotError> {
    let bytes = store.get(name).await?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|e| damaged(name, e))).transpose()
}

impl Swaps {
    /// The swaps of the jobs whose state lies in `all`.
    pub(crate) fn new(all: &SnapshotStore) -> Self {
        let place = all.below(PLACE);
        Self { swaps: place.below("swaps"), answers: place.below("answers"), staged: place.below("staged") }
    }

    /// From here on the staged states count.
    pub(crate) async fn commit(&self, swap: &Swap) -> Result<(), SnapshotError> {
        put(&self.swaps, &name(swap.number), swap).await
    }

    /// Swaps that nobody has answered yet, in the order of their numbers.
    pub(crate) async fn open(&self) -> Result<Vec<Swap>, SnapshotError> {
        let mut open = Vec::new();
        for name in self.swaps.list().await? {
            let swap: Option<Swap> = get(&self.swaps, &name).await?;
            let Some(swap) = swap else { continue };
            if self.answer(swap.number).await?.is_some() {
                // A crash came between the answer and this.
                self.swaps.delete(&name).await?;
            } else {
                open.push(swap);
            }
        }
        Ok(open)
    }

    /// Whether a swap waits; cheaper than [`Self::open`].
    pub(crate) async fn any(&self) -> Result<bool, SnapshotError> {
        Ok(!self.swaps.list().await?.is_empty())
    }

    /// Answers a swap, which is closed with that.
    pub(crate) async fn close(&self, number: u64, answer: &Answer) -> Result<(), SnapshotError> {
        put(&self.answers, &name(number), answer).await?;
        self.swaps.delete(&name(number)).await
    }

    /// What the runner said to a swap, if it said anything.
    pub(crate) async fn answer(&self, number: u64) -> Result<Option<Answer>, SnapshotError> {
        get(&self.answers, &name(number)).await
    }

    /// Writes a chunk of rows.
    pub(crate) async fn stage_rows(&self, place: &str, number: u32, chunk: &Chunk) -> Result<(), SnapshotError> {
        self.stage(&format!("{place}/{number:08}.rows"), chunk).await
    }

    /// Writes a chunk of keys that are gone.
    pub(crate) async fn stage_gone(&self, place: &str, number: u32, keys: &[String]) -> Result<(), SnapshotError> {
        self.stage(&format!("{place}/{number:08}.gone"), &keys).await
    }

    async fn stage(&self, name: &str, what: &impl Serialize) -> Result<(), SnapshotError> {
        let packed = zip(what).map_err(|e| damaged(name, e))?;
        self.staged.put(name, &packed).await
    }

    /// Reads a chunk of rows.
    pub(crate) async fn rows(&self, staged: &Staged, number: u32) -> Result<Chunk, SnapshotError> {
        self.unstage(&format!("{}/{number:08}.rows", staged.place)).await
    }

    /// Reads a chunk of keys that are gone.
    pub(crate) async fn gone(&self, staged: &Staged, number: u32) -> Result<Vec<String>, SnapshotError> {
        self.unstage(&format!("{}/{number:08}.gone", staged.place)).await
    }

    async fn unstage<T: DeserializeOwned>(&self, name: &str) -> Result<T, SnapshotError> {
        let bytes = self.staged.get(name).await?.ok_or_else(|| damaged(name, "it is not there"))?;
        unpack(&bytes).map_err(|e| damaged(name, e))
    }

    /// Notes that everything of a staged state is written.
    pub(crate) async fn seal(&self, staged: &Staged) -> Result<(), SnapshotError> {
        put(&self.staged, &format!("{}/sealed", staged.place), staged).await
    }

    /// A staged state that was written to its end, if there is one.
    pub(crate) async fn sealed(&self, place: &str) -> Result<Option<Staged>, SnapshotError> {
        get(&self.staged, &format!("{place}/sealed")).await
    }

    /// Removes staged states but for those that are named, and answers before `number`.
    pub(crate) async fn clean(&self, keep: &[String], number: u64) -> Result<(), SnapshotError> {
        for object in self.staged.list().await? {
            if !keep.iter().any(|place| object.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with('/'))) {
                self.staged.delete(&object).await?;
            }
        }
        for answer in self.answers.list().await? {
            if answer.parse().is_ok_and(|old: u64| old < number) {
                self.answers.delete(&answer).await?;
            }
        }
        Ok(())
    }
}
