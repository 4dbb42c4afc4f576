//! A backfill under way.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use features::sets::FeatureSet;

use super::compare::{Comparison, compare};
use super::days::{Core, Step};
use super::error::BackfillError;
use super::record::{Keeper, Phase, Request, RunRecord};
use crate::bus::Bus;
use crate::claim::Claim;
use crate::runner::{PLACE, Swaps};
use crate::snapshots::SnapshotError;
use crate::supervisor::Clock;

/// How far a backfill is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// What is worked on.
    pub what: String,
    /// Parts that are done.
    pub done: u64,
    /// Parts; 0 where nobody knows.
    pub total: u64,
    /// Events that were read.
    pub events: u64,
}

/// Whoever is told how far it is.
pub type Watcher = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Where a backfill finds and leaves things.
#[derive(Clone)]
pub struct Places {
    /// The event log.
    pub bus: Bus,
    /// The lake: a folder or a URL.
    pub lake: String,
    /// The state of the jobs: a folder or a URL.
    pub state: String,
    /// A local folder for what does not fit into memory.
    pub spill: PathBuf,
}

/// How a backfill works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Bytes of memory for sorting and adding.
    pub memory: usize,
    /// Days that are computed at the same time.
    pub parallel: usize,
    /// Takes back keys that the lake does not have, however many they are.
    pub accept_gone: bool,
}

/// What the stream has against what the lake gives, set by set. Nothing is changed, but sums of days are kept, and need not be computed again.
///
/// # Errors
/// When the lake, the log or the state cannot be read.
pub async fn dry_run(places: &Places, sets: Vec<FeatureSet>, effort: Effort, watcher: &Watcher) -> Result<Vec<Comparison>, BackfillError> {
    let core = Core::open(places, sets, effort)?;
    let tell = |phase, what: &str, done, total, events| watcher(&Progress { phase, what: what.to_owned(), done, total, events });
    let step = async |at: Step| {
        tell(Phase::Days, "sums of days", at.done, at.total, at.events);
        Ok(())
    };
    let days = core.days(step).await?;
    let mut rows = Vec::new();
    for (n, set) in core.sets.iter().enumerate() {
        tell(Phase::Totals, &set.name, n as u64, core.sets.len() as u64, days.events);
        let units = days.units.get(&set.name).map_or(&[][..], Vec::as_slice);
        let lake = days.stock.positions.of_topic(set.source.name());
        rows.push(compare(&core.workshop, &core.bus, &core.state, set, units, &lake).await?);
    }
    Ok(rows)
}

/// A backfill.
pub struct Backfill {
    pub(super) core: Core,
    pub(super) accept_gone: bool,
    pub(super) claim: Claim,
    pub(super) keeper: Keeper,
    pub(super) swaps: Swaps,
    watcher: Watcher,
    looked: Mutex<Instant>,
}

impl Backfill {
    /// Begins a backfill, or goes on with one that was asked for the same and did not come to its end. One that runs beside it is told to stop.
    /// `sets` are those that `request` names.
    ///
    /// # Errors
    /// When a place cannot be used.
    pub async fn begin(
        places: &Places,
        sets: Vec<FeatureSet>,
        request: Request,
        effort: Effort,
        clock: Clock,
        watcher: Watcher,
    ) -> Result<Self, BackfillError> {
        let core = Core::open(places, sets, effort)?;
        let claim = Claim::take(&core.state.below(PLACE)).await?;
        let keeper = Keeper::open(&core.state, request, claim.number(), clock).await?;
        let (swaps, looked) = (Swaps::new(&core.state), Mutex::new(Instant::now()));
        Ok(Self { core, accept_gone: effort.accept_gone, claim, keeper, swaps, watcher, looked })
    }

    /// How it stands.
    pub fn record(&self) -> RunRecord {
        self.keeper.record()
    }

    /// Tells how far it is.
    pub(super) fn tell(&self, phase: Phase, what: &str, done: u64, total: u64, events: u64) {
        self.keeper.note(|run| (run.phase, run.done, run.total) = (phase, done, total));
        (self.watcher)(&Progress { phase, what: what.to_owned(), done, total, events });
    }

    pub(super) fn read_events(&self, events: u64) {
        self.keeper.note(|run| run.events += events);
    }

    /// Makes sure, every now and then, that no other backfill was started.
    pub(super) async fn still_mine(&self) -> Result<(), BackfillError> {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < Duration::from_secs(1) {
                return Ok(());
            }
            *looked = Instant::now();
        }
        self.still_mine_now().await
    }

    pub(super) async fn still_mine_now(&self) -> Result<(), BackfillError> {
        self.claim.check().await.map_err(|error| match error {
            SnapshotError::Superseded { .. } => BackfillError::Superseded,
            other => other.into(),
        })
    }

    /// From here on indexes are built.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn indexing(&self) -> Result<(), BackfillError> {
        self.keeper.write(|run| (run.phase, run.done, run.total) = (Phase::Index, 0, 0)).await
    }

    /// Everything is done.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn finish(self) -> Result<RunRecord, BackfillError> {
        self.keeper.write(|run| run.phase = Phase::Done).await?;
        Ok(self.keeper.record())
    }

    /// It cannot be done: the next one begins anew.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn give_up(self, reason: &str) -> Result<(), BackfillError> {
        self.keeper.write(|run| (run.phase, run.message) = (Phase::Failed, reason.to_owned())).await
    }
}
