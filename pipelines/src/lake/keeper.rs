//! The job that keeps the lake in order: once a day it merges files, applies the retention and takes the snapshot of the day before.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::compact::{CompactPlan, compact};
use super::config::hours;
use super::files::{Files, LakeError};
use super::job::LakeConfig;
use super::portrait_days::{alive, days_without, take};
use super::swaps;
use crate::bus::Bus;
use crate::ownership::owned;
use crate::snapshots::open_store;
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const KEEPER: &str = "lake_keeper";

/// How often it is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A process that has just begun has other things to do.
const FIRST_AFTER: TimeDelta = TimeDelta::minutes(10);
/// So long after midnight the last rows of the day before are taken to be in the lake.
const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(30);

/// The keeper of the lake.
pub struct LakeKeeper {
    bus: Bus,
    place: String,
    config: LakeConfig,
}

impl LakeKeeper {
    /// A keeper of the lake at `place`, a folder or a URL.
    pub fn new(bus: Bus, place: &str, config: LakeConfig) -> Self {
        Self { bus, place: place.to_owned(), config }
    }

    /// Runs until shutdown, or stands by while another process runs. A round that is cut off leaves nothing half done.
    ///
    /// # Errors
    /// When the store or the event log fails; the next round goes on.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let bus = self.bus.clone();
        owned(&bus, KEEPER, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        let began = (context.clock)();
        context.progress.running();
        loop {
            let now = (context.clock)();
            if self.due(began, now).await? {
                tokio::select! {
                    biased;
                    () = context.shutdown.cancelled() => return Ok(()),
                    done = self.round(now) => context.progress.advance(done?, 0, (context.clock)()),
                }
            }
            context.progress.advance(0, 0, now);
            tokio::select! {
                biased;
                () = context.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Whether the last round, of whatever process, is long enough ago.
    async fn due(&self, began: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, JobError> {
        if self.config.compact.every_h <= 0.0 || now < began + FIRST_AFTER {
            return Ok(false);
        }
        let files = Files::new(open_store(&self.place)?);
        let last = swaps::log(&files).newest::<swaps::Swap>().await.map_err(kept)?;
        let every = hours(self.config.compact.every_h);
        Ok(last.is_none_or(|(_, swap)| now >= swap.at + every))
    }

    /// Everything once; how many files were merged or dropped.
    async fn round(&self, now: DateTime<Utc>) -> Result<u64, JobError> {
        let plan = CompactPlan {
            tables: Vec::new(),
            before: now.date_naive(),
            config: self.config.compact.clone(),
            retention: self.config.retention.clone(),
            dry_run: false,
        };
        let done = match compact(&self.place, &plan, now, &|_, _, _| {}).await {
            Ok(done) => done,
            Err(error @ LakeError::Overtaken) => {
                tracing::info!(%error);
                return Ok(0);
            }
            Err(error) => return Err(kept(error)),
        };
        let files = done.iter().map(|group| group.files as u64).sum();
        tracing::info!(groups = done.len(), files, "the lake is compacted");
        if self.config.portraits && self.config.portrait_days {
            self.snapshots(now).await?;
        }
        Ok(files)
    }

    /// The days that have no snapshot yet, up to the last one that is over; of a lake without any only that one.
    async fn snapshots(&self, now: DateTime<Utc>) -> Result<(), JobError> {
        let Some(last) = (now - SETTLED_AFTER).date_naive().pred_opt() else { return Ok(()) };
        let days: Vec<NaiveDate> = days_without(&self.place, last).await.map_err(kept)?;
        if days.is_empty() {
            return Ok(());
        }
        let alive = alive(&self.bus).await?;
        for day in days {
            let taken = take(&self.place, day, &alive, self.config.compact.memory_mb << 20).await.map_err(kept)?;
            tracing::info!(%day, people = taken.people, "everybody's portrait at the end of the day is kept");
        }
        Ok(())
    }
}

fn kept(error: LakeError) -> JobError {
    JobError::failed("keep the lake in order", error)
}
