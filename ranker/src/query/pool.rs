//! Among whom sources look: the people whom the viewer's own gender, age and distance limits leave; the nearest of them when they are many.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use features::profile::{Preferences, epoch_days};
use index::table::{Columns, Reach};
use roaring::RoaringBitmap;

use super::{Hydrator, Query};
use crate::chance::{Purpose, bits};
use crate::config::Beyond;
use crate::error::RankError;
use crate::recommend::Parts;

/// People in reach.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    few: Option<RoaringBitmap>,
}

impl Pool {
    /// The rows to look at, each of them, that are still there: all in reach when they are few enough, else the nearest; nothing when the
    /// vector index is to be asked instead. Only rows of `table` come back, even if people left since the query was hydrated.
    pub fn few(&self, table: &Columns, query: &Query) -> Option<RoaringBitmap> {
        self.few.as_ref().map(|rows| table.only_selectable(rows, query.genders()))
    }

    /// The rows to look at, or else everybody of the right gender.
    pub fn rows(&self, table: &Columns, query: &Query) -> RoaringBitmap {
        self.few(table, query).unwrap_or_else(|| table.selectable(query.genders()))
    }
}

/// Birth dates (days since 1970) that an age range allows at `now`, a day generous on both ends: the age filter decides.
pub(crate) fn birth_days(preferences: &Preferences, now: DateTime<Utc>) -> RangeInclusive<i32> {
    let today = epoch_days(now.date_naive());
    let days = |years: u8| i32::from(years) * 1461 / 4;
    let oldest = today - days(preferences.max_age.saturating_add(1)) - 2;
    let youngest = today - days(preferences.min_age) + 2;
    oldest..=youngest
}

pub(super) struct InReach;

impl InReach {
    fn few(query: &Query, table: &Columns) -> Option<RoaringBitmap> {
        let deck = &query.config().deck;
        let reached = table.reach(&Reach {
            genders: query.genders(),
            birth_days: birth_days(&query.profile.preferences, query.now),
            from: query.position,
            within_km: query.profile.preferences.max_distance_km.map(f64::from),
            most: deck.exact_scan_below,
            turn: bits(query.seed, Purpose::Sample, query.viewer),
        });
        let nearest = deck.beyond == Beyond::Nearest && deck.exact_scan_below > 0;
        let mut rows = (reached.all || nearest).then_some(reached.rows)?;
        if let Some(own) = table.row_of(query.viewer) {
            rows.remove(own);
        }
        Some(rows)
    }
}

impl Hydrator for InReach {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn hydrate(&self, query: &mut Query, parts: &Parts) -> Result<(), RankError> {
        query.pool = Pool { few: Self::few(query, &parts.table.read()) };
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;

    #[test]
    fn the_birth_range_covers_every_allowed_age() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        for (min_age, max_age) in [(18, 18), (18, 120), (25, 35), (64, 150)] {
            let range = birth_days(&Preferences { min_age, max_age, ..Preferences::default() }, now);
            for back in 6_000..55_000 {
                let birth: NaiveDate = now.date_naive() - TimeDelta::days(back);
                let age = features::profile::age(birth, now.date_naive());
                if (min_age..=max_age).contains(&age) {
                    assert!(range.contains(&epoch_days(birth)), "{age} in {min_age}..={max_age}, {birth}");
                }
            }
        }
    }
}
