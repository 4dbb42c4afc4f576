//! A deck made again from its trace is the deck, to the last bit.

use std::collections::HashMap;

use features::portrait::{Portrait, TagWeight};
use features::profile::Profile;
use features::vector::QVector;

use super::*;
use crate::config::Effective;
use crate::deck::PortraitVersion;
use crate::strategy::Strategies;
use crate::trace::Trace;
use crate::{ReplayError, replay};

/// Portraits by user and version, as a log keeps them.
type Log = HashMap<(UserId, PortraitVersion), Portrait>;

fn version(portrait: &Portrait) -> PortraitVersion {
    PortraitVersion { generation: portrait.generation, version: portrait.version }
}

/// A town that has seen something: an earlier model of vectors, tags in another order, profiles changed since the last portrait, people
/// without a portrait yet. With what a log would have kept of it.
fn lived_in(people: u64, salt: u64) -> (Parts, Log) {
    let parts = parts([]);
    let mut log = Log::new();
    for tag in 0..salt % 23 {
        let stranger = Portrait { tags: vec![TagWeight { tag: format!("t{tag}"), weight: 1.0 }], version: tag, ..plain(90_000) };
        parts.table.apply(&stranger);
    }
    parts.table.remove(UserId(90_000));
    let mut dice = crate::testing::Dice::new(salt);
    for user in (1..=people).rev() {
        let dim = if dice.roll(9) == 0 && user > people / 2 { DIM / 2 } else { DIM };
        let mut portrait = Portrait { version: 1 + dice.roll(1 << 41), ..person(user, dim) };
        for tag in portrait.tags.iter_mut().chain(&mut portrait.liked_tags) {
            tag.weight = dice.unit() as f32;
        }
        // Whoever has overlaps of seven tags has sums that depend on their order, if anything does.
        portrait.tags.extend((0..7).map(|n| TagWeight { tag: format!("t{n}"), weight: dice.unit() as f32 }));
        parts.table.apply(&portrait);
        if dice.roll(12) == 0 {
            parts.table.overlay(UserId(user), &Profile { bio: Some("new".into()), photos: 1, ..portrait.profile.clone() });
        }
        log.insert((UserId(user), version(&portrait)), portrait);
    }
    for user in people + 1..people + 4 {
        parts.table.overlay(UserId(user), &person(user, DIM).profile);
    }
    parts.hot.refresh(&parts.table, now(), 500);
    (parts, log)
}

fn traced(parts: &Parts, config: &RankerConfig, request: &DeckRequest) -> (Deck, Trace) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(recommender(parts, config).traced(request)).unwrap()
}

fn again(trace: &Trace, log: &Log) -> Result<Deck, ReplayError> {
    replay(trace, Strategies::default(), |user, version| log.get(&(user, version)).cloned())
}

fn text(deck: &Deck) -> String {
    serde_json::to_string(&(&deck.items, &deck.degraded, &deck.config_version, &deck.region, deck.made_at)).unwrap()
}

