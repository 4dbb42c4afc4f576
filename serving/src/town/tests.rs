#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use super::*;
use features::text::is_chinese;
use features::validate::validate;

fn spec(users: u32, days: u32, seed: u64) -> TownSpec {
    TownSpec { users, days, seed, until: DateTime::from_timestamp(1_795_000_000, 0).unwrap() }
}

#[test]
fn the_same_seed_gives_the_same_town_and_another_another() {
    let bytes = |seed| Town::new(spec(60, 3, seed)).events().iter().map(Event::encode).collect::<Vec<_>>();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// The gate drops an event whose id it has seen: an id that two towns share would take something out of the second.
#[test]
fn towns_that_differ_in_anything_share_no_id() {
    let ids = |spec: TownSpec| {
        let town = Town::new(spec);
        let events = town.events();
        let decks = events.iter().filter_map(|e| if let Event::Interaction(i) = e { i.deck_id.clone() } else { None });
        let all: HashSet<String> = events.iter().map(|e| e.event_id().to_string()).chain(decks).collect();
        assert!(all.len() > 150, "{}", all.len());
        all
    };
    let one = spec(60, 3, 1);
    let first = ids(one.clone());
    let others = [
        TownSpec { users: 61, ..one.clone() },
        TownSpec { days: 4, ..one.clone() },
        TownSpec { seed: 2, ..one.clone() },
        TownSpec { until: one.until + TimeDelta::seconds(1), ..one },
    ];
    for other in others {
        let shared = ids(other.clone()).intersection(&first).count();
        assert_eq!(shared, 0, "{other:?}");
    }
}

#[test]
fn every_event_passes_the_gate_once_and_in_order() {
    let town = Town::new(spec(200, 5, 3));
    let events = town.events();
    let now = town.spec.until;
    let mut ids = HashSet::new();
    for event in &events {
        assert!(validate(event, now).is_ok(), "{:?}: {event:?}", validate(event, now));
        assert!(ids.insert(event.event_id()), "{event:?}");
        assert!(event.event_time() <= now);
    }
    let lived: Vec<_> = events.iter().skip(town.residents().len()).map(Event::event_time).collect();
    assert!(lived.is_sorted() && lived.len() > 1000);
}

#[test]
fn both_languages_are_written_and_likes_follow_the_truth() {
    let town = Town::new(spec(400, 7, 5));
    let events = town.events();
    let texts: Vec<&str> = events.iter().filter_map(|e| if let Event::Moment(m) = e { Some(m.text.as_str()) } else { None }).collect();
    let chinese = texts.iter().filter(|t| is_chinese(t)).count();
    assert!(chinese * 10 > texts.len() && (texts.len() - chinese) * 10 > texts.len(), "{chinese} of {}", texts.len());
    let shared = |i: usize, j: usize| town.truth(i, j);
    let twin = (0..50).flat_map(|i| (50..100).map(move |j| (i, j))).max_by(|a, b| shared(a.0, a.1).total_cmp(&shared(b.0, b.1))).unwrap();
    assert!(shared(twin.0, twin.1) > 0.5);
}

#[test]
fn popularity_and_activity_are_as_uneven_as_in_the_data() {
    let town = Town::new(spec(1500, 14, 1));
    let figures = stats(&town, &town.events());
    let of = |metric: &str| figures.iter().find(|f| f.metric == metric).unwrap().value;
    println!("{figures:#?}");
    assert!((0.75..0.86).contains(&of("likes received, Gini")));
    assert!((0.12..0.35).contains(&of("likes received, share of the top 1 %")));
    assert!((0.52..0.64).contains(&of("likes given, Gini")));
    assert!((0.05..0.40).contains(&of("likes per impression")));
}
