//! Work of one kind that those who come at the same time do together.
//!
//! A durable commit of SQLite waits for the disk, there is one at a time, and each statement is a way to another thread and back. Whoever comes while a
//! transaction is under way therefore waits for the next one, which does the work of all who wait with statements over sets of rows: a hundred logins are about as
//! many statements as one. Everybody is told after the commit, so that nobody hears of what is not durable. Where the work of a set fails, all of it is undone and each does
//! theirs alone, so that one that cannot be done harms no other. Servers group commits by themselves and run transactions side by side (MySQL's and PostgreSQL's
//! group commit): there everybody has a transaction of their own from the start.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Db, DbError, Kind, Tx};

/// How many do their work together at most.
const MOST: usize = 256;
/// How many may wait.
const QUEUE: usize = 4_096;

/// Does the work of some: what came of each, in their order.
type Work<I, O> = dyn for<'a> Fn(&'a mut Tx, Vec<I>) -> BoxFuture<'a, Result<Vec<O>, DbError>> + Send + Sync;

/// Work of one kind over a database: from inputs `I` to what comes of each, `O`. A clone is the same.
pub struct Together<I, O>(Arc<Shared<I, O>>);

impl<I, O> Clone for Together<I, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<I, O> {
    db: Db,
    work: Box<Work<I, O>>,
    line: Mutex<Line<I, O>>,
}

struct Line<I, O> {
    waiting: VecDeque<(I, oneshot::Sender<Told<O>>)>,
    /// Whether somebody sees to those who wait.
    served: bool,
}

enum Told<O> {
    Done(O),
    Failed(DbError),
    /// The work of all is undone: do yours alone.
    Alone,
}

impl<I: Clone + Send + 'static, O: Send + 'static> Together<I, O> {
    /// Work over a database. It gets one input or more, and gives as much: an error undoes all of it. It may be done again with the same input, alone.
    pub fn new(
        db: Db,
        work: impl for<'a> Fn(&'a mut Tx, Vec<I>) -> BoxFuture<'a, Result<Vec<O>, DbError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared { db, work: Box::new(work), line: Mutex::new(Line { waiting: VecDeque::new(), served: false }) }))
    }

    /// Does the work for an input, in a transaction that it may share with others, and returns when its changes are durable. The work of whoever goes away while they
    /// wait is done as a whole, or not at all.
    ///
    /// # Errors
    /// When the database fails or too many wait.
    pub async fn ask(&self, input: I) -> Result<O, DbError> {
        let shared = &self.0;
        if shared.db.kind() != Kind::Sqlite {
            return shared.alone(input).await;
        }
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut line = shared.line();
            if line.waiting.len() >= QUEUE {
                return Err(DbError::Busy);
            }
            line.waiting.push_back((input.clone(), tell));
            !std::mem::replace(&mut line.served, true)
        };
        if is_first {
            tokio::spawn(serve(Arc::clone(shared)));
        }
        match told.await {
            Ok(Told::Done(done)) => Ok(done),
            Ok(Told::Failed(error)) => Err(error),
            // Nobody tells where the work has panicked: whose input did it finds out alone.
            Ok(Told::Alone) | Err(_) => shared.alone(input).await,
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.line().waiting.len()
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Shared<I, O> {
    fn line(&self) -> MutexGuard<'_, Line<I, O>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(&self, tx: &mut Tx, inputs: Vec<I>) -> Result<Vec<O>, DbError> {
        let wanted = inputs.len();
        let done = (self.work)(tx, inputs).await?;
        if done.len() == wanted { Ok(done) } else { Err(DbError::Unexpected(format!("the work for {wanted} has {} results", done.len()))) }
    }

    async fn alone(&self, input: I) -> Result<O, DbError> {
        let mut tx = self.db.begin().await?;
        let mut done = self.work(&mut tx, vec![input]).await?;
        tx.commit().await?;
        metrics::histogram!("hongniang_db_commit_writers").record(1.0);
        done.pop().ok_or_else(|| DbError::Unexpected("the work has no result".to_owned()))
    }

    /// Does the work of those who wait when a transaction can be had.
    async fn next(&self) {
        let begun = self.db.begin().await;
        let some: Vec<_> = {
            let mut line = self.line();
            let most = line.waiting.len().min(MOST);
            line.waiting.drain(..most).collect()
        };
        let (inputs, who): (Vec<_>, Vec<_>) = some.into_iter().unzip();
        match self.all(begun, inputs).await {
            Ok(done) => {
                metrics::histogram!("hongniang_db_commit_writers").record(who.len() as f64);
                // Nobody may wait any more.
                who.into_iter().zip(done).for_each(|(who, done)| drop(who.send(Told::Done(done))));
            }
            Err(Some(error)) => who.into_iter().for_each(|who| drop(who.send(Told::Failed(error.clone())))),
            Err(None) => who.into_iter().for_each(|who| drop(who.send(Told::Alone))),
        }
    }

    /// The work of some and its commit; no error where each is to try alone.
    async fn all(&self, begun: Result<Tx, DbError>, inputs: Vec<I>) -> Result<Vec<O>, Option<DbError>> {
        let mut tx = begun.map_err(Some)?;
        let many = inputs.len() > 1;
        let done = self.work(&mut tx, inputs).await.map_err(|error| if many { None } else { Some(error) })?;
        tx.commit().await.map_err(Some)?;
        Ok(done)
    }
}

/// Sees to those who wait, until nobody does.
async fn serve<I: Clone + Send + 'static, O: Send + 'static>(shared: Arc<Shared<I, O>>) {
    loop {
        // A panic drops the transaction and those who are to be told; the others go on.
        drop(AssertUnwindSafe(shared.next()).catch_unwind().await);
        let mut line = shared.line();
        if line.waiting.is_empty() {
            line.served = false;
            return;
        }
    }
}
