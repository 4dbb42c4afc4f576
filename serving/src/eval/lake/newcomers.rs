//! How soon people who joined after the split find their first match.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use ranker::eval::{Row, real};

use super::LakeProtocol;
use super::outcomes::Outcomes;
use crate::world::World;

/// Days within which a first match counts as soon.
const SOON: i64 = 7;

/// The first moment at which somebody and somebody else had said yes to each other, by person.
fn first_matches(outcomes: &Outcomes) -> BTreeMap<UserId, DateTime<Utc>> {
    let mut first: BTreeMap<UserId, DateTime<Utc>> = BTreeMap::new();
    for ((giver, receiver), liked) in &outcomes.likes {
        let Some(back) = outcomes.likes.get(&(*receiver, *giver)) else { continue };
        let at = liked.first.max(back.first);
        first.entry(*giver).and_modify(|old| *old = at.min(*old)).or_insert(at);
    }
    first
}

/// Of those who joined long enough before the end: the share with a match within seven days, and the days to it of those who found one.
pub(super) fn rows(world: &World, outcomes: &Outcomes, protocol: &LakeProtocol) -> Vec<Row> {
    let first = first_matches(outcomes);
    let last = protocol.until - TimeDelta::days(SOON);
    let joined: Vec<(UserId, DateTime<Utc>)> = {
        let table = world.parts().table.read();
        let people = table.rows().map(|row| (table.user(row), table.profile(row).created_at));
        people.filter(|(_, at)| (protocol.split..=last).contains(at)).collect()
    };
    let days: Vec<Vec<Option<f64>>> = joined
        .into_iter()
        .map(|(user, at)| {
            let took = first.get(&user).map(|found| *found - at).filter(|took| *took <= TimeDelta::days(SOON));
            vec![took.map(|took| took.as_seconds_f64().max(0.0) / 86_400.0)]
        })
        .collect();
    let matched = |days: &[Option<f64>]| {
        let found = real(days.iter().flatten().count());
        (!days.is_empty()).then(|| found / real(days.len()))
    };
    let bootstrap = &protocol.bootstrap;
    let mut rows: Vec<Row> =
        bootstrap.interval(&days, matched).map(|i| Row::estimated("logged", "newcomers", "matched_within_7_days", i)).into_iter().collect();
    rows.extend(bootstrap.interval(&days, median).map(|i| Row::estimated("logged", "newcomers", "median_days_to_match", i)));
    rows
}

/// The middle of those that are there.
fn median(days: &[Option<f64>]) -> Option<f64> {
    let mut found: Vec<f64> = days.iter().flatten().copied().collect();
    found.sort_unstable_by(f64::total_cmp);
    let (below, above) = (found.get(found.len().checked_sub(1)? / 2)?, found.get(found.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}
