//! Taking over what a backfill has computed.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use features::row::FeatureRow;
use features::sets::FeatureSet;

use super::engine::Engine;
use super::state::{JOIN, KeyedState};
use super::store::Loaded;
use super::swap::{Answer, Staged, Swap, Swaps};
use crate::bus::{Bus, Offsets, OutRecord};
use crate::snapshots::SnapshotError;
use crate::supervisor::JobError;

/// A state, where it ends, and the generation of its rows.
pub(super) type Taken = (KeyedState, Offsets, u32);

/// Swaps under way.
pub(super) struct Takeover {
    swaps: Swaps,
    numbers: Vec<u64>,
    offers: BTreeMap<String, Staged>,
    /// Where the states were before; until they are there again their rows wait.
    before: Offsets,
}

/// Why a swap cannot be taken over here.
fn obstacle(swap: &Swap, sets: &[FeatureSet], begin: &Offsets, end: &Offsets) -> Option<String> {
    for (name, staged) in &swap.sets {
        let Some(set) = sets.iter().find(|set| set.name == *name) else {
            return Some(format!("the feature runner has no set `{name}`; it is of another version than the backfill"));
        };
        if !staged.fits(set) {
            return Some(format!("`{name}` was computed with another SQL than the feature runner has; start both from the same program"));
        }
        let offsets = staged.offsets();
        for ((topic, partition), first) in &begin.of_topic(set.source.name()).0 {
            let next = offsets.get(topic, *partition).unwrap_or(0);
            if end.get(topic, *partition).is_some_and(|end| next > end) {
                return Some(format!(
                    "`{name}` ends at offset {next} of `{topic}` partition {partition}, and the log ends before that: it was exchanged"
                ));
            }
            if next < *first {
                return Some(format!(
                    "`{name}` ends at offset {next} of `{topic}` partition {partition}, and the log begins at {first} now; run the backfill again, it takes what the lake has since"
                ));
            }
        }
    }
    None
}

impl Takeover {
    /// Looks which swaps wait, and refuses those that cannot be taken over.
    pub(super) async fn look(swaps: &Swaps, sets: &[FeatureSet], bus: &Bus) -> Result<Self, JobError> {
        let mut found = Self { swaps: swaps.clone(), numbers: Vec::new(), offers: BTreeMap::new(), before: Offsets::default() };
        let open = swaps.open().await?;
        if open.is_empty() {
            return Ok(found);
        }
        let topics: Vec<String> = sets.iter().map(|set| set.source.name().to_owned()).collect();
        let (begin, end) = bus.bounds(&topics).await?;
        for swap in open {
            if let Some(reason) = obstacle(&swap, sets, &begin, &end) {
                tracing::error!(swap = swap.number, reason, "what a backfill computed cannot be taken over");
                swaps.close(swap.number, &Answer::Refused(reason)).await?;
                continue;
            }
            found.numbers.push(swap.number);
            for (name, staged) in swap.sets {
                if found.offers.get(&name).is_none_or(|other| other.generation <= staged.generation) {
                    found.offers.insert(name, staged);
                }
            }
        }
        Ok(found)
    }

    /// Whether anything is under way.
    pub(super) fn is_open(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// The state that is to be taken over the saved one: with its offsets and its generation; none where the saved one stays.
    pub(super) async fn offered(&mut self, set: &FeatureSet, saved: &mut Option<Loaded>) -> Result<Option<Taken>, JobError> {
        let Some(staged) = self.offers.get(&set.name) else { return Ok(None) };
        let generation = staged.generation;
        match saved.as_ref().map(|saved| (saved.generation.cmp(&generation), saved.same_sql)) {
            Some((Ordering::Greater, _)) => {
                self.offers.remove(&set.name);
                Ok(None)
            }
            // A start before this one has saved the offered state, and has not come to answer.
            Some((Ordering::Equal, true)) => Ok(saved.take().map(|mut saved| {
                saved.state.mark_all();
                (saved.state, saved.offsets, generation)
            })),
            _ => {
                if let Some(saved) = saved {
                    self.before.merge(&saved.offsets);
                }
                let state = self.state(set, staged).await?;
                tracing::info!(set = set.name, generation, keys = state.len(), "takes over what a backfill computed");
                Ok(Some((state, staged.offsets(), generation)))
            }
        }
    }

    async fn state(&self, set: &FeatureSet, staged: &Staged) -> Result<KeyedState, SnapshotError> {
        let mut state = KeyedState::new(set);
        for number in 0..staged.chunks {
            let chunk = self.swaps.rows(staged, number).await?;
            for ((key, version), values) in chunk.keys.iter().zip(&chunk.versions).zip(chunk.values.chunks(staged.columns.max(1))) {
                state.take_over(key, *version, values);
            }
        }
        Ok(state)
    }

    /// Lets rows go once the states are where they were; true when they may.
    pub(super) fn release(&self, engine: &mut Engine, position: &Offsets, caught_up: bool) -> bool {
        let there = caught_up || position.reached(&self.before);
        if there {
            engine.lanes.iter_mut().for_each(|lane| lane.held = false);
        }
        there
    }

    /// Rows that take back the keys of a chunk that readers hold and that are no more.
    pub(super) async fn retractions(&self, engine: &Engine) -> Result<Vec<Vec<OutRecord>>, SnapshotError> {
        let mut all = Vec::new();
        for (name, staged) in &self.offers {
            let Some(lane) = engine.lanes.iter().find(|lane| lane.set.name == *name) else { continue };
            for number in 0..staged.gone {
                let keys = self.swaps.gone(staged, number).await?;
                all.push(
                    keys.iter().filter(|key| !lane.state.contains(key)).map(|key| retraction(&lane.set, key, lane.generation)).collect(),
                );
            }
        }
        Ok(all)
    }

    /// Says that everything is done.
    pub(super) async fn close(&mut self) -> Result<(), SnapshotError> {
        for number in std::mem::take(&mut self.numbers) {
            self.swaps.close(number, &Answer::TakenOver).await?;
            tracing::info!(swap = number, "taken over: rows, retractions and state are durable");
        }
        self.offers.clear();
        Ok(())
    }
}

/// The row of a key that no event speaks of any more.
fn retraction(set: &FeatureSet, key: &str, generation: u32) -> OutRecord {
    let key: Vec<String> = key.split(JOIN).map(str::to_owned).collect();
    let values = set.value_columns.iter().map(|name| (name.clone(), 0.0)).collect();
    let row = FeatureRow { key, version: 0, generation, values };
    OutRecord::new(set.topic(), row.record_key(), Some(row.encode(set)))
}
