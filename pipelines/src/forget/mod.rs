//! Forgetting people: what names them, and how the jobs that keep state are asked to forget them.
//!
//! A serving node drives an erasure (`serving/src/rights`); here is what it needs of the stream and the lake: [`Names`] finds what names
//! people, [`Wishes`] are what jobs are asked, `lake::forget` rewrites files, `EmbeddedBroker::scrub` the log, [`clear_backfills`] drops what backfills keep.

mod names;
mod wishes;

pub use names::{DeckNames, Names};
pub use wishes::{Wish, Wishes, ask};

use crate::runner::PLACE;
use crate::snapshots::{SnapshotError, SnapshotStore};

/// Removes what backfills keep below the state of the jobs: sums of days, by people, and states that were not taken over. A backfill that is under way
/// fails for it, and is to be started again. Returns how many objects there were; with `dry` they stay.
///
/// # Errors
/// When the store fails.
pub async fn clear_backfills(state: &SnapshotStore, dry: bool) -> Result<u64, SnapshotError> {
    let kept = state.below(PLACE);
    let mut found = 0;
    for folder in ["partials", "staged", "swaps", "people"] {
        let folder = kept.below(folder);
        for name in folder.list().await? {
            found += 1;
            if !dry {
                folder.delete(&name).await?;
            }
        }
    }
    Ok(found)
}