fn config(strategy: &str, diversity: f64, size: usize) -> RankerConfig {
    let json = serde_json::json!({
        "strategy": strategy, "selector": {"diversity": diversity}, "deck": {"size": size}, "exposure": {"daily_budget": 2, "pile_up_cap": 1.5},
        "regions": {"上海": {"weights": {"distance": 3.3}}},
        "experiments": {"closer": {"share": 1.0, "arms": {"control": {}, "near": {"overrides": {"weights": {"age": 0.1}}}}}}
    });
    serde_json::from_value(json).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_deck_made_again_is_the_deck(
        people in 4u64..180, salt in any::<u64>(), seed in any::<u64>(), limit in 1usize..90,
        strategy in prop::sample::select(vec!["formula", "one_sided", "popularity", "distance", "random", "warm"]),
        diversity in 0.0f64..3.0, moved in any::<bool>(),
    ) {
        let (parts, log) = lived_in(people, salt);
        parts.rates.refresh(&parts.table, now());
        let viewer = 1 + salt % (people + 3);
        parts.ledger.apply_all(&[did(viewer, 1 + salt % people + 1, Kind::Pass, TimeDelta::days(1))]);
        // Some have been shown to many today, and some of them came back.
        let shown = (0..salt % 400).map(|n| did(10_000 + n % 7, 1 + (salt / 7 + n * n) % people, Kind::Impression, TimeDelta::minutes(1)));
        parts.ledger.apply_all(&shown.collect::<Vec<_>>());
        let back = [did(1 + salt % people, 20_000, Kind::Like, TimeDelta::days(12)), did(1 + salt % people, 20_001, Kind::Like, TimeDelta::hours(1))];
        parts.ledger.apply_all(&back);
        let position = moved.then_some(Position { lat: 31.1, lon: 121.3 });
        let request = DeckRequest { seed, limit, position, ..request(viewer) };
        let (deck, mut trace) = traced(&parts, &config(strategy, diversity, 60), &request);
        // As it is after it was written down and read.
        let effective = Effective::from_json(&trace.effective.to_json(), trace.effective.experiments.clone()).unwrap();
        prop_assert_eq!(&effective, &*trace.effective);
        trace.effective = Arc::new(effective);
        prop_assert_eq!(text(&again(&trace, &log).unwrap()), text(&deck));
    }

    #[test]
    fn another_portrait_makes_another_deck(salt in any::<u64>(), seed in any::<u64>(), whom in any::<prop::sample::Index>()) {
        let (parts, mut log) = lived_in(150, salt);
        let (deck, trace) = traced(&parts, &config("formula", 1.5, 60), &DeckRequest { seed, ..request(3) });
        prop_assume!(!deck.items.is_empty());
        // Somebody on the deck, or the viewer: others may not matter.
        let at = whom.index(deck.items.len() + 1);
        let user = deck.items.get(at).map_or(UserId(3), |item| item.user_id);
        let seen = trace.people().find(|seen| seen.user == user).unwrap();
        prop_assume!(seen.portrait.version > 0);
        let portrait = log.get_mut(&(user, seen.portrait)).unwrap();
        *portrait.counters.entry("activity_sessions.sessions_d7".into()).or_default() *= 0.5;
        prop_assert_ne!(text(&again(&trace, &log).unwrap()), text(&deck));
    }
}

#[test]
fn what_is_missing_or_changed_is_named() {
    let (parts, log) = lived_in(100, 7);
    let (deck, trace) = traced(&parts, &RankerConfig::default(), &request(3));
    let shown = deck.items.iter().find(|item| log.contains_key(&(item.user_id, item.portrait_version))).unwrap();
    let key = (shown.user_id, shown.portrait_version);
    let with = |change: &dyn Fn(&mut Log)| {
        let mut log = log.clone();
        change(&mut log);
        again(&trace, &log)
    };
    assert_eq!(with(&|log| drop(log.remove(&key))), Err(ReplayError::Missing(vec![key])));
    let hidden = with(&|log| log.get_mut(&key).unwrap().profile.hidden = true);
    let seen = trace.people().find(|seen| seen.user == key.0).unwrap();
    if !seen.overlaid {
        let removed = hidden.unwrap().removed.into_iter().find(|removed| removed.user_id == key.0).unwrap();
        assert_eq!(removed.filter, FilterName::Hidden);
    }
    let with_content = trace.people().find(|seen| seen.content).unwrap();
    let bare = with(&|log| log.get_mut(&(with_content.user, with_content.portrait)).unwrap().content = None);
    assert_eq!(bare, Err(ReplayError::Vectors(with_content.user)));
    let other = with(&|log| {
        let values = vec![1.0; DIM * 2];
        log.values_mut().filter(|p| p.content.is_some()).for_each(|p| p.content = Some(QVector::from_f32(&values)));
    });
    assert_ne!(other.map(|deck| text(&deck)), Ok(text(&deck)));
    let overlaid = Trace { overlays: Vec::new(), ..trace.clone() };
    if let Some(seen) = trace.people().find(|seen| seen.overlaid) {
        assert_eq!(again(&overlaid, &log), Err(ReplayError::NoOverlay(seen.user)));
    }
}
