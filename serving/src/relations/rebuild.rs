//! Rows out of events: imports, a town, and what was done before there were tables.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::event::InteractionEvent;
use features::ids::UserId;
use features::relations::{Act, Pair};

use super::pair::{Kept, ordered};
use super::service::Relations;
use super::store::{self, Bumps};
use crate::db::{DbError, Raced, key, retrying};

/// Pairs that are written in one transaction.
const AT_ONCE: usize = 250;

/// What a rebuild came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Pairs that the events tell of.
    pub pairs: u64,
    /// Pairs whose rows were written; the others are as new already.
    pub written: u64,
    /// Friends among all.
    pub friends: u64,
}

impl Rebuilt {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.written += other.written;
        self.friends += other.friends;
    }
}

/// How people stand after events, in order of time, by the rules. What the rules refuse did not happen. Events that tell of no act are left out.
fn fold<'a>(events: impl IntoIterator<Item = &'a InteractionEvent>) -> BTreeMap<(i64, i64), Kept> {
    let mut pairs: BTreeMap<(i64, i64), Kept> = BTreeMap::new();
    for event in events {
        let Some(act) = Act::of(event.kind).filter(|_| event.actor_id != event.target_id) else { continue };
        let (low, high) = ordered(event.actor_id, event.target_id);
        let kept = pairs.entry((key(low), key(high))).or_insert_with(|| Kept::new(low, high, Pair::default()));
        // A refusal leaves everything as it was.
        let _ = kept.step(act, event, event.event_time);
    }
    pairs.retain(|_, kept| kept.changed);
    pairs
}

impl Relations {
    /// Writes how people stand after all events of theirs, in order of time. Pairs whose rows are as new or newer stay as they are: the same again changes
    /// nothing, and what is done meanwhile is not undone. Give all events of a pair at once.
    ///
    /// # Errors
    /// When the database fails; the same again goes on.
    pub async fn rebuild<'a>(
        &self,
        events: impl IntoIterator<Item = &'a InteractionEvent>,
        now: DateTime<Utc>,
    ) -> Result<Rebuilt, DbError> {
        let pairs: Vec<Kept> = fold(events).into_values().collect();
        let friends = pairs.iter().filter(|kept| kept.pair.are_friends()).count() as u64;
        let mut sum = Rebuilt { pairs: pairs.len() as u64, written: 0, friends };
        for some in pairs.chunks(AT_ONCE) {
            sum.written += retrying(|| self.rebuild_some(some, now)).await.map_err(|Raced(error)| error)?;
        }
        Ok(sum)
    }

    async fn rebuild_some(&self, some: &[Kept], now: DateTime<Utc>) -> Result<u64, Raced> {
        let mut tx = self.db.begin().await?;
        let wanted: Vec<(UserId, UserId)> = some.iter().map(|kept| (kept.low, kept.high)).collect();
        let there: BTreeMap<(i64, i64), Kept> =
            store::load(&mut tx, &wanted).await?.into_iter().map(|kept| ((key(kept.low), key(kept.high)), kept)).collect();
        let (mut bumps, mut written) = (Bumps::new(), 0);
        for kept in some {
            let old = there.get(&(key(kept.low), key(kept.high)));
            if old.is_some_and(|old| old.at >= kept.at) {
                continue;
            }
            let new = Kept { stored: old.map(|old| old.pair), ..kept.clone() };
            self.write(&mut tx, &new, &mut bumps, now).await?;
            written += 1;
        }
        store::bump(&mut tx, &bumps, self.db.ids.next(now)).await?;
        tx.commit().await?;
        Ok(written)
    }
}
