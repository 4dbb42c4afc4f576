#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chrono::TimeDelta;
use features::event::InteractionKind as Kind;
use features::portrait::Portrait;
use features::profile::Gender;
use index::hot::HotPool;
use index::table::PortraitTable;

use super::*;
use crate::config::{RankerConfig, Regions};
use crate::query::DeckRequest;
use crate::recommend::Parts;
use crate::testing::{Vectors, did, now, plain};

/// Which filter refuses 2 to 1, after `change` to the two and with `ledger`.
fn verdict(change: impl FnOnce(&mut Portrait, &mut Portrait), ledger: &Ledger) -> Option<FilterName> {
    let (mut viewer, mut candidate) = (plain(1), plain(2));
    change(&mut viewer, &mut candidate);
    let table = Arc::new(PortraitTable::default());
    table.apply(&viewer);
    table.apply(&candidate);
    let parts = Parts {
        table,
        vectors: Arc::new(Vectors::Empty),
        ledger: Arc::default(),
        hot: Arc::new(HotPool::default()),
        rates: Arc::default(),
    };
    let regions = Regions::new(&RankerConfig::default()).unwrap();
    let request = DeckRequest { viewer: UserId(1), deck_id: String::new(), seed: 0, now: now(), position: None, limit: 1 };
    let query = Query::begin(&request, &parts, |region| Arc::clone(regions.get(region))).unwrap();
    let read = parts.table.read();
    let face = Face::of(&read, UserId(1), now()).unwrap();
    let mut removed = Vec::new();
    let candidates = vec![Candidate { user: UserId(2), sources: vec![SourceName::Hot], rank: 0 }];
    let mut entrants = enter(&face, candidates, &mut removed, |user| Face::of(&read, user, now()));
    for filter in filters() {
        filter.run(&Scene { query: &query, ledger }, &mut entrants, &mut removed);
    }
    assert_eq!(entrants.len() + removed.len(), 1);
    removed.first().map(|r| r.filter)
}

#[test]
fn each_side_has_a_say() {
    let nobody = Ledger::default();
    type Change = fn(&mut Portrait, &mut Portrait);
    let cases: [(Option<FilterName>, Change); 12] = [
        (None, |_, _| ()),
        (Some(FilterName::Hidden), |_, c| c.profile.hidden = true),
        (Some(FilterName::Hidden), |_, c| c.profile.banned = true),
        (Some(FilterName::Gender), |v, _| v.profile.preferences.genders = vec![Gender::Male]),
        (Some(FilterName::Gender), |_, c| c.profile.preferences.genders = vec![Gender::Male, Gender::Other]),
        (Some(FilterName::Age), |v, _| v.profile.preferences.min_age = 31),
        (Some(FilterName::Age), |_, c| c.profile.preferences.max_age = 29),
        (None, |v, c| {
            v.profile.preferences.min_age = 30;
            c.profile.preferences.max_age = 30;
        }),
        (None, |v, _| v.profile.preferences.max_distance_km = Some(1)),
        (Some(FilterName::Distance), |v, c| {
            v.profile.preferences.max_distance_km = Some(50);
            c.profile.position.as_mut().unwrap().lat = 32.0;
        }),
        (Some(FilterName::Distance), |v, c| {
            c.profile.preferences.max_distance_km = Some(50);
            v.profile.position = None;
        }),
        (Some(FilterName::Distance), |v, c| {
            v.profile.preferences.max_distance_km = Some(20_000);
            c.profile.position = None;
        }),
    ];
    for (at, (expected, change)) in cases.into_iter().enumerate() {
        assert_eq!(verdict(change, &nobody), expected, "case {at}");
    }
}

#[test]
fn history_counts() {
    let after = |events: &[(u64, u64, Kind, i64)]| {
        let ledger = Ledger::default();
        events.iter().for_each(|(a, b, kind, days)| ledger.apply(&did(*a, *b, *kind, TimeDelta::days(*days))));
        verdict(|_, _| (), &ledger)
    };
    assert_eq!(after(&[(2, 1, Kind::Block, 900)]), Some(FilterName::Blocked));
    assert_eq!(after(&[(1, 2, Kind::Block, 900)]), Some(FilterName::Blocked));
    assert_eq!(after(&[(1, 2, Kind::Block, 3), (1, 2, Kind::Unblock, 2)]), None);
    assert_eq!(after(&[(1, 2, Kind::Impression, 29)]), Some(FilterName::AlreadyShown));
    assert_eq!(after(&[(1, 2, Kind::Impression, 31)]), None);
    assert_eq!(after(&[(2, 1, Kind::Impression, 1)]), None, "what the other was shown does not matter");
    assert_eq!(after(&[(1, 2, Kind::Follow, 3), (2, 1, Kind::Like, 3)]), Some(FilterName::AlreadyFriends));
    assert_eq!(after(&[(1, 2, Kind::Like, 3)]), Some(FilterName::AlreadyAnswered));
    assert_eq!(after(&[(1, 2, Kind::Pass, 3)]), Some(FilterName::AlreadyAnswered));
    assert_eq!(after(&[(2, 1, Kind::Like, 3)]), None, "being liked is no reason to be kept away");
}
