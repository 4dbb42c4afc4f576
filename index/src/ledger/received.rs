//! To how many people somebody was shown on a day: today's and yesterday's count of everybody.
//!
//! A viewer counts on the day on which they were last shown the person, so the counts follow from who was shown to whom when, and repeats and the
//! order of events do not matter.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

/// Days that are counted: the newest day of any impression, and those before it.
const DAYS: i32 = 2;

const DAY: i64 = 86_400;

/// Counts by day (since 1970-01-01, UTC) and person.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Received {
    days: BTreeMap<i32, HashMap<u64, u32, RandomState>>,
    newest: Option<i32>,
}

/// The day of a time in seconds.
pub(super) fn day(seconds: i64) -> i32 {
    i32::try_from(seconds.div_euclid(DAY)).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX })
}

impl Received {
    /// Somebody was shown to one who had last been shown them `before` (seconds), or never.
    pub(super) fn shown(&mut self, user: u64, at: i64, before: Option<i64>) {
        let today = day(at);
        if before.map(day) == Some(today) {
            return;
        }
        if let Some(before) = before {
            self.gone(user, before);
        }
        if self.newest.is_none_or(|newest| today > newest) {
            self.newest = Some(today);
            self.days.retain(|day, _| *day > today.saturating_sub(DAYS));
        }
        if self.newest.is_some_and(|newest| today > newest.saturating_sub(DAYS)) {
            *self.days.entry(today).or_default().entry(user).or_default() += 1;
        }
    }

    /// An exposure of a time (seconds) no longer counts.
    pub(super) fn gone(&mut self, user: u64, at: i64) {
        let at = day(at);
        let Some(counts) = self.days.get_mut(&at) else { return };
        if let Some(count) = counts.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&user);
            }
        }
        if counts.is_empty() {
            self.days.remove(&at);
        }
    }

    /// Nobody was ever shown this person.
    pub(super) fn forget(&mut self, user: u64) {
        for counts in self.days.values_mut() {
            counts.remove(&user);
        }
        self.days.retain(|_, counts| !counts.is_empty());
    }

    /// How many were shown the person on a day; 0 for days that are not kept.
    pub(super) fn of(&self, user: u64, day: i32) -> u32 {
        self.days.get(&day).and_then(|counts| counts.get(&user)).copied().unwrap_or(0)
    }
}
