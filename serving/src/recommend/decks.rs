//! Decks on the table, decks made ahead, and one lock per viewer.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::Position;
use index::geo::snap;
use moka::sync::Cache;
use ranker::{Deck, DeckItem, Removed};

use super::ahead::Ahead;
use super::hops::Hops;
use super::pack::Pack;
use crate::config::RecommendConfig;

const LOCKS: usize = 1024;

/// What pages change about a deck.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Positions that were shown.
    pub(super) positions: Vec<usize>,
    /// People whom a page's check took out.
    pub(super) removed: Vec<Removed>,
}

/// A deck with what was shown of it.
#[derive(Debug)]
pub(super) struct Dealt {
    /// The deck without its people and refusals: those are packed.
    pub(super) head: Deck,
    /// The place the deck was asked with.
    pub(super) position: Option<Position>,
    /// How many candidates were scored.
    pub(super) scored: usize,
    people: Pack,
    /// What the deck was made of, packed, until it is logged with the first page.
    record: Mutex<Option<String>>,
    shown: Mutex<Shown>,
}

impl Dealt {
    pub(super) fn new(mut deck: Deck, position: Option<Position>, scored: usize, record: Option<String>) -> Self {
        let people = Pack::of(std::mem::take(&mut deck.items), std::mem::take(&mut deck.removed));
        Self { head: deck, position, scored, people, record: Mutex::new(record), shown: Mutex::default() }
    }

    /// Takes the record that is still to be logged.
    pub(super) fn take_record(&self) -> Option<String> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a record back that could not be logged.
    pub(super) fn put_record(&self, record: String) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
    }

    /// Number of people.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// The people at some positions.
    pub(super) fn items(&self, positions: std::ops::Range<usize>) -> Vec<DeckItem> {
        self.people.items(positions)
    }

    /// Remembers a page.
    pub(super) fn note(&self, positions: &[usize], removed: Vec<Removed>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.positions.extend(positions);
        shown.removed.extend(removed);
    }

    /// Everybody who was shown, with the position; everybody who was removed; and how many of the deck wait for a page.
    pub(super) fn explained(&self) -> (Vec<(usize, DeckItem)>, Vec<Removed>, usize) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let items: Vec<(usize, DeckItem)> = shown.positions.iter().filter_map(|at| self.people.item(*at).map(|item| (*at, item))).collect();
        let decided: HashSet<UserId> =
            items.iter().map(|(_, item)| item.user_id).chain(shown.removed.iter().map(|removed| removed.user_id)).collect();
        // Everybody who is decided about came out of the deck.
        let waiting = self.len() - decided.len();
        (items, self.people.removed().into_iter().chain(shown.removed.iter().cloned()).collect(), waiting)
    }

    /// Whether it was made for the same (snapped) place.
    pub(super) fn made_at_place(&self, position: Option<Position>) -> bool {
        self.position.and_then(snap) == position.and_then(snap)
    }

    fn kib(&self) -> u32 {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, String::len);
        u32::try_from((self.people.bytes() + record + 2_048) / 1_024).unwrap_or(u32::MAX)
    }
}

/// Every deck that is kept.
pub struct Decks {
    by_id: Cache<String, Arc<Dealt>>,
    locks: Vec<tokio::sync::Mutex<()>>,
    /// Requests that wait for a deck right now.
    dealing: AtomicUsize,
    pub(super) ahead: Ahead,
    pub(super) hops: Hops,
}

/// Counts a request that waits for a deck, until it is dropped.
pub(super) struct Dealing<'a>(&'a AtomicUsize);

impl Drop for Dealing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Decks {
    /// Decks of about `deck_memory_mb` in all, each kept for `deck_minutes`.
    pub fn new(config: &RecommendConfig) -> Self {
        let kept = Duration::from_secs(config.deck_minutes * 60);
        let builder = Cache::builder().weigher(|_: &String, dealt: &Arc<Dealt>| dealt.kib()).max_capacity(config.deck_memory_mb * 1024);
        Self {
            by_id: builder.time_to_live(kept).build(),
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            dealing: AtomicUsize::new(0),
            ahead: Ahead::new(config),
            hops: Hops::new(config.places_per_hour),
        }
    }

    pub(super) fn get(&self, deck: &str) -> Option<Arc<Dealt>> {
        self.by_id.get(deck)
    }

    pub(super) fn put(&self, dealt: Arc<Dealt>) {
        self.by_id.insert(dealt.head.deck_id.clone(), dealt);
    }

    /// Held while a page of the viewer is made. Some viewers share a lock, which costs time and nothing else.
    pub(super) async fn lock(&self, viewer: UserId) -> tokio::sync::MutexGuard<'_, ()> {
        let at = usize::try_from(viewer.0 % LOCKS as u64).expect("below 1024");
        self.locks[at].lock().await
    }

    /// A request begins to wait for a deck.
    pub(super) fn dealing(&self) -> Dealing<'_> {
        self.dealing.fetch_add(1, Ordering::Relaxed);
        Dealing(&self.dealing)
    }

    /// Whether a request waits for a deck: decks ahead come after.
    pub(super) fn busy(&self) -> bool {
        self.dealing.load(Ordering::Relaxed) > 0
    }

    /// Throws away every deck, also those made ahead: they name people who must not be named any more. Viewers get new ones.
    pub fn clear(&self) {
        self.by_id.invalidate_all();
        self.ahead.clear();
    }

    /// A viewer said something of somebody: what was ranked before is not what they want to see next.
    pub fn heard(&self, viewer: UserId, now: DateTime<Utc>) {
        self.ahead.heard(viewer, now);
    }

    /// The place to rank from at `now`: what was asked, as long as the viewer does not hop about; with a remark if it was not followed.
    pub fn place(&self, viewer: UserId, asked: Option<Position>, now: DateTime<Utc>) -> (Option<Position>, Option<String>) {
        self.hops.place(viewer, asked, now)
    }
}
