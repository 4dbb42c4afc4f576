//! The days of the lake, set by set: which sums are known, and which are to be computed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use features::sets::FeatureSet;
use features::topic::Topic;
use futures::{StreamExt, stream};

use super::error::BackfillError;
use super::job::{Effort, Places};
use super::partials::{self, Unit};
use super::workshop::Workshop;
use crate::bus::Bus;
use crate::lake::Stock;
use crate::snapshots::SnapshotStore;

/// What every computation over the lake needs.
pub(super) struct Core {
    pub(super) bus: Bus,
    pub(super) lake: String,
    pub(super) state: SnapshotStore,
    pub(super) sets: Vec<FeatureSet>,
    pub(super) workshop: Workshop,
    parallel: usize,
}

/// What the days come to.
pub(super) struct Days {
    pub(super) stock: Stock,
    pub(super) units: BTreeMap<String, Vec<Unit>>,
    pub(super) known: BTreeMap<String, usize>,
    /// Events that were read, each counted once, whatever number of sets has it.
    pub(super) events: u64,
    pub(super) took: Duration,
}

/// A day was computed.
pub(super) struct Step {
    /// Days of sets that are known now.
    pub(super) done: u64,
    pub(super) total: u64,
    /// Its events.
    pub(super) rows: u64,
    /// Whether no other set had read them before.
    pub(super) fresh: bool,
    /// Events that were read so far.
    pub(super) events: u64,
}

impl Core {
    pub(super) fn open(places: &Places, sets: Vec<FeatureSet>, effort: Effort) -> Result<Self, BackfillError> {
        let parallel = effort.parallel.max(1);
        Ok(Self {
            bus: places.bus.clone(),
            lake: places.lake.clone(),
            state: SnapshotStore::open(&places.state)?,
            workshop: Workshop::open(&places.lake, &places.state, effort.memory / parallel, places.spill.clone())?,
            sets,
            parallel,
        })
    }

    fn topics(&self) -> Vec<Topic> {
        self.sets.iter().map(|set| set.source).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Computes the days whose sums are not known; `step` hears of each.
    pub(super) async fn days(&self, mut step: impl AsyncFnMut(Step) -> Result<(), BackfillError>) -> Result<Days, BackfillError> {
        let stock = Stock::take(&self.lake, &self.topics()).await?;
        self.judge(&stock).await?;
        let began = Instant::now();
        let (mut units, mut known, mut todo) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for set in &self.sets {
            let (there, all) = (partials::there(&self.workshop, set).await?, partials::units(set, &stock));
            let new = all.iter().filter(|unit| !there.contains(&unit.path));
            todo.extend(new.map(|unit| (set.clone(), unit.clone())));
            known.insert(set.name.clone(), all.iter().filter(|unit| there.contains(&unit.path)).count());
            units.insert(set.name.clone(), all);
        }
        let total: u64 = units.values().map(|units| units.len() as u64).sum();
        let (mut done, mut events) = (total - todo.len() as u64, 0);
        let mut read: BTreeSet<(Topic, NaiveDate)> = BTreeSet::new();
        step(Step { done, total, rows: 0, fresh: false, events }).await?;
        let mut work = stream::iter(todo)
            .map(|(set, unit)| {
                let workshop = self.workshop.clone();
                tokio::spawn(async move { partials::compute(&workshop, &set, &unit).await.map(|rows| (set.source, unit.day, rows)) })
            })
            .buffer_unordered(self.parallel);
        while let Some(computed) = work.next().await {
            let (topic, day, rows) = computed.map_err(|e| BackfillError::failed("compute a day", e))??;
            let fresh = read.insert((topic, day));
            done += 1;
            events += if fresh { rows } else { 0 };
            step(Step { done, total, rows, fresh, events }).await?;
        }
        Ok(Days { stock, units, known, events, took: began.elapsed() })
    }

    /// Whether the log goes on where the lake ends.
    pub(super) async fn judge(&self, stock: &Stock) -> Result<(), BackfillError> {
        let names: Vec<String> = self.topics().iter().map(|topic| topic.name().to_owned()).collect();
        if stock.files.is_empty() {
            let reason = format!(
                "the lake at {} holds nothing of {} yet; events come into it within lake.flush_s seconds",
                self.lake,
                names.join(", ")
            );
            return Err(BackfillError::Refused(reason));
        }
        let (begin, end) = self.bus.bounds(&names).await?;
        for ((topic, partition), first) in &begin.0 {
            let (next, last) = (stock.positions.get(topic, *partition).unwrap_or(0), end.get(topic, *partition).unwrap_or(0));
            if next < *first {
                return Err(BackfillError::Refused(format!(
                    "the lake ends at offset {next} of `{topic}` partition {partition}, and the log begins at {first}: what lies between is lost to a backfill; let the lake writer catch up, and keep the log longer than it may be away (kafka.retention_ms)"
                )));
            }
            if next > last {
                return Err(BackfillError::Refused(format!(
                    "the lake holds `{topic}` partition {partition} up to offset {next}, and the log ends at {last}: it was emptied or exchanged; this lake belongs to another log"
                )));
            }
        }
        Ok(())
    }
}
