#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chrono::TimeDelta;
use features::ids::UserId;
use features::portrait::{Portrait, Signals, TagWeight};
use index::hot::HotPool;
use index::table::{Columns, PortraitTable};

use super::*;
use crate::config::{RankerConfig, Regions};
use crate::face::Face;
use crate::query::DeckRequest;
use crate::recommend::Parts;
use crate::testing::{Vectors, now, person, plain};

fn query(config: &RankerConfig, seed: u64) -> Query {
    let table = Arc::new(PortraitTable::default());
    table.apply(&plain(1));
    let parts = Parts { table, vectors: Arc::new(Vectors::Empty), ledger: Arc::default(), hot: Arc::new(HotPool::default()) };
    let regions = Regions::new(config).unwrap();
    let request = DeckRequest { viewer: UserId(1), deck_id: String::new(), seed, now: now(), position: None, limit: 1 };
    Query::begin(&request, &parts, |region| Arc::clone(regions.get(region))).unwrap()
}

fn table(people: impl IntoIterator<Item = Portrait>) -> PortraitTable {
    let table = PortraitTable::default();
    people.into_iter().for_each(|p| assert!(table.apply(&p)));
    table
}

fn scored<'a>(read: &'a Columns, viewer: &'a Face<'a>, user: u64, sources: &[SourceName], mutual: f64, query: &Query) -> Scored<'a> {
    let candidate = Face::of(read, UserId(user), now()).unwrap();
    let (draw, score) = draw::draw(mutual, candidate.signals(), UserId(user), &Spent::default(), query);
    let sides = Sides { viewer: 0.5, candidate: 0.5, mutual: mutual as f32 };
    let newcomer = candidate.joined_within(14);
    Scored {
        pair: Pair::new(viewer, candidate),
        sources: sources.to_vec(),
        sides,
        terms: Vec::new(),
        worth: mutual as f32,
        score,
        draw,
        propensity: 0.0,
        newcomer,
        returning: false,
    }
}

