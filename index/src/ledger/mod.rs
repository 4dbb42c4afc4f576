//! The ledger: who was shown to whom and when, who blocked, liked, follows or passed whom.
//!
//! - [`Ledger::apply`] is idempotent and takes events in any order: of two contradicting ones the later `event_time` wins,
//!   and of two at the same time the one that protects (block over unblock).
//! - A block is in force the moment `apply` returns.
//! - Blocks and friendships are symmetric in effect: either side's word counts.
//! - To how many somebody was shown today follows from who was shown to whom when, and on which days somebody was there is kept ([`Ledger::standings`]).
//! - The likes are also kept the other way round and bounded, for recall by those who like alike ([`CoLikes`]); they follow from the rest.

mod calendar;
mod list;
mod received;
mod state;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{InteractionEvent, InteractionKind};
use features::ids::UserId;

use self::received::day;
use self::state::{Person, State};
use crate::IndexError;
use crate::co_likes::{CoLiked, CoLikes, KeptWord, Reach};
use crate::snapshot::{OffsetMap, Reader, Writer};

const FORMAT: u32 = 4;
/// People of a section of a snapshot: the ledger is locked for as long as it takes to serialise so many.
const SECTION: usize = 1_000;

/// Who counts as having come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Days (UTC) on which they did nothing, at least; 1 to 63.
    pub away_days: u32,
    /// Days ago they came back at most, today being one; 0: nobody counts.
    pub within_days: u32,
}

/// How somebody stands with exposure at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// People they were shown to on this day (UTC) so far. Whoever is shown them again on a later day counts there.
    pub received: u32,
    /// Whether they came back lately.
    pub returned: bool,
}

/// Relations and exposures of everybody, in memory.
#[derive(Debug, Default)]
pub struct Ledger {
    kept: RwLock<Kept>,
}

/// What is kept of events, and what follows from it. Under one lock, so that nobody sees the one without the other.
#[derive(Debug, Default)]
struct Kept {
    state: State,
    co_likes: CoLikes,
}

impl Kept {
    /// The same with everything that follows.
    fn of(state: State) -> Self {
        let mut co_likes = CoLikes::default();
        state.likes_said().for_each(|(actor, target, likes, at)| co_likes.say(UserId(actor), UserId(target), likes, at));
        Self { state, co_likes }
    }

    fn apply(&mut self, event: &InteractionEvent) {
        self.state.apply(event);
        if let Some(likes) = like(event) {
            self.co_likes.say(event.actor_id, event.target_id, likes, event.event_time.timestamp_micros());
        }
    }
}

impl Ledger {
    /// Takes an interaction into account.
    pub fn apply(&self, event: &InteractionEvent) {
        self.apply_all([event]);
    }

