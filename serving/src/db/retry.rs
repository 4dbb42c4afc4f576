//! Trying again what lost against another transaction.

use std::time::Duration;

use super::DbError;

/// How often at most.
const TRIES: u32 = 6;

/// Errors of which some pass by themselves.
pub trait Transient {
    /// Whether the same again may work.
    fn is_transient(&self) -> bool;
}

/// Does `work`, and again while it fails for a reason that passes, up to six times with growing pauses.
///
/// # Errors
/// The last failure.
pub async fn retrying<T, E: Transient, F: Future<Output = Result<T, E>>>(mut work: impl FnMut() -> F) -> Result<T, E> {
    let mut pause = Duration::from_millis(2);
    for _ in 1..TRIES {
        match work().await {
            Err(error) if error.is_transient() => {
                metrics::counter!("hongniang_db_retries_total").increment(1);
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            done => return done,
        }
    }
    work().await
}

/// A failure of a transaction that inserts what another may insert at the same time: the loser finds the row when it tries again.
#[derive(Debug)]
pub struct Raced(pub DbError);

impl From<DbError> for Raced {
    fn from(error: DbError) -> Self {
        Self(error)
    }
}

impl Transient for Raced {
    fn is_transient(&self) -> bool {
        matches!(self.0, DbError::Duplicate | DbError::Conflict(_))
    }
}
