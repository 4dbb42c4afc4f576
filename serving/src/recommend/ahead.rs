//! Decks made ahead: when a viewer has used up most of a deck, or it is about to expire, the next one is made in the background, so that a
//! request normally meets one that is ready.
//!
//! - One deck at a time, and only while no request waits for one: under load decks ahead are dropped, and requests make their own.
//! - A deck ahead is only a ranking. Blocks, relations and exposures are checked when a page shows it, as with every deck; when too few of it are
//!   left for a page, or the viewer has gone elsewhere, changed the profile or liked or passed somebody since, a new one is made.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use features::profile::{Position, Profile};
use moka::sync::Cache;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::decks::Dealt;
use super::service::make;
use crate::config::RecommendConfig;
use crate::state::App;

/// Counter: decks ahead, by `outcome` (`made`, `used`, `stale`, `dropped`, `failed`).
const AHEAD: &str = "hongniang_decks_ahead_total";
/// How often it is looked whether a request waits, and how many times before the deck is dropped.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: usize = 100;
/// Within this time what somebody said is in all portraits that it concerns.
const SETTLED: TimeDelta = TimeDelta::seconds(1);
/// Viewers of whom it is remembered when they last said something.
const SPEAKERS: u64 = 100_000;

/// For whom a deck is wanted.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    viewer: UserId,
    position: Option<Position>,
}

/// A deck made ahead, with the profile it was made for.
#[derive(Debug)]
struct Ready {
    dealt: Arc<Dealt>,
    profile: Arc<Profile>,
}

/// The queue, and what came of it.
pub(super) struct Ahead {
    sender: mpsc::Sender<Wanted>,
    receiver: Mutex<Option<mpsc::Receiver<Wanted>>>,
    queued: Mutex<HashSet<UserId>>,
    ready: Cache<UserId, Arc<Ready>>,
    /// When viewers last said something.
    spoke: Cache<UserId, DateTime<Utc>>,
    below: usize,
    lifetime: TimeDelta,
}

fn count(outcome: &'static str) {
    metrics::counter!(AHEAD, "outcome" => outcome).increment(1);
}

impl Ahead {
    pub(super) fn new(config: &RecommendConfig) -> Self {
        let (sender, receiver) = mpsc::channel(config.ahead_queue.max(1));
        let kept = Duration::from_secs(config.deck_minutes * 60);
        let weigh = |_: &UserId, ready: &Arc<Ready>| u32::try_from(ready.dealt.len() / 2 + 1).unwrap_or(u32::MAX);
        // Half a KiB a person of a deck; a quarter of the memory for decks.
        let ready = Cache::builder().weigher(weigh).max_capacity(config.deck_memory_mb * 256).time_to_live(kept).build();
        let spoke = Cache::builder().max_capacity(SPEAKERS).time_to_live(kept).build();
        let lifetime = TimeDelta::minutes(i64::try_from(config.deck_minutes).unwrap_or(i64::MAX / 60_000_000));
        Self { sender, receiver: Mutex::new(Some(receiver)), queued: Mutex::default(), ready, spoke, below: config.ahead_below, lifetime }
    }

    /// Asks for the viewer's next deck if `dealt`, shown up to `next`, is nearly used up or old.
    pub(super) fn want(&self, dealt: &Dealt, next: usize, now: DateTime<Utc>) {
        let left = dealt.len() - next.min(dealt.len());
        // A deck that was small from the beginning says that there are few people: making another would find the same.
        let ends = dealt.len() > self.below && (left <= self.below || now - dealt.head.made_at > self.lifetime * 3 / 4);
        let viewer = dealt.head.viewer;
        if self.below == 0 || !ends || self.ready.contains_key(&viewer) {
            return;
        }
        if !self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(viewer) {
            return;
        }
        if self.sender.try_send(Wanted { viewer, position: dealt.position }).is_err() {
            self.unqueue(viewer);
            count("dropped");
        }
    }

    fn unqueue(&self, viewer: UserId) {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&viewer);
    }

    /// A viewer said something of somebody: a deck made before it, or so soon after that the portraits may not have it, is not used.
    pub(super) fn heard(&self, viewer: UserId, now: DateTime<Utc>) {
        if self.below > 0 {
            self.spoke.insert(viewer, now);
        }
    }

    /// Throws away every deck.
    pub(super) fn clear(&self) {
        self.ready.invalidate_all();
    }

    /// Takes the deck made ahead for a viewer, if it still fits.
    pub(super) fn take(&self, viewer: UserId, position: Option<Position>, profile: &Profile) -> Option<Arc<Dealt>> {
        let ready = self.ready.remove(&viewer)?;
        let fresh = self.spoke.get(&viewer).is_none_or(|at| ready.dealt.head.made_at > at + SETTLED);
        let fits = fresh && ready.dealt.made_at_place(position) && *ready.profile == *profile;
        count(if fits { "used" } else { "stale" });
        fits.then(|| Arc::clone(&ready.dealt))
    }
}

/// Makes decks ahead until told to stop. Only the first call does anything.
pub async fn make_ahead(app: App, stop: CancellationToken) {
    let receiver = app.decks.ahead.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut receiver) = receiver else { return };
    loop {
        let wanted = tokio::select! {
            () = stop.cancelled() => return,
            wanted = receiver.recv() => match wanted { Some(wanted) => wanted, None => return },
        };
        one(&app, wanted).await;
        app.decks.ahead.unqueue(wanted.viewer);
    }
}

async fn one(app: &App, wanted: Wanted) {
    let mut patience = PATIENCE;
    while app.decks.busy() {
        if patience == 0 {
            return count("dropped");
        }
        patience -= 1;
        tokio::time::sleep(PAUSE).await;
    }
    let Some(profile) = app.profile(wanted.viewer) else { return };
    match make(app, wanted.viewer, wanted.position, app.now()).await {
        Ok(dealt) => {
            app.decks.ahead.ready.insert(wanted.viewer, Arc::new(Ready { dealt, profile }));
            count("made");
        }
        Err(error) => {
            tracing::debug!(viewer = %wanted.viewer, ?error, "a deck ahead was not made");
            count("failed");
        }
    }
}
