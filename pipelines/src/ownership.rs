//! Jobs that own state: one process works, the others stand by.

use std::future::Future;

use crate::bus::Bus;
use crate::supervisor::{JobContext, JobError};

/// Waits until this process owns `job`, then works until shutdown or until the ownership is lost. A job that is asked to end while it stands
/// by just ends.
///
/// # Errors
/// What `work` says; [`JobError::NotOwner`] when the ownership was lost, in which case `work` was dropped where it stood; the event log's.
pub async fn owned<F, Fut>(bus: &Bus, job: &'static str, context: JobContext, work: F) -> Result<(), JobError>
where
    F: FnOnce(JobContext) -> Fut,
    Fut: Future<Output = Result<(), JobError>>,
{
    context.progress.standing_by();
    let mut ownership = bus.ownership(job).await?;
    let acquired = tokio::select! {
        biased;
        () = context.shutdown.cancelled() => None,
        acquired = ownership.acquired() => Some(acquired),
    };
    let done = match acquired {
        None => Ok(()),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(())) => {
            tracing::debug!(job, "owns its state");
            context.progress.starting();
            tokio::select! {
                done = work(context) => done,
                () = ownership.lost() => Err(JobError::NotOwner { job }),
            }
        }
    };
    ownership.release().await;
    done
}
