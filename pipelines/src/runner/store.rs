//! State on disk: a full picture now and then, and the changes since, each with the offsets that led there.
//!
//! Objects are `<claim>.<number>.full` and `<claim>.<number>.delta` in one sequence per set and claim ([`crate::claim`]). The first save of a claim
//! is a full one, so what a process writes never depends on what another adds or removes, even when one that was cut off goes on for a
//! while: of two that write, the later claim counts. Loading takes the newest full one of the newest claim and the deltas that follow it
//! without a gap. Another full one is written when the deltas outgrow it; only then are the older objects removed.

use std::io::Read;

use features::ids::UserId;
use features::sets::{FeatureSet, feature_sets};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::KeyedState;
use crate::bus::Offsets;
use crate::snapshots::{SnapshotError, SnapshotStore};

#[derive(Serialize, Deserialize)]
struct Frame {
    sql: String,
    columns: u32,
    generation: u32,
    offsets: Vec<(String, i32, i64)>,
    keys: Vec<String>,
    versions: Vec<i64>,
    values: Vec<f64>,
}

/// What was loaded.
pub(crate) struct Loaded {
    pub(crate) state: KeyedState,
    pub(crate) offsets: Offsets,
    pub(crate) generation: u32,
    /// Whether it was computed with the SQL that the set has now; if not, `state` is empty and `offsets` too.
    pub(crate) same_sql: bool,
}

/// The durable state of one feature set.
pub(crate) struct StateStore {
    store: SnapshotStore,
    sql: String,
    claim: u64,
    next: u64,
    full_rows: usize,
    delta_rows: usize,
    deltas: usize,
}

/// The fields before the offsets lie within so many bytes.
const HEAD: usize = 256;

/// A start reads at most so many deltas.
const MOST_DELTAS: usize = 200;

