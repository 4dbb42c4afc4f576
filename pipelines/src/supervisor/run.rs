//! Starting jobs, and starting them again.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::progress::{JobHealth, JobProgress, JobState};
use crate::bus::BusError;
use crate::snapshots::SnapshotError;

/// Why a job ended.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The event log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Durable state.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Another process owns the job now.
    #[error("another process has taken over `{job}`, or the event log was out of reach for too long; this one stands by")]
    NotOwner {
        /// The job.
        job: &'static str,
    },
    /// Anything else, with what was tried.
    #[error("{what}: {source}")]
    Failed {
        /// What was tried.
        what: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The job panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl JobError {
    /// Wraps an error of another room with what was tried.
    pub fn failed(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }
}

/// What a job is given at every start.
#[derive(Clone)]
pub struct JobContext {
    /// Cancelled when the job is to make its state durable and return.
    pub shutdown: CancellationToken,
    /// Where the job tells how it is.
    pub progress: Arc<JobProgress>,
    /// Where it takes the time from.
    pub clock: Clock,
}

impl JobContext {
    /// A context outside a supervisor, for commands and tests.
    pub fn alone(name: &str, clock: Clock) -> Self {
        Self { shutdown: CancellationToken::new(), progress: Arc::new(JobProgress::new(name)), clock }
    }
}

/// How a job is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// The first pause; it doubles with every failure.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// A start that ran this long counts as good: the next pause is the first again.
    pub good_after: Duration,
    /// Give up after so many failures in a row; none means never.
    pub give_up_after: Option<u32>,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            good_after: Duration::from_secs(60),
            give_up_after: None,
        }
    }
}

impl RestartPolicy {
    /// The pause after the `failures`-th failure in a row, from 1.
    pub fn pause(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(self.longest)
    }
}

struct Job {
    progress: Arc<JobProgress>,
    task: JoinHandle<()>,
}

/// Keeps jobs running until shutdown.
pub struct Supervisor {
    shutdown: CancellationToken,
    clock: Clock,
    jobs: Mutex<Vec<Job>>,
}

impl Supervisor {
    /// A supervisor whose jobs end when `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken, clock: Clock) -> Self {
        Self { shutdown, clock, jobs: Mutex::new(Vec::new()) }
    }

    /// Starts a job and keeps it running; `factory` makes the future of every start.
    pub fn spawn<F, Fut>(&self, name: &str, policy: RestartPolicy, factory: F)
    where
        F: Fn(JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let progress = Arc::new(JobProgress::new(name));
        progress.register();
        let context = JobContext { shutdown: self.shutdown.clone(), progress: Arc::clone(&progress), clock: self.clock };
        let task = tokio::spawn(keep_running(name.to_owned(), policy, context, factory));
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(Job { progress, task });
    }

    /// What every job tells, in the order of their start.
    pub(super) fn progress(&self) -> Vec<Arc<JobProgress>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|job| Arc::clone(&job.progress)).collect()
    }

    pub(super) fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// How every job is, in the order of their start.
    pub fn health(&self) -> Vec<JobHealth> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|job| job.progress.health()).collect()
    }

    /// Asks every job to end and waits for them, at most `patience`; the names of those that did not end come back.
    pub async fn shut_down(&self, patience: Duration) -> Vec<String> {
        self.shutdown.cancel();
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner));
        let until = tokio::time::Instant::now() + patience;
        let mut stuck = Vec::new();
        for mut job in jobs {
            if tokio::time::timeout_at(until, &mut job.task).await.is_err() {
                job.task.abort();
                stuck.push(job.progress.health().name);
            }
        }
        stuck
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn keep_running<F, Fut>(name: String, policy: RestartPolicy, context: JobContext, factory: F)
where
    F: Fn(JobContext) -> Fut,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    let mut failures = 0u32;
    loop {
        let began = Instant::now();
        let Err(error) = run_once(factory(context.clone())).await else { break };
        failures = if began.elapsed() >= policy.good_after { 1 } else { failures + 1 };
        let pause = policy.pause(failures);
        tracing::error!(job = name, %error, failures, pause_ms = pause.as_millis(), "job failed");
        context.progress.failed(error.to_string());
        if policy.give_up_after.is_some_and(|most| failures >= most) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.shutdown.cancelled() => break,
        }
        context.progress.restarted();
    }
    context.progress.set_state(JobState::Stopped);
    tracing::info!(job = name, "job stopped");
}

/// Runs one start in a task of its own, so that a panic ends only that; dropping the wait ends the task.
async fn run_once(start: impl Future<Output = Result<(), JobError>> + Send + 'static) -> Result<(), JobError> {
    let mut task = AbortOnDrop(tokio::spawn(start));
    match (&mut task.0).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(JobError::Panicked(panic_text(panic.as_ref()))),
            Err(_) => Err(JobError::Panicked("the task was cancelled".to_owned())),
        },
    }
}

struct AbortOnDrop(JoinHandle<Result<(), JobError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn quick() -> RestartPolicy {
        RestartPolicy { first: Duration::from_millis(1), longest: Duration::from_millis(8), ..RestartPolicy::default() }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RestartPolicy::default();
        let pauses: Vec<u128> = (1..=10).map(|n| policy.pause(n).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(policy.pause(u32::MAX), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_job_that_fails_and_panics_is_started_again_and_everybody_sees_it() {
        let supervisor = Supervisor::new(CancellationToken::new(), chrono::Utc::now);
        let starts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&starts);
        supervisor.spawn("shaky", quick(), move |context| {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match start {
                    0 => Err(JobError::failed("reading", "no such file")),
                    1 => panic!("a bug"),
                    _ => {
                        context.progress.running();
                        context.progress.advance(3, 7, (context.clock)());
                        context.shutdown.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        while supervisor.health()[0].state != JobState::Running {
            assert!(Instant::now() < deadline, "{:?}", supervisor.health());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let health = supervisor.health().remove(0);
        assert_eq!((health.name.as_str(), health.restarts, health.lag, health.processed), ("shaky", 2, 7, 3));
        assert_eq!(health.last_error.as_deref(), Some("panicked: a bug"));
        assert!(health.last_progress.is_some());
        assert!(supervisor.shut_down(Duration::from_secs(2)).await.is_empty());
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn it_gives_up_when_told_to_and_names_those_who_do_not_end() {
        let supervisor = Supervisor::new(CancellationToken::new(), chrono::Utc::now);
        supervisor.spawn("hopeless", RestartPolicy { give_up_after: Some(3), ..quick() }, |_| async {
            Err(JobError::failed("trying", "always"))
        });
        supervisor.spawn("deaf", quick(), |_| std::future::pending());
        let deadline = Instant::now() + Duration::from_secs(5);
        while supervisor.health()[0].state != JobState::Stopped {
            assert!(Instant::now() < deadline, "{:?}", supervisor.health());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(supervisor.health()[0].restarts, 2);
        assert_eq!(supervisor.shut_down(Duration::from_millis(20)).await, ["deaf"]);
    }
}
