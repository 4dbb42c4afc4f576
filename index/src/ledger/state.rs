//! What the ledger holds: per person, sorted lists of others with the time and what was said last.

use std::collections::HashMap;

use features::event::{InteractionEvent, InteractionKind};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::list::List;
use super::received::{Received, day};

/// The last word of one person about another: positive or not, and when (microseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    yes: bool,
    at: i64,
}

/// What one person did about others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    shown: List<i64>,
    blocks: List<Word>,
    /// True: likes or follows; false: unfollowed.
    likes: List<Word>,
    passes: List<i64>,
    /// When they did any of it.
    days: Calendar,
}

/// Everybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    people: HashMap<u64, Person, RandomState>,
    /// Number of exposures held; follows from the people.
    #[serde(skip)]
    exposures: usize,
    /// Of everybody, who has ever blocked or unblocked them; follows from the people. So the lists of one person tell of all blocks that concern them.
    #[serde(skip)]
    blocked_by: HashMap<u64, List<()>, RandomState>,
    /// Who was shown to how many, lately; follows from the people.
    #[serde(skip)]
    received: Received,
}

/// The later word wins; at the same time the positive one.
fn say(words: &mut List<Word>, about: u64, word: Word) {
    if words.get(&about).is_none_or(|old| (word.at, word.yes) > (old.at, old.yes)) {
        words.insert(about, word);
    }
}

/// The later time wins.
fn mark(times: &mut List<i64>, about: u64, at: i64) {
    if times.get(&about).is_none_or(|old| at > *old) {
        times.insert(about, at);
    }
}

impl State {
    pub(super) fn apply(&mut self, event: &InteractionEvent) {
        let at = event.event_time.timestamp_micros();
        let target = event.target_id.0;
        if matches!(event.kind, InteractionKind::Block | InteractionKind::Unblock) {
            self.blocked_by.entry(target).or_default().insert(event.actor_id.0, ());
        }
        let person = self.people.entry(event.actor_id.0).or_default();
        person.days.mark(day(event.event_time.timestamp()));
        match event.kind {
            InteractionKind::Impression => {
                let (at, before) = (event.event_time.timestamp(), person.shown.get(&target).copied());
                if before.is_none_or(|before| at > before) {
                    person.shown.insert(target, at);
                    self.received.shown(target, at, before);
                }
                self.exposures += usize::from(before.is_none());
            }
            InteractionKind::Like | InteractionKind::Follow => say(&mut person.likes, target, Word { yes: true, at }),
            InteractionKind::Unfollow => say(&mut person.likes, target, Word { yes: false, at }),
            InteractionKind::Block => say(&mut person.blocks, target, Word { yes: true, at }),
            InteractionKind::Unblock => say(&mut person.blocks, target, Word { yes: false, at }),
            InteractionKind::Pass => mark(&mut person.passes, target, at),
            InteractionKind::ProfileView | InteractionKind::Comment | InteractionKind::Reply | InteractionKind::Report => {}
        }
    }

    /// Whether one of the two blocks the other.
    pub(super) fn blocked(&self, a: u64, b: u64) -> bool {
        let may = self.blocked_by.get(&a).is_some_and(|by| by.get(&b).is_some());
        self.blocks(a, b) || (may && self.blocks(b, a))
    }

    pub(super) fn blocks(&self, a: u64, b: u64) -> bool {
        self.people.get(&a).and_then(|p| p.blocks.get(&b)).is_some_and(|w| w.yes)
    }

    pub(super) fn likes(&self, a: u64, b: u64) -> bool {
        self.people.get(&a).and_then(|p| p.likes.get(&b)).is_some_and(|w| w.yes)
    }

    pub(super) fn passed(&self, a: u64, b: u64) -> bool {
        let Some(person) = self.people.get(&a) else { return false };
        let liked = person.likes.get(&b).filter(|w| w.yes).map_or(i64::MIN, |w| w.at);
        person.passes.get(&b).is_some_and(|at| *at >= liked)
    }

    /// Everybody whom `user` passed and has not liked since.
    pub(super) fn passed_by(&self, user: u64) -> impl Iterator<Item = u64> {
        let passes = self.people.get(&user).into_iter().flat_map(|p| p.passes.iter());
        passes.map(|(other, _)| *other).filter(move |other| self.passed(user, *other))
    }

