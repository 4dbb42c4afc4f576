//! How a job that keeps state is asked to forget people: an object below its state, which it removes once what it has saved does not know them.
//!
//! Who asks makes sure first that nothing that names them is still on its way to the job. A job that is killed finds the object again.

use std::time::Duration;

use features::ids::UserId;
use tokio::time::Instant;

use crate::snapshots::{SnapshotError, SnapshotStore};

/// Where wishes lie, beside the state of the jobs.
const PLACE: &str = "forget";
/// How often a job looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long a job reads on after it has seen a wish: what it knows of the ends of its topics is up to half a second old.
const SETTLE: Duration = Duration::from_secs(2);

/// The wishes to one job, as the job sees them.
#[derive(Clone)]
pub struct Wishes {
    store: SnapshotStore,
    looked: Option<Instant>,
    seen: Option<(Instant, Wish)>,
}

/// People to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    name: String,
    /// Whom.
    pub people: Vec<UserId>,
}

fn place(state: &SnapshotStore, job: &str) -> SnapshotStore {
    state.below(PLACE).below(job)
}

impl Wishes {
    /// What `job` is asked, in the store of its state.
    pub fn new(state: &SnapshotStore, job: &str) -> Self {
        Self { store: place(state, job), looked: None, seen: None }
    }

    /// The wish to be fulfilled now, if there is one; `caught_up` says whether the job has read everything that was there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(&mut self, caught_up: bool) -> Result<Option<Wish>, SnapshotError> {
        if self.seen.is_none() && self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            if let Some(name) = self.store.list().await?.into_iter().next()
                && let Some(bytes) = self.store.get(&name).await?
            {
                let people = String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect();
                self.seen = Some((Instant::now(), Wish { name, people }));
            }
        }
        Ok(self.seen.take_if(|(at, _)| caught_up && at.elapsed() >= SETTLE).map(|(_, wish)| wish))
    }

    /// Whether somebody waits for a wish that was seen: the job is not to sleep long.
    pub fn waits(&self) -> bool {
        self.seen.is_some()
    }

    /// Says that a wish is fulfilled, durably.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn done(&self, wish: &Wish) -> Result<(), SnapshotError> {
        self.store.delete(&wish.name).await
    }
}

/// Asks a job to forget people, and returns when it has; `name` tells wishes apart, and the same again is one.
///
/// # Errors
/// When the store fails.
pub async fn ask(state: &SnapshotStore, job: &str, name: &str, people: &[UserId]) -> Result<(), SnapshotError> {
    let store = place(state, job);
    let text: String = people.iter().map(|user| format!("{user}\n")).collect();
    store.put(name, text.as_bytes()).await?;
    while store.get(name).await?.is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_is_seen_waited_with_and_answered() {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(dir.path().to_str().unwrap()).unwrap();
        let mut wishes = Wishes::new(&store, "features");
        assert_eq!(wishes.due(true).await.unwrap(), None);
        let asked = {
            let store = store.clone();
            tokio::spawn(async move { ask(&store, "features", "7", &[UserId(1), UserId(u64::MAX)]).await })
        };
        let mut seen = None;
        for round in 0..1_000 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen = wishes.due(round > 25).await.unwrap();
            assert!(round > 25 || seen.is_none(), "the job has not read everything yet");
            if seen.is_some() {
                break;
            }
        }
        let wish = seen.unwrap();
        assert_eq!(wish.people, [UserId(1), UserId(u64::MAX)]);
        assert!(!asked.is_finished());
        // A job that was killed before it answered finds it again.
        let mut again = Wishes::new(&store, "features");
        assert_eq!(again.due(true).await.unwrap(), None, "not at once");
        tokio::time::sleep(SETTLE).await;
        assert_eq!(again.due(true).await.unwrap().as_ref(), Some(&wish));
        again.done(&wish).await.unwrap();
        asked.await.unwrap().unwrap();
        assert_eq!(store.list().await.unwrap(), Vec::<String>::new(), "nothing is left of it");
    }
}
