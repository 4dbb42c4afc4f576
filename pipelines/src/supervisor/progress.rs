//! What a job tells about itself while it runs.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Restoring its state.
    Starting,
    /// At work.
    Running,
    /// Failed, and waiting to be started again.
    BackingOff,
    /// Ended, by shutdown or because its work is done or its restarts are used up.
    Stopped,
}

/// A job as health checks and the console show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobHealth {
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: JobState,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Records that wait for it.
    pub lag: i64,
    /// Records it has processed since the process began.
    pub processed: u64,
    /// When it last made progress or found nothing to do.
    pub last_progress: Option<DateTime<Utc>>,
}

/// Counters of one job; the job writes them, everybody reads them.
#[derive(Debug)]
pub struct JobProgress {
    name: String,
    processed: AtomicU64,
    lag: AtomicI64,
    restarts: AtomicU64,
    last_progress_ms: AtomicI64,
    life: Mutex<(JobState, Option<String>)>,
}

impl JobProgress {
    /// Counters of a job that has not started.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            processed: AtomicU64::new(0),
            lag: AtomicI64::new(0),
            restarts: AtomicU64::new(0),
            last_progress_ms: AtomicI64::new(0),
            life: Mutex::new((JobState::Starting, None)),
        }
    }

    /// Says that the job has restored its state and is at work.
    pub fn running(&self) {
        self.set_state(JobState::Running);
    }

    /// Says that `events` more are processed and `lag` records wait.
    pub fn advance(&self, events: u64, lag: i64, now: DateTime<Utc>) {
        self.processed.fetch_add(events, Ordering::Relaxed);
        self.lag.store(lag, Ordering::Relaxed);
        self.last_progress_ms.store(now.timestamp_millis(), Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("hongniang_job_lag", "job" => self.name.clone()).set(lag as f64);
        metrics::counter!("hongniang_job_events_total", "job" => self.name.clone()).increment(events);
    }

    /// Records processed since the process began.
    pub fn processed(&self) -> u64 {
        self.processed.load(Ordering::Relaxed)
    }

    /// Records that wait, as the job last said.
    pub fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Everything at once.
    pub fn health(&self) -> JobHealth {
        let (state, last_error) = self.life.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = self.last_progress_ms.load(Ordering::Relaxed);
        JobHealth {
            name: self.name.clone(),
            state,
            restarts: self.restarts.load(Ordering::Relaxed),
            last_error,
            lag: self.lag(),
            processed: self.processed(),
            last_progress: if last > 0 { DateTime::from_timestamp_millis(last) } else { None },
        }
    }

    pub(super) fn set_state(&self, state: JobState) {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).0 = state;
    }

    pub(super) fn failed(&self, error: String) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = (JobState::BackingOff, Some(error));
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("hongniang_job_restarts_total", "job" => self.name.clone()).increment(1);
        self.set_state(JobState::Starting);
    }
}