    pub(super) fn liked_by(&self, user: u64) -> impl Iterator<Item = u64> {
        self.people.get(&user).into_iter().flat_map(|p| p.likes.iter()).filter(|(_, w)| w.yes).map(|(other, _)| *other)
    }

    /// Every last word about liking: who, about whom, whether positive, when (microseconds).
    pub(super) fn likes_said(&self) -> impl Iterator<Item = (u64, u64, bool, i64)> {
        self.people.iter().flat_map(|(actor, p)| p.likes.iter().map(|(target, word)| (*actor, *target, word.yes, word.at)))
    }

    pub(super) fn shown_at(&self, viewer: u64, candidate: u64) -> Option<i64> {
        self.people.get(&viewer)?.shown.get(&candidate).copied()
    }

    pub(super) fn shown_to(&self, viewer: u64) -> impl Iterator<Item = (u64, i64)> {
        self.people.get(&viewer).into_iter().flat_map(|p| p.shown.iter()).map(|(user, at)| (*user, *at))
    }

    /// How many were shown the person on a day.
    pub(super) fn received(&self, user: u64, day: i32) -> u32 {
        self.received.of(user, day)
    }

    /// Whether the person came back lately: [`Calendar::returned`].
    pub(super) fn returned(&self, user: u64, today: i32, away: u32, within: u32) -> bool {
        self.people.get(&user).is_some_and(|person| person.days.returned(today, away, within))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    pub(super) fn exposures(&self) -> usize {
        self.exposures
    }

    /// Everybody, to be copied a few at a time.
    pub(super) fn users(&self) -> Vec<u64> {
        self.people.keys().copied().collect()
    }

    /// Some of the people, for a snapshot.
    pub(super) fn some(&self, users: &[u64]) -> Vec<(u64, &Person)> {
        users.iter().filter_map(|user| self.people.get(user).map(|person| (*user, person))).collect()
    }

    /// Takes people of a snapshot over.
    pub(super) fn take(&mut self, people: Vec<(u64, Person)>) {
        for (user, person) in people {
            self.exposures += person.shown.len();
            person.shown.iter().for_each(|(target, at)| self.received.shown(*target, *at, None));
            for (target, _) in person.blocks.iter() {
                self.blocked_by.entry(*target).or_default().insert(user, ());
            }
            if let Some(old) = self.people.insert(user, person) {
                self.exposures -= old.shown.len();
                old.shown.iter().for_each(|(target, at)| self.received.gone(*target, *at));
            }
        }
    }

    /// Everything but the people, for a snapshot.
    pub(super) fn without_people(&self) -> Self {
        Self::default()
    }

    /// Drops the exposures of some people that are not later than a time.
    pub(super) fn prune(&mut self, users: &[u64], before: i64) {
        for user in users {
            if let Some(person) = self.people.get_mut(user) {
                let held = person.shown.len();
                person.shown.iter().filter(|(_, at)| **at <= before).for_each(|(target, at)| self.received.gone(*target, *at));
                person.shown.retain(|_, at| *at > before);
                self.exposures -= held - person.shown.len();
            }
        }
    }

    /// In how many lists somebody is, of their own and of others.
    pub(super) fn entries_of(&self, user: u64) -> u64 {
        let own = u64::from(self.people.contains_key(&user)) + u64::from(self.blocked_by.contains_key(&user));
        let named = |p: &Person| {
            let lists =
                [p.shown.get(&user).is_some(), p.blocks.get(&user).is_some(), p.likes.get(&user).is_some(), p.passes.get(&user).is_some()];
            lists.into_iter().map(u64::from).sum::<u64>()
        };
        own + self.people.values().map(named).sum::<u64>()
    }

    pub(super) fn forget(&mut self, user: u64) {
        if let Some(person) = self.people.remove(&user) {
            self.exposures -= person.shown.len();
            person.shown.iter().for_each(|(target, at)| self.received.gone(*target, *at));
        }
        self.received.forget(user);
        self.blocked_by.remove(&user);
        for by in self.blocked_by.values_mut() {
            by.remove(&user);
        }
        for person in self.people.values_mut() {
            self.exposures -= usize::from(person.shown.remove(&user).is_some());
            person.blocks.remove(&user);
            person.likes.remove(&user);
            person.passes.remove(&user);
        }
    }
}