fn ids(slate: &[Scored<'_>]) -> Vec<u64> {
    slate.iter().map(|s| s.pair.candidate.user().0).collect()
}

#[test]
fn the_order_of_candidates_does_not_matter() {
    let config = RankerConfig::default();
    let table = table((1..200).map(|user| person(user, 8)));
    let read = table.read();
    let viewer = Face::of(&read, UserId(1), now()).unwrap();
    for seed in 0..5 {
        let query = query(&config, seed);
        let all = || {
            (2..200)
                .map(|user| scored(&read, &viewer, user, &[SourceName::ALL[user as usize % 7]], 0.3 + (user % 10) as f64 / 20.0, &query))
        };
        let forward: Vec<_> = all().collect();
        let backward: Vec<_> = all().rev().collect();
        let mut turned: Vec<_> = all().collect();
        turned.rotate_left(67 + seed as usize);
        let slate = ids(&Diverse.select(&query, forward, 60));
        assert_eq!(slate, ids(&Diverse.select(&query, backward, 60)));
        assert_eq!(slate, ids(&Diverse.select(&query, turned, 60)));
    }
}

#[test]
fn a_candidate_s_key_does_not_depend_on_who_else_is_there() {
    let query = query(&RankerConfig::default(), 9);
    let alone = draw::draw(0.4, &Signals::default(), UserId(5), &Spent::default(), &query);
    assert_eq!(alone, draw::draw(0.4, &Signals::default(), UserId(5), &Spent::default(), &query));
    assert_ne!(alone.0.noise, draw::draw(0.4, &Signals::default(), UserId(6), &Spent::default(), &query).0.noise);
}

#[test]
fn gumbel_draws_follow_the_weights() {
    // With sharpness 1 and temperature 1 the weight of a candidate is its match: 1 : 2 : 3 : 4.
    const SEEDS: u64 = 20_000;
    let mut config = RankerConfig::default();
    (config.draw.sharpness, config.draw.popularity_exponent, config.draw.exposure_exponent) = (1.0, 0.0, 0.0);
    config.draw.temperature = 1.0;
    let base = query(&config, 0);
    let weights = [0.1, 0.2, 0.3, 0.4];
    let (mut first, mut second_after_4) = ([0u32; 4], [0u32; 4]);
    for seed in 0..SEEDS {
        let query = Query { seed, ..base.clone() };
        let key = |at: &usize| draw::draw(weights[*at], &Signals::default(), UserId(*at as u64 + 1), &Spent::default(), &query).0.key;
        let mut order: Vec<usize> = (0..4).collect();
        order.sort_by(|a, b| key(b).total_cmp(&key(a)));
        first[order[0]] += 1;
        if order[0] == 3 {
            second_after_4[order[1]] += 1;
        }
    }
    let chi2 = |seen: &[u32], probability: &[f64]| {
        let n: u32 = seen.iter().sum();
        seen.iter().zip(probability).map(|(s, p)| (f64::from(*s) - p * f64::from(n)).powi(2) / (p * f64::from(n))).sum::<f64>()
    };
    // 99.9 % of fair draws stay below 16.3 (3 degrees of freedom) and 13.8 (2).
    assert!(chi2(&first, &weights) < 16.3, "{first:?}");
    let rest = [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0];
    assert!(chi2(&second_after_4[..3], &rest) < 13.8, "without replacement: {second_after_4:?}");
    assert_eq!(second_after_4[3], 0);
}

#[test]
fn popularity_shifts_chances_and_exposure_spreads_them() {
    let mut config = RankerConfig::default();
    config.draw.temperature = 0.0;
    let query = query(&config, 1);
    let of = |like_rate: f32, impressions: f32| {
        draw::draw(0.5, &Signals { like_rate, impressions, ..Signals::default() }, UserId(2), &Spent::default(), &query).0.key
    };
    assert!(of(0.4, 0.0) > of(0.12, 0.0), "the liked come sooner");
    assert!(of(0.12, 500.0) < of(0.12, 5.0), "the much seen give way");
}

#[test]
fn newcomers_have_their_places() {
    let config = RankerConfig::default();
    let query = query(&config, 4);
    let people = (1..=120).map(|user| {
        let mut p = plain(user);
        p.profile.created_at = now() - TimeDelta::days(if user > 110 { 2 } else { 100 });
        p
    });
    let table = table(people);
    let read = table.read();
    let viewer = Face::of(&read, UserId(1), now()).unwrap();
    // Newcomers match far worse: without a guarantee none would be among the first.
    let all = (2..=120)
        .map(|user| scored(&read, &viewer, user, &[SourceName::TasteContent], if user > 110 { 0.01 } else { 0.9 }, &query))
        .collect();
    let slate = Diverse.select(&query, all, 100);
    for (run, ten) in slate.chunks(10).enumerate() {
        assert!(ten.iter().any(|s| s.newcomer), "positions {run}0 to {run}9");
    }
}

#[test]
fn who_came_back_shares_the_places_of_newcomers_and_who_had_enough_comes_last() {
    let config = RankerConfig::default();
    let query = query(&config, 4);
    let table = table((1..=120).map(plain));
    let read = table.read();
    let viewer = Face::of(&read, UserId(1), now()).unwrap();
    let one = |user: u64| {
        let worth = if user > 110 { 0.01 } else { 0.9 };
        let mut one = scored(&read, &viewer, user, &[SourceName::TasteContent], worth, &query);
        (one.returning, one.draw.capped) = (user > 110, user <= 21);
        one
    };
    let slate = Diverse.select(&query, (2..=120).map(one).collect(), 119);
    for (run, ten) in slate.chunks(10).take(9).enumerate() {
        assert!(ten.iter().any(|s| s.returning), "positions {run}0 to {run}9");
    }
    let capped: Vec<bool> = slate.iter().map(|s| s.draw.capped).collect();
    assert!(capped[..99].iter().all(|capped| !capped) && capped[99..].iter().all(|capped| *capped), "{capped:?}");
    let mut removed = Vec::new();
    let (slate, _) = explained(&Diverse, &query, (2..=120).map(one).collect(), 90, &mut removed);
    assert!(slate.iter().all(|s| !s.draw.capped));
    let told = |filter: FilterName| removed.iter().filter(|r| r.filter == filter).count();
    assert_eq!((told(FilterName::EnoughToday), told(FilterName::NotSelected)), (20, 9));
    assert!(removed.iter().all(|r| r.filter != FilterName::EnoughToday || (r.reason.contains("today") && r.reason_zh.contains("今日"))));
}

#[test]
fn caps_hold_and_give_way_only_when_the_deck_would_stay_short() {
    let mut config = RankerConfig::default();
    config.selector.source_caps = [(SourceName::Hot, 0.2)].into();
    let query = query(&config, 4);
    let table = table((1..=101).map(plain));
    let read = table.read();
    let viewer = Face::of(&read, UserId(1), now()).unwrap();
    let all = || {
        (2..=101)
            .map(|user| {
                scored(
                    &read,
                    &viewer,
                    user,
                    &[if user <= 51 { SourceName::Hot } else { SourceName::NearMe }],
                    if user <= 51 { 0.9 } else { 0.3 },
                    &query,
                )
            })
            .collect()
    };
    let hot = |slate: &[Scored<'_>]| slate.iter().filter(|s| s.sources == [SourceName::Hot]).count();
    assert_eq!(hot(&Diverse.select(&query, all(), 50)), 10);
    let everybody = Diverse.select(&query, all(), 100);
    assert_eq!((everybody.len(), hot(&everybody)), (100, 50));
}

#[test]
fn neighbours_are_unlike_each_other() {
    let mut config = RankerConfig::default();
    config.draw.temperature = 0.0;
    config.selector.diversity = 0.0;
    let flat = query(&config, 2);
    config.selector.diversity = 3.0;
    let diverse = query(&config, 2);
    let people = (1..=61).map(|user| {
        let mut p = plain(user);
        p.tags = vec![TagWeight { tag: format!("t{}", user % 3), weight: 1.0 }];
        p
    });
    let table = table(people);
    let read = table.read();
    let viewer = Face::of(&read, UserId(1), now()).unwrap();
    let alike = |query: &Query| {
        // By key alone, all of one tag come first.
        let all = (2..=61).map(|user| scored(&read, &viewer, user, &[SourceName::NearMe], 0.8 - 0.05 * (user % 3) as f64, query)).collect();
        let slate = Diverse.select(query, all, 15);
        slate.windows(2).filter(|w| diverse::likeness(&w[0].pair.candidate, &w[1].pair.candidate) > 0.5).count()
    };
    assert_eq!(alike(&flat), 14);
    assert!(alike(&diverse) <= 4, "{}", alike(&diverse));
}
