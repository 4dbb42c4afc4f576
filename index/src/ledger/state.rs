//! What the ledger holds: per person, sorted lists of others with the time and what was said last.

use std::collections::{BTreeMap, HashMap};

use features::event::{InteractionEvent, InteractionKind};
use serde::{Deserialize, Serialize};

/// The last word of one person about another: positive or not, and when (microseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    yes: bool,
    at: i64,
}

/// What one person did about others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Person {
    shown: HashMap<u64, i64>,
    blocks: BTreeMap<u64, Word>,
    /// True: likes or follows; false: unfollowed.
    likes: BTreeMap<u64, Word>,
    passes: BTreeMap<u64, i64>,
}

/// Everybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    people: HashMap<u64, Person>,
}

/// The later word wins; at the same time the positive one.
fn say(words: &mut BTreeMap<u64, Word>, about: u64, word: Word) {
    let old = words.entry(about).or_insert(word);
    if (word.at, word.yes) > (old.at, old.yes) {
        *old = word;
    }
}

impl State {
    pub(super) fn apply(&mut self, event: &InteractionEvent) {
        let at = event.event_time.timestamp_micros();
        let target = event.target_id.0;
        let person = self.people.entry(event.actor_id.0).or_default();
        match event.kind {
            InteractionKind::Impression => {
                let shown = person.shown.entry(target).or_insert(i64::MIN);
                *shown = (*shown).max(event.event_time.timestamp());
            }
            InteractionKind::Like | InteractionKind::Follow => say(&mut person.likes, target, Word { yes: true, at }),
            InteractionKind::Unfollow => say(&mut person.likes, target, Word { yes: false, at }),
            InteractionKind::Block => say(&mut person.blocks, target, Word { yes: true, at }),
            InteractionKind::Unblock => say(&mut person.blocks, target, Word { yes: false, at }),
            InteractionKind::Pass => {
                let passed = person.passes.entry(target).or_insert(at);
                *passed = (*passed).max(at);
            }
            InteractionKind::ProfileView | InteractionKind::Comment | InteractionKind::Reply | InteractionKind::Report => {}
        }
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

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    pub(super) fn exposures(&self) -> usize {
        self.people.values().map(|p| p.shown.len()).sum()
    }

    pub(super) fn prune(&mut self, before: i64) {
        self.people.values_mut().for_each(|p| p.shown.retain(|_, at| *at > before));
    }

    pub(super) fn forget(&mut self, user: u64) {
        self.people.remove(&user);
        for person in self.people.values_mut() {
            person.shown.remove(&user);
            person.blocks.remove(&user);
            person.likes.remove(&user);
            person.passes.remove(&user);
        }
    }
}