    /// Takes many interactions into account under one lock.
    pub fn apply_all<'a>(&self, events: impl IntoIterator<Item = &'a InteractionEvent>) {
        let mut kept = self.write();
        events.into_iter().for_each(|event| kept.apply(event));
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops everything about a user.
    pub fn forget(&self, user: UserId) {
        let mut kept = self.write();
        kept.state.forget(user.0);
        kept.co_likes.forget(user);
    }

    /// People whom those like who like as `viewer` does: [`CoLikes::recall`].
    pub fn co_liked(&self, viewer: UserId, reach: &Reach, limit: usize) -> Vec<CoLiked> {
        self.read().co_likes.recall(viewer, reach, limit)
    }

    /// The likes as recall keeps them, given or received: [`CoLikes::kept`].
    pub fn co_likes(&self, received: bool) -> Vec<KeptWord> {
        self.read().co_likes.kept(received)
    }

    fn with<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.read().state)
    }

    /// Whether one of the two blocked the other.
    pub fn blocked(&self, a: UserId, b: UserId) -> bool {
        self.with(|s| s.blocked(a.0, b.0))
    }

    /// Whether `a` has blocked `b`.
    pub fn blocks(&self, a: UserId, b: UserId) -> bool {
        self.with(|s| s.blocks(a.0, b.0))
    }

    /// Whether `a` likes or follows `b`.
    pub fn likes(&self, a: UserId, b: UserId) -> bool {
        self.with(|s| s.likes(a.0, b.0))
    }

    /// Whether `a` passed `b`, and has not liked them since.
    pub fn passed(&self, a: UserId, b: UserId) -> bool {
        self.with(|s| s.passed(a.0, b.0))
    }

    /// Whether both like or follow each other.
    pub fn friends(&self, a: UserId, b: UserId) -> bool {
        self.with(|s| s.likes(a.0, b.0) && s.likes(b.0, a.0))
    }

    /// Everybody whom `user` passed, and has not liked since, in id order.
    pub fn passed_by(&self, user: UserId) -> Vec<UserId> {
        self.with(|s| s.passed_by(user.0).map(UserId).collect())
    }

    /// Everybody who and whom `user` likes: friends, in id order.
    pub fn friends_of(&self, user: UserId) -> Vec<UserId> {
        self.with(|s| s.liked_by(user.0).filter(|other| s.likes(*other, user.0)).map(UserId).collect())
    }

    /// Everybody whom `user` likes or follows, in id order.
    pub fn liked_by(&self, user: UserId) -> Vec<UserId> {
        self.with(|s| s.liked_by(user.0).map(UserId).collect())
    }

    /// Whether `candidate` was shown to `viewer` within `window` before `now`.
    pub fn shown_within(&self, viewer: UserId, candidate: UserId, now: DateTime<Utc>, window: TimeDelta) -> bool {
        self.with(|s| s.shown_at(viewer.0, candidate.0).is_some_and(|at| at > (now - window).timestamp()))
    }

    /// When `candidate` was last shown to `viewer`, to the second, if it was within `window` before `now`.
    pub fn last_shown(&self, viewer: UserId, candidate: UserId, now: DateTime<Utc>, window: TimeDelta) -> Option<DateTime<Utc>> {
        let at = self.with(|s| s.shown_at(viewer.0, candidate.0))?;
        DateTime::from_timestamp(at, 0).filter(|_| at > (now - window).timestamp())
    }

    /// Everybody shown to `viewer` within `window` before `now`.
    pub fn shown_set(&self, viewer: UserId, now: DateTime<Utc>, window: TimeDelta) -> HashSet<UserId> {
        let after = (now - window).timestamp();
        self.with(|s| s.shown_to(viewer.0).filter(|(_, at)| *at > after).map(|(user, _)| UserId(user)).collect())
    }

    /// How everybody of `users` stands at `now`, in their order, under one lock. Counts of today and yesterday (UTC, by the newest exposure) are kept; of
    /// earlier days everybody has received 0.
    pub fn standings(&self, users: impl IntoIterator<Item = UserId>, now: DateTime<Utc>, back: Return) -> Vec<Standing> {
        let today = day(now.timestamp());
        let one = |s: &State, user: UserId| Standing {
            received: s.received(user.0, today),
            returned: back.within_days > 0 && s.returned(user.0, today, back.away_days, back.within_days),
        };
        self.with(|s| users.into_iter().map(|user| one(s, user)).collect())
    }

    /// To how many somebody was shown on the day (UTC) of `now`: see [`Self::standings`].
    pub fn received(&self, user: UserId, now: DateTime<Utc>) -> u32 {
        self.with(|s| s.received(user.0, day(now.timestamp())))
    }

    /// Drops exposures older than `window`: they no longer matter. A few people at a time, so that nobody waits for all of them.
    pub fn prune(&self, now: DateTime<Utc>, window: TimeDelta) {
        let before = (now - window).timestamp();
        for users in self.with(State::users).chunks(SECTION) {
            self.write().state.prune(users, before);
        }
    }

    /// In how many lists somebody is, of their own and of others; looks at everybody.
    pub fn entries_of(&self, user: UserId) -> u64 {
        self.with(|state| state.entries_of(user.0))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.with(State::is_empty)
    }

    /// Number of exposures held.
    pub fn exposures(&self) -> usize {
        self.with(State::exposures)
    }

    /// Writes a snapshot with the offsets that led to it. Others read and write meanwhile: see [`crate::snapshot`] for why that does no harm.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, offsets: &OffsetMap) -> Result<(), IndexError> {
        let mut writer = Writer::create(path, FORMAT, offsets)?;
        writer.section(&self.with(State::without_people))?;
        for users in self.with(State::users).chunks(SECTION) {
            self.with(|s| writer.encode(&s.some(users)))?;
            writer.flush()?;
        }
        writer.finish()
    }

    /// Reads a snapshot; an empty ledger without offsets when there is none.
    ///
    /// # Errors
    /// When the file is damaged or of another version.
    pub fn load(path: &Path) -> Result<(Self, OffsetMap), IndexError> {
        let Some((mut reader, offsets)) = Reader::open(path, FORMAT)? else { return Ok((Self::default(), OffsetMap::new())) };
        let mut state: State = reader.section()?.unwrap_or_default();
        while let Some(people) = reader.section::<Vec<(u64, Person)>>()? {
            state.take(people);
        }
        Ok((Self { kept: RwLock::new(Kept::of(state)) }, offsets))
    }

    /// Replaces the contents by those of another ledger, such as a loaded one.
    pub fn replace(&self, other: Self) {
        *self.write() = other.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
}

/// Whether an event says that somebody likes somebody, or no longer does; nothing for all others.
fn like(event: &InteractionEvent) -> Option<bool> {
    match event.kind {
        InteractionKind::Like | InteractionKind::Follow => Some(true),
        InteractionKind::Unfollow => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
