//! Decks on the table, and one lock per viewer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use features::ids::UserId;
use features::profile::Position;
use moka::sync::Cache;
use ranker::{Deck, DeckItem, Removed};

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
    pub(super) deck: Deck,
    /// The place the deck was asked with.
    pub(super) position: Option<Position>,
    shown: Mutex<Shown>,
}

impl Dealt {
    pub(super) fn new(deck: Deck, position: Option<Position>) -> Self {
        Self { deck, position, shown: Mutex::default() }
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
        let item = |at: &usize| self.deck.items.get(*at).map(|item| (*at, item.clone()));
        let items: Vec<(usize, DeckItem)> = shown.positions.iter().filter_map(item).collect();
        let decided: HashSet<UserId> =
            items.iter().map(|(_, item)| item.user_id).chain(shown.removed.iter().map(|removed| removed.user_id)).collect();
        let waiting = self.deck.items.iter().filter(|item| !decided.contains(&item.user_id)).count();
        (items, self.deck.removed.iter().chain(&shown.removed).cloned().collect(), waiting)
    }
}

/// Every deck that is kept.
pub struct Decks {
    by_id: Cache<String, Arc<Dealt>>,
    locks: Vec<tokio::sync::Mutex<()>>,
}

impl Decks {
    /// Decks of about so many MiB in all, each kept for so many minutes.
    pub fn new(minutes: u64, memory_mb: u64) -> Self {
        // A person of a deck takes about 4 KiB with every term, one who was removed 64 bytes.
        let weigh = |_: &String, dealt: &Arc<Dealt>| {
            let kib = dealt.deck.items.len() * 4 + dealt.deck.removed.len() / 16 + 1;
            u32::try_from(kib).unwrap_or(u32::MAX)
        };
        let builder = Cache::builder().weigher(weigh).max_capacity(memory_mb * 1024);
        let by_id = builder.time_to_live(Duration::from_secs(minutes * 60)).build();
        Self { by_id, locks: (0..LOCKS).map(|_| tokio::sync::Mutex::new(())).collect() }
    }

    pub(super) fn get(&self, deck: &str) -> Option<Arc<Dealt>> {
        self.by_id.get(deck)
    }

    pub(super) fn put(&self, dealt: Arc<Dealt>) {
        self.by_id.insert(dealt.deck.deck_id.clone(), dealt);
    }

    /// Held while a page of the viewer is made. Some viewers share a lock, which costs time and nothing else.
    pub(super) async fn lock(&self, viewer: UserId) -> tokio::sync::MutexGuard<'_, ()> {
        let at = usize::try_from(viewer.0 % LOCKS as u64).expect("below 1024");
        self.locks[at].lock().await
    }
}
