//! What people may do how often in a day, and what was granted to them beyond that: names, grants, days. Whoever keeps grants and counts asks here
//! what follows from them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something people may do so many times in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entitlement {
    /// Likes given.
    LikesPerDay,
    /// Super-likes given.
    SuperLikesPerDay,
}

impl Entitlement {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::LikesPerDay, Self::SuperLikesPerDay];

    /// The name in configuration, tables and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LikesPerDay => "likes_per_day",
            Self::SuperLikesPerDay => "super_likes_per_day",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What was granted to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// How many in a day; 0 for as many as they like.
    pub amount: u32,
    /// When it was granted.
    pub granted_at: DateTime<Utc>,
    /// When it ends; never, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<DateTime<Utc>>,
    /// Who granted it, such as a payment service.
    pub source: String,
    /// What for, such as an order: it counts once.
    pub reference: String,
}

impl Grant {
    /// Whether it counts at `now`.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.valid_until.is_none_or(|end| now < end)
    }
}

/// Of several grants the one that counts at `now`: the newest of those that have not ended; of two at the same time the later in the list.
pub fn in_force(grants: &[Grant], now: DateTime<Utc>) -> Option<&Grant> {
    grants.iter().filter(|grant| grant.holds(now)).max_by_key(|grant| grant.granted_at)
}

/// How many somebody has in a day at `now`, by their grants, else by what everybody has; none for as many as they like.
pub fn limit(everybody: u32, grants: &[Grant], now: DateTime<Utc>) -> Option<u32> {
    let amount = in_force(grants, now).map_or(everybody, |grant| grant.amount);
    (amount > 0).then_some(amount)
}

/// A day of quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// When it began.
    pub begins: DateTime<Utc>,
    /// When the next one begins.
    pub ends: DateTime<Utc>,
}

impl Day {
    /// The day of `now` where clocks are `ahead_min` minutes ahead of UTC.
    pub fn of(now: DateTime<Utc>, ahead_min: i32) -> Self {
        let ahead = i64::from(ahead_min) * 60;
        let midnight = (now.timestamp() + ahead).div_euclid(86_400) * 86_400 - ahead;
        let begins = DateTime::from_timestamp(midnight, 0).unwrap_or(now);
        Self { begins, ends: begins + TimeDelta::days(1) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::FixedOffset;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_those_of_json() {
        for one in Entitlement::ALL {
            assert_eq!(Entitlement::parse(one.name()), Some(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        }
        assert_eq!(Entitlement::parse("likes"), None);
    }

    #[test]
    fn a_day_in_china_begins_at_four_in_the_afternoon_in_utc() {
        let day = Day::of(at("2026-11-27T15:59:59.999Z"), 480);
        assert_eq!((day.begins, day.ends), (at("2026-11-26T16:00:00Z"), at("2026-11-27T16:00:00Z")));
        assert_eq!(Day::of(day.ends, 480).begins, day.ends);
        assert_eq!(Day::of(at("1969-12-31T23:00:00Z"), 0).begins, at("1969-12-31T00:00:00Z"));
    }

    #[test]
    fn the_newest_grant_that_has_not_ended_counts() {
        let grant = |amount, granted: &str, until: Option<&str>| Grant {
            amount,
            granted_at: at(granted),
            valid_until: until.map(at),
            source: "shop".to_owned(),
            reference: amount.to_string(),
        };
        let all = [
            grant(50, "2026-11-01T00:00:00Z", None),
            grant(0, "2026-11-20T00:00:00Z", Some("2026-12-20T00:00:00Z")),
            grant(5, "2026-11-10T00:00:00Z", None),
        ];
        assert_eq!(limit(20, &[], at("2026-11-27T00:00:00Z")), Some(20));
        assert_eq!(limit(0, &[], at("2026-11-27T00:00:00Z")), None, "0 is no limit");
        assert_eq!(limit(20, &all, at("2026-11-27T00:00:00Z")), None);
        assert_eq!(limit(20, &all, at("2026-12-20T00:00:00Z")), Some(5), "to the second");
        assert_eq!(limit(20, &all[..1], at("2026-12-20T00:00:00Z")), Some(50));
    }

    proptest! {
        /// A day is that of the calendar there, has 24 hours, and every moment is in one.
        #[test]
        fn days_are_those_of_the_calendar(s in -4_000_000_000i64..8_000_000_000, ns in 0u32..1_000_000_000, ahead in -720i32..=840) {
            let now = DateTime::from_timestamp(s, ns).unwrap();
            let day = Day::of(now, ahead);
            prop_assert!(day.begins <= now && now < day.ends);
            prop_assert_eq!(day.ends - day.begins, TimeDelta::hours(24));
            let there = FixedOffset::east_opt(ahead * 60).unwrap();
            prop_assert_eq!(day.begins.with_timezone(&there).time(), chrono::NaiveTime::MIN);
            prop_assert_eq!(day.begins.with_timezone(&there).date_naive(), now.with_timezone(&there).date_naive());
        }
    }
}
