//! Writers that share a commit.
//!
//! A durable commit of SQLite waits for the disk, and there is one at a time: alone, so many writes a second are possible as the disk takes commits.
//! Writers that come while a commit is under way are therefore put together. One task runs their work one after the other in one transaction, each
//! behind a savepoint of its own, so that one that fails is undone by itself; and all are told after the commit, so that nobody hears of what is not
//! durable. Servers do this by themselves (MySQL's and PostgreSQL's group commit): there everybody has a transaction of their own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc, oneshot};

use super::pool::Pools;
use super::{Db, DbError, Tx};

/// How many share a commit at most: the first of them waits for the last one's work.
const MOST: usize = 256;
/// How many may wait; more wait for a place.
const QUEUE: usize = 4_096;

/// Work that waits for its turn, and is told where there is no transaction for it.
pub(super) type Job = Box<dyn for<'a> FnOnce(Result<&'a mut Tx, DbError>) -> BoxFuture<'a, Done> + Send>;

/// Work that was done, but is not yet durable.
pub(super) struct Done {
    /// Whether its changes are to stay.
    keep: bool,
    /// Tells who waits for it, with what came of the commit.
    tell: Box<dyn FnOnce(Result<(), DbError>) + Send>,
}

/// Where work for the next shared commit goes.
pub(super) type Queue = mpsc::Sender<Job>;

/// A queue, and its end for [`run`].
pub(super) fn queue() -> (Queue, mpsc::Receiver<Job>) {
    mpsc::channel(QUEUE)
}

impl Db {
    /// Does some work in a transaction that it may share with others, and returns when its changes are durable. An error undoes them. The work is
    /// tried once; it goes on when whoever waits for it goes away.
    ///
    /// # Errors
    /// Those of the work; or when the database fails, after which the changes of all who shared the transaction are undone.
    pub async fn together<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let Some(queue) = &self.queue else {
            let mut tx = self.begin().await?;
            let done = work(&mut tx).await?;
            tx.commit().await?;
            return Ok(done);
        };
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            Box::pin(async move {
                let done = match tx {
                    Ok(tx) => work(tx).await,
                    Err(error) => Err(error.into()),
                };
                let keep = done.is_ok();
                // Nobody may wait any more.
                let tell = move |committed: Result<(), DbError>| drop(tell.send(committed.map_err(E::from).and(done)));
                Done { keep, tell: Box::new(tell) }
            })
        });
        queue.send(job).await.map_err(|_| DbError::Busy)?;
        told.await.map_err(|_| DbError::Failed("the work in a transaction has panicked".to_owned()))?
    }
}

/// Commits what comes, until nothing can come any more.
pub(super) async fn run(pools: Pools, outbox: Arc<Notify>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.recv().await {
        let mut done = Vec::new();
        let committed = commit(&pools, &outbox, first, &mut jobs, &mut done).await;
        metrics::histogram!("hongniang_db_commit_writers").record(done.len() as f64);
        for one in done {
            (one.tell)(if one.keep { committed.clone() } else { Ok(()) });
        }
    }
}

/// One transaction with the first job, and with those that come until it ends.
async fn commit(
    pools: &Pools,
    outbox: &Arc<Notify>,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    done: &mut Vec<Done>,
) -> Result<(), DbError> {
    let mut tx = match pools.begin(outbox).await {
        Ok(tx) => tx,
        Err(error) => {
            done.push(first(Err(error.clone())).await);
            return Err(error);
        }
    };
    let mut next = Some(first);
    while let Some(job) = next {
        if let Err(error) = tx.say("SAVEPOINT work").await {
            done.push(job(Err(error.clone())).await);
            return Err(error);
        }
        let put = tx.put;
        let worked = AssertUnwindSafe(job(Ok(&mut tx))).catch_unwind().await;
        let keep = worked.as_ref().is_ok_and(|done| done.keep);
        done.extend(worked);
        if !keep {
            tx.say("ROLLBACK TO work").await?;
            tx.put = put;
        }
        tx.say("RELEASE work").await?;
        next = if done.len() < MOST { jobs.try_recv().ok() } else { None };
    }
    tx.commit().await
}
