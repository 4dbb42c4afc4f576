//! What is known about each backfill: what was asked for, how far it is, how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::error::BackfillError;
use crate::runner::PLACE;
use crate::snapshots::SnapshotStore;
use crate::supervisor::Clock;

/// What a backfill is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Feature sets by name, sorted.
    pub sets: Vec<String>,
    /// The first day that is read again, even where its sums are known.
    pub from: Option<NaiveDate>,
    /// The first day after those.
    pub to: Option<NaiveDate>,
    /// Texts whose vector is of another model, or missing.
    pub embeddings: bool,
    /// The state of the assembler.
    pub portraits: bool,
    /// The indexes of this data folder.
    pub index: bool,
}

/// Where a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sums of days are computed.
    Days,
    /// Days are added up.
    Totals,
    /// The new state counts; the feature runner is to take it over.
    Waiting,
    /// Texts are embedded.
    Embeddings,
    /// The assembler's state is computed.
    Portraits,
    /// Indexes are built.
    Index,
    /// Everything is done.
    Done,
    /// It cannot be done; the message says why.
    Failed,
}

/// A backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its number: that of its first start.
    pub number: u64,
    /// What it is to do.
    pub request: Request,
    /// When it was started first.
    pub started_at: DateTime<Utc>,
    /// When it gave a sign of life last.
    pub updated_at: DateTime<Utc>,
    /// How often it was started.
    pub starts: u32,
    /// Where it is.
    pub phase: Phase,
    /// Parts of the phase that are done.
    pub done: u64,
    /// Parts of the phase.
    pub total: u64,
    /// Events it has read, over all of its starts.
    pub events: u64,
    /// The number under which its states were handed over.
    pub swap: Option<u64>,
    /// Whether sums of the asked days were dropped, so that they are read again.
    pub cleared: bool,
    /// Why it failed.
    pub message: String,
}

impl RunRecord {
    /// Whether it came to an end.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Failed)
    }
}

/// A backfill that gave no sign for so long has stopped: a live one gives one every two seconds.
pub const SILENCE: Duration = Duration::from_secs(15);
const BEAT: Duration = Duration::from_secs(2);

/// So many records are kept.
const KEPT: usize = 50;

/// The records.
#[derive(Clone)]
pub(super) struct Runs {
    store: SnapshotStore,
}

impl Runs {
    pub(super) fn new(all: &SnapshotStore) -> Self {
        Self { store: all.below(PLACE).below("runs") }
    }

    /// Every record, the newest first. What cannot be read is left out: it says nothing.
    pub(super) async fn list(&self) -> Result<Vec<RunRecord>, BackfillError> {
        let mut records = Vec::new();
        for name in self.store.list().await?.into_iter().rev() {
            let bytes = self.store.get(&name).await?;
            records.extend(bytes.and_then(|bytes| serde_json::from_slice::<RunRecord>(&bytes).ok()));
        }
        Ok(records)
    }

    pub(super) async fn put(&self, record: &RunRecord) -> Result<(), BackfillError> {
        let json = serde_json::to_vec(record).map_err(|e| BackfillError::failed("write how far the backfill is", e))?;
        Ok(self.store.put(&format!("{:020}", record.number), &json).await?)
    }

    async fn forget_old(&self) -> Result<(), BackfillError> {
        let names = self.store.list().await?;
        for old in names.iter().rev().skip(KEPT) {
            self.store.delete(old).await?;
        }
        Ok(())
    }
}

/// Every backfill, the newest first.
///
/// # Errors
/// When the state cannot be read.
pub async fn runs(state: &SnapshotStore) -> Result<Vec<RunRecord>, BackfillError> {
    Runs::new(state).list().await
}

/// Keeps the record of the backfill that is under way, with a sign of life every two seconds.
pub(super) struct Keeper {
    runs: Runs,
    record: Arc<Mutex<RunRecord>>,
    clock: Clock,
    beat: JoinHandle<()>,
}

impl Keeper {
    /// The record of an unfinished backfill that was asked for the same, or a new one of that number.
    pub(super) async fn open(all: &SnapshotStore, request: Request, number: u64, clock: Clock) -> Result<Self, BackfillError> {
        let runs = Runs::new(all);
        let (known, now) = (runs.list().await?, clock());
        let unfinished = known.into_iter().find(|record| record.request == request && !record.is_over());
        let mut record = unfinished.unwrap_or(RunRecord {
            number,
            request,
            started_at: now,
            updated_at: now,
            starts: 0,
            phase: Phase::Days,
            done: 0,
            total: 0,
            events: 0,
            swap: None,
            cleared: false,
            message: String::new(),
        });
        record.starts += 1;
        record.updated_at = now;
        runs.put(&record).await?;
        runs.forget_old().await?;
        let record = Arc::new(Mutex::new(record));
        let (beating, beaten) = (runs.clone(), Arc::clone(&record));
        let beat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                let current = {
                    let mut record = beaten.lock().unwrap_or_else(PoisonError::into_inner);
                    record.updated_at = clock();
                    record.clone()
                };
                if let Err(error) = beating.put(&current).await {
                    tracing::warn!(%error, "how far the backfill is cannot be written");
                }
            }
        });
        Ok(Self { runs, record, clock, beat })
    }

    /// How it stands.
    pub(super) fn record(&self) -> RunRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the record; the next sign of life writes it.
    pub(super) fn note(&self, change: impl FnOnce(&mut RunRecord)) {
        change(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Changes the record and writes it at once.
    pub(super) async fn write(&self, change: impl FnOnce(&mut RunRecord)) -> Result<(), BackfillError> {
        let record = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut record);
            record.updated_at = (self.clock)();
            record.clone()
        };
        self.runs.put(&record).await
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.beat.abort();
    }
}
