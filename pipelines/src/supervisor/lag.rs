//! The lag of jobs that cannot tell it themselves: those that are down, starting, or standing by.
//!
//! A job at work tells its lag with every batch. For the others it is asked from outside: the ends of the topics they read, less what they
//! have made durable, which is what their group has committed or, where a job keeps its offsets elsewhere, what it last said. Markers of
//! transactions take offsets, so this is a little more than the records that wait.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::progress::{JobProgress, JobState};
use super::run::Supervisor;
use crate::bus::{Bus, BusError};

/// Keeps the lag of every job of `supervisor` true until shutdown, or until the supervisor is gone, asking every `every`.
pub fn watch_lag(supervisor: &Arc<Supervisor>, bus: Bus, every: Duration) -> impl Future<Output = ()> + Send + use<> {
    watch(Arc::downgrade(supervisor), supervisor.shutdown_token(), bus, every)
}

async fn watch(supervisor: Weak<Supervisor>, shutdown: CancellationToken, bus: Bus, every: Duration) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let Some(jobs) = supervisor.upgrade().map(|supervisor| supervisor.progress()) else { return };
        for progress in jobs {
            if progress.state() == JobState::Running {
                continue;
            }
            match behind(&bus, &progress).await {
                // It may have come to itself meanwhile, and then it knows better.
                Ok(Some(lag)) if progress.state() != JobState::Running => progress.lags(lag),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the lag of a job could not be asked for"),
            }
        }
    }
}

/// Records that wait for a job; none when it has not said what it reads.
async fn behind(bus: &Bus, progress: &JobProgress) -> Result<Option<i64>, BusError> {
    let (topics, said) = progress.reading();
    if topics.is_empty() {
        return Ok(None);
    }
    let (mut at, end) = bus.bounds(&topics).await?;
    let done = match said {
        Some(said) => said,
        None => bus.committed(progress.name(), &topics).await?,
    };
    at.merge(&done);
    Ok(Some(end.0.iter().map(|((topic, partition), end)| (end - at.get(topic, *partition).unwrap_or(0)).max(0)).sum()))
}