/// A fingerprint of the SQL, blind to layout.
pub(crate) fn sql_hash(set: &FeatureSet) -> String {
    let text = set.sql.split_whitespace().collect::<Vec<_>>().join(" ");
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl StateStore {
    /// The state of a set as the holder of a claim saves it.
    pub(crate) fn new(all: &SnapshotStore, set: &FeatureSet, claim: u64) -> Self {
        Self { store: all.below(&set.name), sql: sql_hash(set), claim, next: 0, full_rows: 0, delta_rows: 0, deltas: 0 }
    }

    /// Loads what was saved; none when nothing usable is there.
    pub(crate) async fn load(&self, set: &FeatureSet) -> Result<Option<Loaded>, SnapshotError> {
        let mut objects: Vec<Object> = self.store.list().await?.iter().filter_map(|name| Object::parse(name)).collect();
        objects.sort();
        let Some(newest) = objects.iter().rposition(|object| object.full) else { return Ok(None) };
        let Some(full) = self.frame(&objects[newest].name).await? else { return Ok(None) };
        let mut loaded = Loaded {
            state: KeyedState::new(set),
            offsets: Offsets::default(),
            generation: full.generation,
            same_sql: full.sql == self.sql,
        };
        if !loaded.same_sql || full.columns as usize != set.value_columns.len() {
            loaded.same_sql = false;
            return Ok(Some(loaded));
        }
        apply(&mut loaded, &full, set.value_columns.len());
        for pair in objects[newest..].windows(2) {
            if !pair[1].follows(&pair[0]) {
                break;
            }
            let Some(delta) = self.frame(&pair[1].name).await? else { break };
            apply(&mut loaded, &delta, set.value_columns.len());
        }
        Ok(Some(loaded))
    }

    /// The generation of what was saved, whatever SQL it was computed with; none when nothing usable is there. Reads the head of one object only.
    pub(crate) async fn generation(&self) -> Result<Option<u32>, SnapshotError> {
        let mut objects: Vec<Object> = self.store.list().await?.iter().filter_map(|name| Object::parse(name)).collect();
        objects.sort();
        let Some(newest) = objects.iter().rfind(|object| object.full) else { return Ok(None) };
        let bytes = match self.store.get(&newest.name).await {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(SnapshotError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut head = Vec::with_capacity(HEAD);
        let unpacked = zstd::Decoder::new(bytes.as_ref()).and_then(|packed| packed.take(HEAD as u64).read_to_end(&mut head));
        let head = unpacked.ok().and_then(|_| postcard::take_from_bytes::<(String, u32, u32)>(&head).ok());
        Ok(head.map(|((_, _, generation), _)| generation))
    }

    /// Reads an object; none when it is damaged, which the replay from earlier offsets then makes good.
    async fn frame(&self, name: &str) -> Result<Option<Frame>, SnapshotError> {
        let damaged = |reason: String| tracing::warn!(name, reason, "saved feature state is damaged; it is computed again from the topic");
        let bytes = match self.store.get(name).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(SnapshotError::Damaged { reason, .. }) => {
                damaged(reason);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match unpack(&bytes) {
            Ok(frame) => Ok(Some(frame)),
            Err(reason) => {
                damaged(reason);
                Ok(None)
            }
        }
    }

    /// The next save is a full picture, after which nothing older is left.
    pub(super) fn begin_anew(&mut self) {
        self.full_rows = 0;
    }

    /// Saves what changed, with the offsets that led there.
    pub(super) async fn save(&mut self, state: &mut KeyedState, offsets: &Offsets, generation: u32) -> Result<(), SnapshotError> {
        let full = self.full_rows == 0 || self.deltas >= MOST_DELTAS || self.delta_rows + state.unsaved() > self.full_rows.max(20_000);
        let (keys, versions, values) = state.take_unsaved(full);
        let rows = keys.len();
        let frame = Frame {
            sql: self.sql.clone(),
            columns: u32::try_from(state.width()).unwrap_or(u32::MAX),
            generation,
            offsets: offsets.0.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next)).collect(),
            keys,
            versions,
            values,
        };
        let name = format!("{:020}.{:020}.{}", self.claim, self.next, if full { "full" } else { "delta" });
        let packed = pack(frame).await.map_err(|reason| SnapshotError::Place { place: name.clone(), reason })?;
        self.store.put(&name, &packed).await?;
        let written = self.next;
        self.next += 1;
        if full {
            (self.full_rows, self.delta_rows, self.deltas) = (rows, 0, 0);
            self.forget_before(written).await?;
        } else {
            self.delta_rows += rows;
            self.deltas += 1;
        }
        Ok(())
    }

    async fn forget_before(&self, number: u64) -> Result<(), SnapshotError> {
        for object in self.store.list().await?.iter().filter_map(|name| Object::parse(name)) {
            if (object.claim, object.number) < (self.claim, number) {
                self.store.delete(&object.name).await?;
            }
        }
        Ok(())
    }
}

/// How many rows of saved state are keyed by one of some people; `all` holds the state of the jobs.
///
/// # Errors
/// When the store fails.
pub async fn saved_of(all: &SnapshotStore, people: &[UserId]) -> Result<u64, SnapshotError> {
    let (all, ids) = (all.below(super::NAME), people.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut found = 0;
    for set in feature_sets() {
        if let Some(mut loaded) = StateStore::new(&all, set, 0).load(set).await? {
            found += loaded.state.forget(&ids).len() as u64;
        }
    }
    Ok(found)
}

/// The name of a saved object; in the order in which they were written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    claim: u64,
    number: u64,
    full: bool,
    name: String,
}

impl Object {
    fn parse(name: &str) -> Option<Self> {
        let (numbers, kind) = name.rsplit_once('.')?;
        // Before there were claims, the number stood alone.
        let (claim, number) = numbers.split_once('.').unwrap_or(("0", numbers));
        Some(Self { claim: claim.parse().ok()?, number: number.parse().ok()?, full: kind == "full", name: name.to_owned() })
    }

    fn follows(&self, other: &Self) -> bool {
        self.claim == other.claim && self.number == other.number + 1
    }
}

async fn pack(frame: Frame) -> Result<Vec<u8>, String> {
    tokio::task::spawn_blocking(move || zip(&frame)).await.map_err(|e| e.to_string())?
}

/// The form in which state is kept.
pub(super) fn zip(what: &impl Serialize) -> Result<Vec<u8>, String> {
    let raw = postcard::to_stdvec(what).map_err(|e| e.to_string())?;
    zstd::encode_all(raw.as_slice(), 1).map_err(|e| e.to_string())
}

/// Undoes [`zip`].
pub(super) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let raw = zstd::decode_all(bytes).map_err(|e| e.to_string())?;
    postcard::from_bytes(&raw).map_err(|e| e.to_string())
}

fn apply(loaded: &mut Loaded, frame: &Frame, width: usize) {
    for (row, key) in frame.keys.iter().enumerate() {
        if let (Some(version), Some(values)) = (frame.versions.get(row), frame.values.get(row * width..(row + 1) * width)) {
            loaded.state.restore(key, *version, values);
        }
    }
    loaded.offsets = Offsets(frame.offsets.iter().map(|(topic, partition, next)| ((topic.clone(), *partition), *next)).collect());
}
