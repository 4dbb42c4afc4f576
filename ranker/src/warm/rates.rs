//! Priors of everybody's segment, out of the portrait table: what is usual among people of a gender, an age and a city.
//!
//! Segments are nested: everybody, a gender, an age band of it, that band in a city. The prior of each is fitted to its own people and drawn towards
//! that of the one around it ([`BetaPrior::fit`]), so that a small segment falls back. Equal tables give equal priors at equal times, to the last
//! bit, in whatever rows people stand.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use features::portrait::{Behaviour, LIKE_RATE_PRIOR, LIKE_RATE_PRIOR_WEIGHT};
use features::profile::Gender;
use index::table::PortraitTable;
use serde::{Deserialize, Serialize};

use super::{BetaPrior, Spread, Tally};

/// Rows looked at under one lock: writers do not wait for all of a large table.
const AT_ONCE: usize = 2_000;
/// The youngest age of each band but the first.
const BANDS: [u8; 4] = [25, 30, 35, 45];
const GENDERS: usize = 3;
const CELLS: usize = GENDERS * (BANDS.len() + 1);
/// Who has fewer looks, or comments, says more about chance than about the segment.
const LEAST: f64 = 1.0;
/// What is assumed of replies to comments before there are any: four in ten, worth five comments.
const REPLIES: (f64, f64) = (0.4, 5.0);

/// The priors of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Of the rate at which its people like whom they look at.
    pub given: BetaPrior,
    /// Of the rate at which its people are liked by those who look at them.
    pub received: BetaPrior,
    /// Of the rate at which its people reply to comments.
    pub replies: BetaPrior,
}

impl Default for Segment {
    /// Before anything is known.
    fn default() -> Self {
        let likes = BetaPrior::new(LIKE_RATE_PRIOR, LIKE_RATE_PRIOR_WEIGHT);
        Self { given: likes, received: likes, replies: BetaPrior::new(REPLIES.0, REPLIES.1) }
    }
}

impl Segment {
    /// How readily somebody of the segment likes whom they look at: the smoothed rate, strictly between 0 and 1.
    pub fn choosy(&self, b: &Behaviour) -> f64 {
        self.given.smoothed(tally(b.likes_given, b.looked))
    }

    /// How readily somebody of the segment is liked: the smoothed rate, strictly between 0 and 1.
    pub fn liked(&self, b: &Behaviour) -> f64 {
        self.received.smoothed(tally(b.likes_received, b.looked_at))
    }

    /// How readily somebody of the segment replies to comments: the smoothed rate, strictly between 0 and 1.
    pub fn reply(&self, b: &Behaviour) -> f64 {
        self.replies.smoothed(tally(b.replies.min(b.comments), b.comments))
    }
}

fn tally(yes: f32, n: f32) -> Tally {
    Tally { yes: yes.into(), n: n.into() }
}

/// What the people of a segment did.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    given: Spread,
    received: Spread,
    replies: Spread,
}

impl Sums {
    fn add(&mut self, b: &Behaviour) {
        let of = |spread: &mut Spread, tally: Tally| {
            if tally.n >= LEAST {
                spread.add(tally);
            }
        };
        of(&mut self.given, tally(b.likes_given, b.looked));
        of(&mut self.received, tally(b.likes_received, b.looked_at));
        of(&mut self.replies, tally(b.replies.min(b.comments), b.comments));
    }

    fn merge(&mut self, other: &Self) {
        self.given.merge(&other.given);
        self.received.merge(&other.received);
        self.replies.merge(&other.replies);
    }

    fn all<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut sum, part| {
            sum.merge(part);
            sum
        })
    }

    fn fit(&self, parent: &Segment) -> Segment {
        Segment {
            given: self.given.prior(parent.given),
            received: self.received.prior(parent.received),
            replies: self.replies.prior(parent.replies),
        }
    }
}

