//! Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009).
//!
//! A decayed sum is kept as `S = Σ w · 2^((t − L) / h)` with a fixed landmark `L`, so that order does not matter
//! and partial sums add up. Its value at `at` is `S · 2^(−(at − L) / h)`. Doubles end at exponent 1,023:
//! with `h` ≥ 4 days that is more than eleven years after the landmark.

use chrono::{DateTime, TimeDelta, Utc};

/// The landmark of every decayed sum: 2026-01-01T00:00:00Z, in Unix seconds. The SQL files spell it out.
pub const LANDMARK: f64 = 1_767_225_600.0;

const DAY: f64 = 86_400.0;

/// Unix seconds with fraction.
pub fn seconds(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit 2^53")]
    let micros = at.timestamp_micros() as f64;
    micros / 1e6
}

/// What one unit of weight at `at` adds to a forward-decayed sum of the given half-life in days.
pub fn weight(at: DateTime<Utc>, half_life_days: f64) -> f64 {
    ((seconds(at) - LANDMARK) / (half_life_days * DAY)).exp2()
}

/// The value at `at` of a forward-decayed sum: what remains when every unit halves each `half_life_days`.
pub fn value_at(sum: f64, at: DateTime<Utc>, half_life_days: f64) -> f64 {
    faded(sum, seconds(at) - LANDMARK, half_life_days * DAY)
}

/// What `value` is worth `age_s` seconds later, when it halves every `half_life_s`: `value · 2^(−age_s / half_life_s)`. A negative age gives
/// what it must have been worth before: more.
pub fn faded(value: f64, age_s: f64, half_life_s: f64) -> f64 {
    value * (-age_s / half_life_s).exp2()
}

/// The share that remains of something `age` old: `2^(−age / half_life)`; 1 for negative ages.
pub fn remaining(age: TimeDelta, half_life_days: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 2^53")]
    let days = age.num_milliseconds().max(0) as f64 / 1000.0 / DAY;
    (-days / half_life_days).exp2()
}

/// The half-life in days that a feature column's name announces: `likes_d14` decays with 14 days.
/// `None` for plain counts and sums.
pub fn column_half_life(column: &str) -> Option<f64> {
    let (_, suffix) = column.rsplit_once("_d")?;
    suffix.parse::<u16>().ok().filter(|days| *days > 0).map(f64::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn half_of_it_is_left_after_a_half_life() {
        let t = at(1_790_000_000);
        let sum = weight(t, 14.0);
        assert!((value_at(sum, t, 14.0) - 1.0).abs() < 1e-9);
        assert!((value_at(sum, t + TimeDelta::days(14), 14.0) - 0.5).abs() < 1e-9);
        assert!((remaining(TimeDelta::days(28), 14.0) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn names_announce_half_lives() {
        assert_eq!(column_half_life("likes_d14"), Some(14.0));
        assert_eq!(column_half_life("likes"), None);
        assert_eq!(column_half_life("days_decayed"), None);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut times in proptest::collection::vec(1_767_225_600i64..1_900_000_000, 1..50)) {
            let now = at(1_900_000_000);
            let sum = |times: &[i64]| value_at(times.iter().map(|t| weight(at(*t), 7.0)).sum(), now, 7.0);
            let forward = sum(&times);
            times.reverse();
            prop_assert!((sum(&times) - forward).abs() <= 1e-9 * forward.max(1e-300));
        }
    }
}
