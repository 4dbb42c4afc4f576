//! Rate limits by the generic cell rate algorithm (ITU-T I.371): a quota is a burst that refills evenly.
//!
//! They are kept in memory, by node: with several nodes behind a balancer each allows the quota. What must hold for all nodes (the pause between
//! two codes to a number, the attempts at a code) is in the database.

use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

/// The longest quota: after that a key is as new.
const LONGEST: Duration = Duration::from_secs(3_600);

/// So many in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerHour(pub(crate) u32);

/// What was asked for how often.
pub(crate) struct Limits {
    /// When a key has its whole quota again, in microseconds since 1970.
    full_at: Cache<String, i64>,
}

impl Limits {
    /// None asked so far.
    pub(crate) fn new() -> Self {
        Self { full_at: Cache::builder().max_capacity(1_000_000).time_to_live(LONGEST).build() }
    }

    /// Takes one of a key's quota.
    ///
    /// # Errors
    /// In how many seconds there is one again.
    pub(crate) fn take(&self, key: String, PerHour(quota): PerHour, now: DateTime<Utc>) -> Result<(), i64> {
        let hour = 3_600_000_000i64;
        let (each, now) = (hour / i64::from(quota.max(1)), now.timestamp_micros());
        let mut wait = 0;
        let taken = self.full_at.entry(key).and_compute_with(|entry| {
            let full_at = entry.map_or(now, |entry| entry.into_value().max(now));
            let excess = full_at + each - now - hour;
            if excess > 0 {
                wait = excess;
                return Op::Nop;
            }
            Op::Put(full_at + each)
        });
        match taken {
            CompResult::Unchanged(_) | CompResult::StillNone(_) => Err(wait / 1_000_000 + 1),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + s, 0).unwrap()
    }

    proptest! {
        /// Within any hour at most twice the quota, and never more than the quota at once; and whoever waits as told gets one.
        #[test]
        fn the_quota_holds(quota in 1u32..20, steps in prop::collection::vec(0i64..900, 1..200)) {
            let limits = Limits::new();
            let (mut s, mut taken) = (0, Vec::new());
            for step in steps {
                s += step;
                match limits.take("k".to_owned(), PerHour(quota), at(s)) {
                    Ok(()) => taken.push(s),
                    Err(wait) => {
                        prop_assert!(wait >= 1 && wait <= 3_600 / i64::from(quota) + 1, "{}", wait);
                        s += wait;
                        prop_assert!(limits.take("k".to_owned(), PerHour(quota), at(s)).is_ok());
                        taken.push(s);
                    }
                }
                let recent = taken.iter().filter(|t| **t > s - 3_600).count();
                prop_assert!(recent <= 2 * quota as usize, "{} of {} within an hour", recent, quota);
            }
        }
    }

    #[test]
    fn keys_have_quotas_of_their_own() {
        let limits = Limits::new();
        for key in ["a", "b"] {
            for _ in 0..3 {
                limits.take(key.to_owned(), PerHour(3), at(0)).unwrap();
            }
            assert_eq!(limits.take(key.to_owned(), PerHour(3), at(0)), Err(1_201));
        }
    }
}
