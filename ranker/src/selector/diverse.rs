//! By key, but not the same again: maximal marginal relevance over tags and vectors (Carbonell, Goldstein, SIGIR 1998), with
//! caps per source and places for newcomers and for those who came back.
//!
//! For each position the next `look_ahead` by key compete; likeness to the one just before costs `diversity`, to those further
//! back less and less, up to `window` people. Somebody whose
//! sources have all used up their share waits, and comes only when the deck would otherwise stay short; after them comes who was shown to too many
//! today. When a run of `newcomer_every` positions would end without a newcomer or somebody who came back, the best one left takes its last.

use index::table::{VectorColumn, tag_overlap};

use super::{Scored, Selector};
use crate::config::SelectorConfig;
use crate::face::Face;
use crate::names::SourceName;
use crate::query::Query;

/// The selector of the house.
#[derive(Debug, Clone, Copy, Default)]
pub struct Diverse;

impl Selector for Diverse {
    fn name(&self) -> &'static str {
        "diverse"
    }

    fn select<'a>(&self, query: &Query, mut scored: Vec<Scored<'a>>, limit: usize) -> Vec<Scored<'a>> {
        scored.sort_by(|a, b| b.draw.key.total_cmp(&a.draw.key).then(a.pair.candidate.user().cmp(&b.pair.candidate.user())));
        let config = &query.config().selector;
        let mut table = Table::new(scored, config, limit);
        while table.slate.len() < limit {
            let Some(next) = table.next() else { break };
            table.seat(next);
        }
        table.slate
    }
}

/// Likeness of two people, 0 to 1: the mean of tag overlap and the cosine of their `content`, of what is known.
pub(super) fn likeness(a: &Face<'_>, b: &Face<'_>) -> f32 {
    let tags = (!a.tags().is_empty() && !b.tags().is_empty()).then(|| tag_overlap(a.tags(), b.tags()));
    let vectors = a.vector(VectorColumn::Content).zip(b.vector(VectorColumn::Content)).map(|(a, b)| a.cosine(&b).max(0.0));
    match (tags, vectors) {
        (Some(tags), Some(vectors)) => (tags + vectors) / 2.0,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0.0,
    }
}

/// Who sits and who still stands, best key first.
struct Table<'a, 'c> {
    config: &'c SelectorConfig,
    standing: Vec<Option<Scored<'a>>>,
    /// Nobody stands before this.
    from: usize,
    slate: Vec<Scored<'a>>,
    alike: Alike,
    /// Places left to each source, in the order of [`SourceName`]; those without a cap have room for everybody.
    room: [usize; SourceName::ALL.len()],
    /// Of those who stand, how many the guaranteed places are for.
    guaranteed: usize,
    since_guaranteed: usize,
}

impl<'a, 'c> Table<'a, 'c> {
    fn new(scored: Vec<Scored<'a>>, config: &'c SelectorConfig, limit: usize) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a deck of at most 2,000"
        )]
        let places = |share: f64| (share * limit as f64).ceil() as usize;
        let mut room = [usize::MAX; SourceName::ALL.len()];
        for (source, share) in &config.source_caps {
            room[*source as usize] = places(*share);
        }
        let guaranteed = scored.iter().filter(|s| s.guaranteed()).count();
        let alike = Alike::new(scored.len(), config.window);
        let standing = scored.into_iter().map(Some).collect();
        Self { config, standing, from: 0, slate: Vec::with_capacity(limit), alike, room, guaranteed, since_guaranteed: 0 }
    }

    /// Somebody owes their place to a source without a cap, or to one with places left.
    fn has_room(&self, person: &Scored<'_>) -> bool {
        person.sources.iter().any(|source| self.room[*source as usize] > 0)
    }

    /// The first `look_ahead` who stand and fulfil a condition.
    fn first(&self, condition: impl Fn(&Scored<'a>) -> bool) -> Vec<usize> {
        let people = self.standing.iter().enumerate().skip(self.from).filter_map(|(at, person)| person.as_ref().map(|p| (at, p)));
        people.filter(|(_, person)| condition(person)).map(|(at, _)| at).take(self.config.look_ahead).collect()
    }

    fn next(&mut self) -> Option<usize> {
        let due = self.config.newcomer_every > 0 && self.guaranteed > 0 && self.since_guaranteed + 1 >= self.config.newcomer_every;
        let mut people = if due { self.first(Scored::guaranteed) } else { self.first(|p| !p.draw.capped && self.has_room(p)) };
        if people.is_empty() {
            people = self.first(|p| !p.draw.capped);
        }
        if people.is_empty() {
            people = self.first(|_| true);
        }
        self.best(&people)
    }

    /// The best of some, likeness to those just before taken off; of equals the first. They come by key: whoever could not win even without
    /// any likeness ends the search.
    fn best(&mut self, people: &[usize]) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for at in people {
            let Some(person) = &self.standing[*at] else { continue };
            if best.is_some_and(|(most, _)| f64::from(person.draw.key) <= most) {
                break;
            }
            let alike = self.alike.recent(*at, person, &self.slate);
            let worth = f64::from(person.draw.key) - self.config.diversity * f64::from(alike);
            if best.is_none_or(|(most, _)| worth > most) {
                best = Some((worth, *at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn seat(&mut self, at: usize) {
        let Some(person) = self.standing[at].take() else { return };
        while self.standing.get(self.from).is_some_and(Option::is_none) {
            self.from += 1;
        }
        if person.guaranteed() {
            self.guaranteed -= 1;
            self.since_guaranteed = 0;
        } else {
            self.since_guaranteed += 1;
        }
        for source in &person.sources {
            let places = &mut self.room[*source as usize];
            if *places != usize::MAX {
                *places = places.saturating_sub(1);
            }
        }
        self.slate.push(person);
    }
}

/// Likeness of those who stand to the last who sat down, each pair computed once.
struct Alike {
    window: usize,
    /// For each who stands, likeness to seat `s` at `s % window`.
    rings: Vec<f32>,
    /// For each who stands, the seats already compared with.
    until: Vec<usize>,
}

impl Alike {
    fn new(people: usize, window: usize) -> Self {
        Self { window, rings: vec![0.0; people * window], until: vec![0; people] }
    }

    /// The greatest likeness to the last `window` seats, fading from 1 for the last to `1/window`.
    fn recent(&mut self, at: usize, person: &Scored<'_>, slate: &[Scored<'_>]) -> f32 {
        let (window, seats) = (self.window, slate.len());
        let ring = &mut self.rings[at * window..(at + 1) * window];
        let first = seats.saturating_sub(window);
        for seat in first.max(self.until[at])..seats {
            ring[seat % window] = likeness(&slate[seat].pair.candidate, &person.pair.candidate);
        }
        self.until[at] = seats;
        #[expect(clippy::cast_precision_loss, reason = "a window of at most 100")]
        let faded = |seat: usize| ring[seat % window] * (window - (seats - 1 - seat)) as f32 / window as f32;
        (first..seats).map(faded).fold(0.0, f32::max)
    }
}
