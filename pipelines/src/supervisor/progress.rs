//! What a job tells about itself while it runs.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::bus::Offsets;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Ready to take over from the process that is at work.
    StandingBy,
    /// Restoring its state.
    Starting,
    /// At work.
    Running,
    /// Failed, and waiting to be started again.
    BackingOff,
    /// Ended, by shutdown or because its work is done or its restarts are used up.
    Stopped,
}

impl JobState {
    /// Every state.
    const ALL: [Self; 5] = [Self::StandingBy, Self::Starting, Self::Running, Self::BackingOff, Self::Stopped];

    /// The name in JSON and metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::StandingBy => "standing_by",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::Stopped => "stopped",
        }
    }
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
    /// The topics it reads, and what it has made durable, if its group does not know.
    reading: Mutex<(Vec<String>, Option<Offsets>)>,
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
            reading: Mutex::default(),
        }
    }

    /// Says that the job has restored its state and is at work.
    pub fn running(&self) {
        self.set_state(JobState::Running);
    }

    /// Says that another process may be at work, and that this one waits for its turn.
    pub fn standing_by(&self) {
        self.set_state(JobState::StandingBy);
    }

    /// Says that it is this process's turn.
    pub fn starting(&self) {
        self.set_state(JobState::Starting);
    }

    /// Says that `events` more are processed and `lag` records wait.
    pub fn advance(&self, events: u64, lag: i64, now: DateTime<Utc>) {
        self.processed.fetch_add(events, Ordering::Relaxed);
        self.lags(lag);
        self.last_progress_ms.store(now.timestamp_millis(), Ordering::Relaxed);
        metrics::counter!("hongniang_job_events_total", "job" => self.name.clone()).increment(events);
    }

    /// Says which topics the job reads, so that its lag is known when it is not at work.
    pub fn reads(&self, topics: &[String]) {
        topics.clone_into(&mut self.reading.lock().unwrap_or_else(PoisonError::into_inner).0);
    }

    /// Says up to where everything is durable, for a job whose group does not know.
    pub fn durable(&self, upto: &Offsets) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(upto.clone());
    }

    pub(super) fn reading(&self) -> (Vec<String>, Option<Offsets>) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> JobState {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn lags(&self, lag: i64) {
        self.lag.store(lag, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("hongniang_job_lag", "job" => self.name.clone()).set(lag as f64);
    }

    /// Makes the metrics of the job, so that they are there before anything has happened to it.
    pub(super) fn register(&self) {
        metrics::counter!("hongniang_job_restarts_total", "job" => self.name.clone()).increment(0);
        metrics::counter!("hongniang_job_events_total", "job" => self.name.clone()).increment(0);
        self.show(self.state());
    }

    /// One gauge per state, of which one is 1.
    fn show(&self, now: JobState) {
        for state in JobState::ALL {
            let labels = [("job", self.name.clone()), ("state", state.name().to_owned())];
            metrics::gauge!("hongniang_job_state", &labels).set(if state == now { 1.0 } else { 0.0 });
        }
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
        self.show(state);
    }

    pub(super) fn failed(&self, error: String) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = (JobState::BackingOff, Some(error));
        self.show(JobState::BackingOff);
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("hongniang_job_restarts_total", "job" => self.name.clone()).increment(1);
        self.set_state(JobState::Starting);
    }
}
