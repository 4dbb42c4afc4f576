//! The simulated town: people with hidden preferences, cities, a daily rhythm, Moments in Chinese and English.
//!
//! Deterministic: an equal [`TownSpec`] gives equal events, byte for byte, and event ids are derived from it, so that growing the same
//! town twice adds nothing. Whether somebody likes somebody is drawn from [`Town::truth`], which nothing outside the simulation sees. How it is
//! calibrated: docs/SIMULATION.md.

mod chance;
mod life;
mod people;
mod places;
mod stats;
mod words;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::Event;

pub use self::people::Resident;
pub use self::stats::{TownStats, stats};

/// What a town is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownSpec {
    /// How many people.
    pub users: u32,
    /// How many days of life before `until`.
    pub days: u32,
    /// The seed of everything.
    pub seed: u64,
    /// When the last day ends.
    pub until: DateTime<Utc>,
}

impl TownSpec {
    /// The spec in a word, for ids: what one of two towns has in it that differ in anything must never pass for the other's.
    fn key(&self) -> String {
        let Self { users, days, seed, until } = self;
        format!("{users}-{days}-{seed}-{}", until.to_rfc3339())
    }
}

/// A simulated town.
#[derive(Debug, Clone)]
pub struct Town {
    spec: TownSpec,
    residents: Vec<Resident>,
}

impl Town {
    /// Its people; life is lived by [`Self::events`].
    pub fn new(spec: TownSpec) -> Self {
        let residents = people::residents(&spec);
        Self { spec, residents }
    }

    /// The people; user ids begin at 1.
    pub fn residents(&self) -> &[Resident] {
        &self.residents
    }

    /// The hidden truth: how probable it is that `viewer` likes `candidate` when shown them, 0 to 1. Indexes into [`Self::residents`].
    pub fn truth(&self, viewer: usize, candidate: usize) -> f64 {
        people::truth(&self.residents[viewer], &self.residents[candidate])
    }

    /// The first moment of the first day.
    fn begin(&self) -> DateTime<Utc> {
        self.spec.until - TimeDelta::days(self.spec.days.into())
    }

    /// Everything that happens, in order of time; profiles come first.
    pub fn events(&self) -> Vec<Event> {
        let mut events = people::profiles(self);
        let lived = life::live(self);
        events.extend(lived);
        events
    }
}

#[cfg(test)]
mod tests;
