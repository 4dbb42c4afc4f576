//! What followed an impression: the answers of both people within a window.
//!
//! What happens at the very time of the impression follows it: features know what is strictly before, so every event is on one side.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use arrow::array::Array;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use datafusion::prelude::SessionContext;
use features::event::{InteractionKind, MessageKind};
use features::ids::UserId;

use super::impressions::{Impression, Rows};

/// What somebody did that may answer an impression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    View,
    Like,
    Pass,
    Comment,
    Reply,
    /// Blocked or reported.
    Against,
    Message,
}

impl Deed {
    fn of(kind: &str) -> Option<Self> {
        if kind == MessageKind::Sent.name() {
            return Some(Self::Message);
        }
        match InteractionKind::parse(kind)? {
            InteractionKind::ProfileView => Some(Self::View),
            InteractionKind::Like | InteractionKind::Follow => Some(Self::Like),
            InteractionKind::Pass => Some(Self::Pass),
            InteractionKind::Comment => Some(Self::Comment),
            InteractionKind::Reply => Some(Self::Reply),
            InteractionKind::Block | InteractionKind::Report => Some(Self::Against),
            InteractionKind::Impression | InteractionKind::Unfollow | InteractionKind::Unblock => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Done {
    at: DateTime<Utc>,
    deed: Deed,
    /// A hash of the deck it answers.
    deck: Option<u64>,
}

/// Answers between people, of a window that moves with the days.
pub(super) struct Answers {
    window: TimeDelta,
    /// By who did it and to whom, in the order of time.
    between: HashMap<(UserId, UserId), VecDeque<Done>>,
    /// Days that the lake has.
    days: BTreeSet<NaiveDate>,
    /// The first day that was not read.
    next: Option<NaiveDate>,
    hash: RandomState,
}

/// What followed an impression, each with the time from it; none where it did not.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Outcome {
    pub(super) viewed: Option<TimeDelta>,
    pub(super) liked: Option<TimeDelta>,
    /// Of a like: whether it carries the deck of the impression.
    pub(super) liked_here: Option<bool>,
    pub(super) passed: Option<TimeDelta>,
    pub(super) commented: Option<TimeDelta>,
    pub(super) replied: Option<TimeDelta>,
    pub(super) liked_back: Option<TimeDelta>,
    pub(super) matched: Option<TimeDelta>,
    pub(super) chatted: Option<TimeDelta>,
    /// When the second of the two had written.
    pub(super) conversed: Option<TimeDelta>,
    pub(super) refused: Option<TimeDelta>,
    /// Whether the lake ends before the window: what did not follow may follow yet.
    pub(super) censored: bool,
}

impl Answers {
    pub(super) fn new(window: TimeDelta, days: BTreeSet<NaiveDate>) -> Self {
        Self { window, between: HashMap::new(), days, next: None, hash: RandomState::new() }
    }

    /// Reads what may answer impressions of a day; forgets what lies before it.
    pub(super) async fn move_to(&mut self, lake: &SessionContext, day: NaiveDate) -> anyhow::Result<()> {
        let begin = day.and_time(NaiveTime::MIN).and_utc();
        let last = (begin + TimeDelta::days(1) + self.window).date_naive();
        self.between.retain(|_, done| {
            let kept = done.iter().position(|d| d.at >= begin).unwrap_or(done.len());
            drop(done.drain(..kept));
            !done.is_empty()
        });
        let next = self.next.map_or(day, |next| next.max(day));
        let days: Vec<NaiveDate> = self.days.range(next..).take_while(|day| **day <= last).copied().collect();
        for day in days {
            self.read(lake, day).await?;
        }
        self.next = last.succ_opt().max(Some(next));
        Ok(())
    }

    async fn read(&mut self, lake: &SessionContext, day: NaiveDate) -> anyhow::Result<()> {
        let sql = [
            format!(
                "SELECT actor_id, target_id, kind, event_time, deck_id FROM interactions WHERE dt = DATE '{day}' AND kind <> '{}' \
                 ORDER BY event_time, event_id",
                InteractionKind::Impression.name()
            ),
            format!(
                "SELECT sender_id AS actor_id, receiver_id AS target_id, kind, event_time, CAST(NULL AS VARCHAR) AS deck_id FROM messages \
                 WHERE dt = DATE '{day}' AND kind = '{}' ORDER BY event_time, event_id",
                MessageKind::Sent.name()
            ),
        ];
        for sql in sql {
            for batch in lake.sql(&sql).await?.collect().await? {
                let rows = Rows(&batch);
                let (actors, targets, times) = (rows.users("actor_id")?, rows.users("target_id")?, rows.times("event_time")?);
                let (kinds, decks) = (rows.texts("kind")?, rows.texts("deck_id")?);
                for row in 0..batch.num_rows() {
                    let Some(deed) = Deed::of(kinds.value(row)) else { continue };
                    let deck = decks.is_valid(row).then(|| self.hash.hash_one(decks.value(row)));
                    self.between.entry((actors[row], targets[row])).or_default().push_back(Done { at: times[row], deed, deck });
                }
            }
        }
        Ok(())
    }

    /// What followed an impression; `liked_already` is whether the candidate liked the viewer before it, `end` where the lake ends.
    pub(super) fn after(&self, shown: &Impression, liked_already: bool, end: DateTime<Utc>) -> Outcome {
        let (mine, theirs) = ((shown.viewer, shown.candidate), (shown.candidate, shown.viewer));
        let of = |pair: (UserId, UserId)| {
            let within = move |done: &&Done| done.at >= shown.at && done.at < shown.at + self.window;
            self.between.get(&pair).into_iter().flatten().filter(within)
        };
        // Interactions and messages of a pair stand one after the other, so the first is looked for.
        let first = |pair, deed: Deed| of(pair).filter(|done| done.deed == deed).map(|done| done.at - shown.at).min();
        let (liked, liked_back) = (first(mine, Deed::Like), first(theirs, Deed::Like));
        let answered = if liked_already { Some(TimeDelta::zero()) } else { liked_back };
        let (wrote, heard) = (first(mine, Deed::Message), first(theirs, Deed::Message));
        let here = shown.deck_id.as_ref().map(|deck| self.hash.hash_one(deck.as_str()));
        Outcome {
            viewed: first(mine, Deed::View),
            liked,
            liked_here: liked.map(|_| here.is_some() && of(mine).any(|done| done.deed == Deed::Like && done.deck == here)),
            passed: first(mine, Deed::Pass),
            commented: first(mine, Deed::Comment),
            replied: first(theirs, Deed::Reply),
            liked_back,
            matched: liked.zip(answered).map(|(ours, back)| ours.max(back)),
            chatted: wrote.into_iter().chain(heard).min(),
            conversed: wrote.zip(heard).map(|(ours, back)| ours.max(back)),
            refused: first(mine, Deed::Against),
            censored: shown.at + self.window > end,
        }
    }
}