/// The priors of every segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// By gender, in the order of [`Gender`].
    genders: Vec<Segment>,
    /// By gender and age band.
    bands: Vec<Segment>,
    /// By city, then as `bands`.
    cities: BTreeMap<String, Vec<Segment>>,
}

impl Default for Rates {
    /// Before anything is known: the same for everybody.
    fn default() -> Self {
        Self { genders: vec![Segment::default(); GENDERS], bands: vec![Segment::default(); CELLS], cities: BTreeMap::new() }
    }
}

fn cell(gender: Gender, age: u8) -> usize {
    gender as usize * (BANDS.len() + 1) + BANDS.iter().filter(|from| age >= **from).count()
}

impl Rates {
    /// The priors that follow from everybody's behaviour at `now`. Takes a look at each row, in portions between which writers are let in.
    pub fn of(table: &PortraitTable, now: DateTime<Utc>) -> Self {
        let mut cities: HashMap<String, [Sums; CELLS]> = HashMap::new();
        let mut nowhere = [Sums::default(); CELLS];
        table.each_row(AT_ONCE, |read, row| {
            let (at, behaviour) = (cell(read.limits(row).gender, read.age(row, now)), read.behaviour(row, now));
            match read.city(row) {
                None => nowhere[at].add(&behaviour),
                Some(city) => match cities.get_mut(city) {
                    Some(sums) => sums[at].add(&behaviour),
                    None => cities.entry(city.to_owned()).or_insert([Sums::default(); CELLS])[at].add(&behaviour),
                },
            }
            ControlFlow::Continue(())
        });
        Self::fit(&nowhere, &cities)
    }

    fn fit(nowhere: &[Sums; CELLS], cities: &HashMap<String, [Sums; CELLS]>) -> Self {
        let everywhere: Vec<Sums> = (0..CELLS).map(|at| Sums::all(cities.values().map(|sums| &sums[at]).chain([&nowhere[at]]))).collect();
        let all = Sums::all(&everywhere).fit(&Segment::default());
        let wide = BANDS.len() + 1;
        let genders: Vec<Segment> = everywhere.chunks(wide).map(|bands| Sums::all(bands).fit(&all)).collect();
        let bands: Vec<Segment> = everywhere.iter().enumerate().map(|(at, sums)| sums.fit(&genders[at / wide])).collect();
        let in_city = |sums: &[Sums; CELLS]| sums.iter().zip(&bands).map(|(sums, around)| sums.fit(around)).collect();
        let cities = cities.iter().map(|(city, sums)| (city.clone(), in_city(sums))).collect();
        Self { genders, bands, cities }
    }

    /// The segment of a person.
    pub fn segment(&self, gender: Gender, age: u8, city: Option<&str>) -> &Segment {
        let bands = city.and_then(|city| self.cities.get(city)).unwrap_or(&self.bands);
        &bands[cell(gender, age)]
    }

    /// The same for people of some cities alone.
    #[must_use]
    pub fn within<'a>(&self, cities: impl IntoIterator<Item = &'a str>) -> Self {
        let known = cities.into_iter().filter_map(|city| self.cities.get_key_value(city));
        let cities = known.map(|(city, bands)| (city.clone(), bands.clone())).collect();
        Self { genders: self.genders.clone(), bands: self.bands.clone(), cities }
    }

    /// Everybody of a gender.
    pub fn gender(&self, gender: Gender) -> &Segment {
        &self.genders[gender as usize]
    }
}

/// The priors that hold now, computed anew now and then.
#[derive(Debug, Default)]
pub struct LiveRates {
    current: RwLock<Arc<Rates>>,
}

impl LiveRates {
    /// Those that hold.
    pub fn get(&self) -> Arc<Rates> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Computes them anew: [`Rates::of`].
    pub fn refresh(&self, table: &PortraitTable, now: DateTime<Utc>) {
        self.set(Rates::of(table, now));
    }

    /// Puts others in their place, such as logged ones.
    pub fn set(&self, rates: Rates) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rates);
    }
}

#[cfg(test)]
mod tests;
