//! On which days somebody did something: the last 64 days they were there, and the first day ever, in 16 bytes.

use serde::{Deserialize, Serialize};

/// Days that the bits tell of.
const KEPT: i32 = 64;

/// Days (since 1970-01-01, UTC) of a person. What is kept follows from the set of days, whatever their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Calendar {
    /// Bit `n`: there `n` days before `last`. 0: never.
    days: u64,
    last: i32,
    first: i32,
}

impl Calendar {
    /// Somebody was there on a day.
    pub(super) fn mark(&mut self, day: i32) {
        if self.days == 0 {
            *self = Self { days: 1, last: day, first: day };
            return;
        }
        self.first = self.first.min(day);
        if day > self.last {
            let ahead = i64::from(day) - i64::from(self.last);
            let shifted = u32::try_from(ahead).ok().and_then(|by| self.days.checked_shl(by)).unwrap_or(0);
            (self.days, self.last) = (shifted | 1, day);
        } else {
            self.days |= self.bit(day);
        }
    }

    /// The bit of a day that is not after the last; 0 when it lies too far back.
    fn bit(&self, day: i32) -> u64 {
        let back = i64::from(self.last) - i64::from(day);
        if (0..i64::from(KEPT)).contains(&back) { 1 << back } else { 0 }
    }

    /// Whether somebody came back on one of the `within` days up to `today` (1: today only): was there on that day, not on any of the `away`
    /// days before it, and once before those. Beyond the 64 days kept nobody is known to have been there but for the first day.
    pub(super) fn returned(&self, today: i32, away: u32, within: u32) -> bool {
        let (away, within) = (i32::try_from(away).unwrap_or(KEPT).min(KEPT), i32::try_from(within).unwrap_or(KEPT).min(KEPT));
        let there = |day: i32| self.days & self.bit(day) != 0;
        self.days != 0
            && (0..within).map(|back| today - back).any(|day| there(day) && self.first < day - away && !(1..=away).any(|n| there(day - n)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(days: impl IntoIterator<Item = i32>) -> Calendar {
        let mut calendar = Calendar::default();
        days.into_iter().for_each(|day| calendar.mark(day));
        calendar
    }

    #[test]
    fn who_comes_back_has_been_there_before() {
        assert!(of([100, 120]).returned(120, 7, 1));
        assert!(of([100, 120]).returned(121, 7, 2) && !of([100, 120]).returned(121, 7, 1));
        assert!(of([100, 120, 121]).returned(121, 7, 2), "coming again the next day does not end it");
        assert!(!of([120]).returned(120, 7, 1), "who was never there before is new");
        assert!(!of([100, 115, 120]).returned(120, 7, 1), "was there five days ago");
        assert!(of([100, 112, 120]).returned(120, 7, 1) && !of([100, 113, 120]).returned(120, 7, 1));
        assert!(of([100, 400]).returned(400, 7, 1), "however long ago");
        assert!(!Calendar::default().returned(0, 7, 3));
    }

    proptest! {
        #[test]
        fn it_says_what_a_set_of_days_says(days in prop::collection::vec(0i32..150, 0..40), seed in any::<u64>(), today in 0i32..160, away in 1u32..40, within in 0u32..5) {
            let forward = of(days.iter().copied());
            let mut turned: Vec<i32> = days.iter().chain(&days).copied().collect();
            let n = turned.len().max(1);
            (0..turned.len()).for_each(|i| turned.swap(i, (seed as usize).wrapping_mul(i + 7) % n));
            prop_assert_eq!(forward, of(turned));
            let set: BTreeSet<i32> = days.iter().copied().collect();
            let away_days = away as i32;
            let plain = (0..within as i32).map(|back| today - back).any(|day| {
                set.contains(&day) && set.range(..day - away_days).next().is_some() && set.range(day - away_days..day).next().is_none()
            });
            // The bits reach 64 days back from the last day there; days of this test may lie further back.
            if set.last().is_none_or(|last| today - (within as i32) - away_days > last - KEPT) {
                prop_assert_eq!(forward.returned(today, away, within), plain);
            }
        }
    }
}
