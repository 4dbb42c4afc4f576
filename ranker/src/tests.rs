//! Whole decks.

#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use features::event::InteractionKind as Kind;
use features::ids::UserId;
use features::profile::Position;
use index::geo::Bucket;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use proptest::prelude::*;

use crate::deck::{Deck, DeckItem, Side};
use crate::error::SourceError;
use crate::query::Query;
use crate::scorers::harmonic;
use crate::sources::{Source, sources};
use crate::testing::{Vectors, did, now, person, plain};
use crate::{DeckRequest, FilterName, Parts, RankError, RankerConfig, Recheck, Recommender, SourceName, TermName};

mod exposure;
mod recall;
mod trilateration;

const DIM: usize = 16;

fn parts(people: impl IntoIterator<Item = features::portrait::Portrait>) -> Parts {
    let table = Arc::new(PortraitTable::default());
    people.into_iter().for_each(|p| assert!(table.apply(&p)));
    let hot = HotPool::default();
    hot.refresh(&table, now(), 500);
    Parts { vectors: Arc::new(Vectors::All(Arc::clone(&table))), table, ledger: Arc::new(Ledger::default()), hot: Arc::new(hot) }
}

fn town(people: u64) -> Parts {
    parts((1..=people).map(|user| person(user, DIM)))
}

fn request(viewer: u64) -> DeckRequest {
    DeckRequest { viewer: UserId(viewer), deck_id: "d1".into(), seed: 42, now: now(), position: None, limit: 50 }
}

fn recommender(parts: &Parts, config: &RankerConfig) -> Recommender {
    Recommender::new(parts.clone(), config).unwrap()
}

async fn deck(parts: &Parts, request: &DeckRequest) -> Deck {
    recommender(parts, &RankerConfig::default()).deck(request).await.unwrap()
}

fn ids(items: &[DeckItem]) -> Vec<u64> {
    items.iter().map(|item| item.user_id.0).collect()
}

/// What a filter must never let through, written down a second time and as plainly as possible.
fn may_be_shown(parts: &Parts, viewer: u64, candidate: u64) -> bool {
    let read = parts.table.read();
    let (Some(a), Some(b)) = (read.row_of(UserId(viewer)), read.row_of(UserId(candidate))) else { return false };
    let (pa, pb) = (read.profile(a), read.profile(b));
    let km = read.position(a).zip(read.position(b)).map(|(x, y)| index::geo::km(x, y));
    let wants = |me: &features::profile::Profile, you: &features::profile::Profile| {
        let p = &me.preferences;
        (p.genders.is_empty() || p.genders.contains(&you.gender))
            && you.age(now()) >= p.min_age
            && you.age(now()) <= p.max_age
            && p.max_distance_km.is_none_or(|limit| km.is_some_and(|km| km <= f64::from(limit)))
    };
    let (u, c, l) = (UserId(viewer), UserId(candidate), &parts.ledger);
    viewer != candidate
        && pb.visible()
        && wants(&pa, &pb)
        && wants(&pb, &pa)
        && !l.blocked(u, c)
        && !l.likes(u, c)
        && !l.passed(u, c)
        && !l.shown_within(u, c, now(), TimeDelta::days(30))
}

fn recompute(item: &DeckItem) {
    let mut sums = HashMap::from([(Side::Viewer, 0.0), (Side::Candidate, 0.0)]);
    for side in [Side::Viewer, Side::Candidate] {
        let terms: Vec<_> = item.terms.iter().filter(|t| t.side == side).collect();
        let weights: f64 = terms.iter().map(|t| f64::from(t.weight)).sum();
        for term in terms {
            assert!((0.0..=1.0).contains(&term.value), "{term:?}");
            let contribution = f64::from(term.value) * f64::from(term.weight) / weights;
            assert!((contribution - f64::from(term.contribution)).abs() < 1e-6);
            *sums.get_mut(&side).unwrap() += f64::from(term.contribution);
        }
    }
    let (a, b) = (sums[&Side::Viewer], sums[&Side::Candidate]);
    let near = |x: f64, y: f32| (x - f64::from(y)).abs() < 1e-5;
    assert!(near(a, item.sides.viewer) && near(b, item.sides.candidate), "terms sum to the sides");
    assert!(near(harmonic(a, b), item.sides.mutual), "the match is the harmonic mean");
    let d = item.draw;
    let f = f64::from;
    let lift = f(d.popularity_exponent) * f(d.popularity).ln() + f(d.exposure_exponent) * f(d.exposure).ln() - f(d.budget);
    assert!(near(f(item.sides.mutual) * lift.exp(), item.score), "the score is match times popularity times exposure");
    let key = f(d.sharpness) * f(item.sides.mutual).ln() + lift + f(d.temperature) * f(d.noise);
    assert!((key - f(d.key)).abs() < 1e-3 * key.abs().max(1.0), "the key can be recomputed: {key} {}", d.key);
}

#[tokio::test]
async fn the_same_inputs_give_the_same_deck_whatever_the_order_of_sources() {
    let parts = town(400);
    let config = RankerConfig::default();
    let one = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    let again = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    let mut turned = sources();
    turned.reverse();
    let other = recommender(&parts, &config).with_sources(turned).deck(&request(1)).await.unwrap();
    let text = |deck: &Deck| serde_json::to_string(&(&deck.items, &deck.removed, &deck.degraded, &deck.config_version)).unwrap();
    assert_eq!(text(&one), text(&again));
    assert_eq!(text(&one), text(&other));
    assert_eq!(one.items.len(), 50);
    assert!(one.degraded.is_empty());
    let seeded = recommender(&parts, &config).deck(&DeckRequest { seed: 43, ..request(1) }).await.unwrap();
    assert_ne!(ids(&one.items), ids(&seeded.items), "another seed, another draw");
    let json = serde_json::to_value(&one).unwrap();
    assert_eq!(serde_json::from_value::<Deck>(json).unwrap(), one);
}

#[tokio::test]
async fn every_stage_is_measured_and_every_source_found_somebody() {
    let mut people: Vec<_> = (1..=400).map(|user| person(user, DIM)).collect();
    people[0].profile.height_cm = Some(175);
    people[0].profile.education = Some(features::profile::Education::Bachelor);
    let parts = parts(people);
    parts.ledger.apply_all(&[did(1, 2, Kind::Like, TimeDelta::days(1)), did(2, 1, Kind::Like, TimeDelta::days(1))]);
    parts.ledger.apply_all(&[did(2, 12, Kind::Like, TimeDelta::days(1)), did(12, 2, Kind::Like, TimeDelta::days(1))]);
    let deck = deck(&parts, &request(1)).await;
    let left = |stage: &str, name: &str| {
        deck.timings.iter().find(|t| t.stage == stage && t.name == name).unwrap_or_else(|| panic!("{stage} {name}")).left
    };
    for source in SourceName::ALL {
        assert!(left("source", source.name()) > 0, "{source:?}");
    }
    use FilterName::{EnoughToday, Erased, NoPortrait, NotScored, NotSelected};
    for filter in FilterName::ALL.iter().filter(|f| ![NoPortrait, NotScored, NotSelected, EnoughToday, Erased].contains(f)) {
        assert!(left("filter", filter.name()) > 0, "{filter:?}");
    }
    for term in TermName::ALL {
        assert!(left("scorer", term.name()) > 0, "{term:?}");
    }
    assert_eq!(left("selector", "diverse"), 50);
}

#[tokio::test]
async fn unknown_viewers_and_impossible_places_are_errors() {
    let parts = town(5);
    let recommender = recommender(&parts, &RankerConfig::default());
    assert_eq!(recommender.deck(&request(99)).await, Err(RankError::UnknownViewer(UserId(99))));
    let nowhere = DeckRequest { position: Some(Position { lat: 99.0, lon: 0.0 }), ..request(1) };
    assert_eq!(recommender.deck(&nowhere).await, Err(RankError::Position));
    assert_eq!(recommender.fallback(&request(99), "x"), Err(RankError::UnknownViewer(UserId(99))));
}

#[tokio::test]
async fn a_block_between_pages_is_in_force_on_the_next() {
    let parts = town(300);
    let recommender = recommender(&parts, &RankerConfig::default());
    let deck = recommender.deck(&request(1)).await.unwrap();
    let people = ids(&deck.items);
    let minute = TimeDelta::zero();
    parts.ledger.apply_all(&[
        did(people[1], 1, Kind::Block, minute),
        did(1, people[3], Kind::Pass, minute),
        did(1, people[4], Kind::Impression, minute),
    ]);
    parts.ledger.apply(&did(1, people[0], Kind::Impression, minute));
    parts.table.remove(UserId(people[5]));
    let page = Recheck { viewer: UserId(1), now: now(), position: None, shown_by_deck: HashSet::from([UserId(people[0])]) };
    let (kept, removed) = recommender.recheck(&page, deck.items[..10].to_vec()).unwrap();
    let expected: Vec<u64> = [0, 2, 6, 7, 8, 9].map(|at| people[at]).to_vec();
    assert_eq!(ids(&kept), expected, "order is kept; what this deck has shown itself stays");
    let why: HashMap<u64, FilterName> = removed.iter().map(|r| (r.user_id.0, r.filter)).collect();
    let told = HashMap::from([
        (people[1], FilterName::Blocked),
        (people[3], FilterName::AlreadyAnswered),
        (people[4], FilterName::AlreadyShown),
        (people[5], FilterName::NoPortrait),
    ]);
    assert_eq!(why, told);
    let gone = Recheck { viewer: UserId(9_999), ..page };
    assert!(recommender.recheck(&gone, deck.items).is_err(), "an unknown viewer sees nobody");
}

#[tokio::test]
async fn nobody_is_shown_twice_until_the_window_has_passed() {
    let parts = town(120);
    let mut seen = HashSet::new();
    for page in 0..20 {
        let deck = deck(&parts, &DeckRequest { seed: page, limit: 10, ..request(1) }).await;
        for user in ids(&deck.items) {
            assert!(seen.insert(user), "{user} twice");
            parts.ledger.apply(&did(1, user, Kind::Impression, TimeDelta::zero()));
        }
    }
    let everybody = (1..=120).filter(|c| may_be_shown(&parts, 1, *c)).count();
    assert_eq!(everybody, 0, "all who may be shown were shown in the end");
    let later = deck(&parts, &DeckRequest { now: now() + TimeDelta::days(31), ..request(1) }).await;
    assert!(!later.items.is_empty());
}

#[tokio::test]
async fn places_matter_as_buckets_only() {
    let mut people: Vec<_> = (1..=3).map(plain).collect();
    people[1].profile.position = Some(Position { lat: 31.23, lon: 121.47 + 0.24 });
    people[2].profile.position = Some(Position { lat: 31.23, lon: 121.47 + 0.44 });
    let parts = parts(people);
    let terms = |deck: &Deck| -> HashMap<u64, (Bucket, f32)> {
        let value = |item: &DeckItem| item.terms.iter().find(|t| t.name == TermName::Distance).unwrap().value;
        deck.items.iter().map(|item| (item.user_id.0, (item.distance, value(item)))).collect()
    };
    let home = terms(&deck(&parts, &request(1)).await);
    assert_eq!(home[&2].0, Bucket::Under50);
    assert_eq!(home[&2], home[&3], "22 km and 42 km away look the same");
    let moved = DeckRequest { position: Some(Position { lat: 31.23, lon: 121.91 }), ..request(1) };
    let there = terms(&deck(&parts, &moved).await);
    assert_eq!((there[&3].0, there[&2].0), (Bucket::Under5, Bucket::Under20));
    assert!(there[&3].1 > there[&2].1);
}

#[tokio::test]
async fn a_region_has_its_own_weights() {
    let parts = town(200);
    let json = serde_json::json!({"regions": {"上海": {"weights": {"distance": 50.0}, "deck": {"size": 7}}}});
    let config: RankerConfig = serde_json::from_value(json).unwrap();
    let plain = deck(&parts, &request(1)).await;
    let here = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    assert_eq!(here.items.len(), 7);
    assert_eq!(here.region.as_deref(), Some("上海"));
    assert_ne!(here.config_version, plain.config_version);
    let weight = here.items[0].terms.iter().find(|t| t.name == TermName::Distance).unwrap().weight;
    assert!((weight - 50.0).abs() < 1e-6);
}

#[tokio::test]
async fn the_cost_is_bounded() {
    let parts = town(600);
    let mut config = RankerConfig::default();
    config.deck.size = 20;
    config.deck.candidates_to_score = 40;
    let deck = recommender(&parts, &config).deck(&request(1)).await.unwrap();
    let scored = deck.timings.iter().find(|t| t.stage == "scorer").unwrap().entered;
    assert_eq!((scored, deck.items.len()), (40, 20));
}

/// Recalled is shown or waiting (both are items), or removed: nobody is in two of them, and nobody in none.
#[tokio::test]
async fn everybody_recalled_is_accounted_for() {
    let parts = town(600);
    parts.ledger.apply_all(&[did(1, 8, Kind::Pass, TimeDelta::days(1)), did(10, 1, Kind::Block, TimeDelta::days(1))]);
    let mut config = RankerConfig::default();
    config.deck.size = 20;
    config.deck.candidates_to_score = 40;
    let recommender = recommender(&parts, &config);
    let deck = recommender.deck(&request(1)).await.unwrap();
    let recalled: HashSet<UserId> = recommender.recalled(&request(1)).await.unwrap().into_iter().map(|c| c.user).collect();
    let items: HashSet<UserId> = deck.items.iter().map(|i| i.user_id).collect();
    let removed: HashSet<UserId> = deck.removed.iter().map(|r| r.user_id).collect();
    assert_eq!((items.len(), removed.len()), (deck.items.len(), deck.removed.len()), "each once");
    assert!(items.is_disjoint(&removed));
    assert_eq!(items.union(&removed).copied().collect::<HashSet<_>>(), recalled);
    let by = |filter: FilterName| deck.removed.iter().filter(|r| r.filter == filter).count();
    assert_eq!(by(FilterName::NotSelected), 20, "scored and not drawn");
    let filtered = deck.removed.len() - by(FilterName::NotSelected) - by(FilterName::NotScored);
    assert_eq!(by(FilterName::NotScored), recalled.len() - filtered - 40);
    assert!(by(FilterName::NotScored) > 0 && filtered > 0);
    assert!(deck.removed.iter().all(|r| !r.reason.is_empty() && !r.reason_zh.is_empty()));
}

#[tokio::test]
async fn reasons_are_told_in_both_languages() {
    let mut people: Vec<_> = (1..=2).map(plain).collect();
    let tag = |name: &str| features::portrait::TagWeight { tag: name.to_owned(), weight: 1.0 };
    people[0].tags = vec![tag("爬山"), tag("jazz")];
    people[0].liked_tags = vec![tag("猫")];
    people[1].tags = vec![tag("爬山"), tag("猫")];
    people[1].liked_tags = vec![tag("jazz")];
    people[1].profile.created_at = now() - TimeDelta::days(1);
    let deck = deck(&parts(people), &DeckRequest { limit: 1, ..request(1) }).await;
    let all = RankerConfig::default().deck.reasons;
    let said: Vec<(&str, &str, &str)> = deck.items[0].reasons.iter().map(|r| (r.code.as_str(), r.zh.as_str(), r.en.as_str())).collect();
    assert_eq!(said.len(), all);
    assert!(said.contains(&("distance", "距离不到 5 公里", "Less than 5 km away")), "{said:?}");
    assert!(said.contains(&("liked_tags", "TA 分享的猫正合你的口味", "Shares 猫, which you like")), "{said:?}");
    assert!(said.contains(&("likes_what_you_share", "TA 喜欢你分享的jazz", "Likes what you share: jazz")), "{said:?}");
    assert!(deck.items[0].newcomer);
}

#[tokio::test]
async fn anybody_can_be_judged() {
    let parts = town(300);
    let recommender = recommender(&parts, &RankerConfig::default());
    let deck = recommender.deck(&request(1)).await.unwrap();
    let judged = recommender.judge(&request(1), deck.items[3].user_id).unwrap();
    assert_eq!(judged.items.len(), 1);
    assert_eq!((&judged.items[0].terms, judged.items[0].draw), (&deck.items[3].terms, deck.items[3].draw), "as in the deck");
    parts.ledger.apply(&did(1, deck.items[3].user_id.0, Kind::Pass, TimeDelta::zero()));
    let refused = recommender.judge(&request(1), deck.items[3].user_id).unwrap();
    assert_eq!((refused.items.len(), refused.removed[0].filter), (0, FilterName::AlreadyAnswered));
}

/// The share of all first places (ten for each of 150 viewers, one after the other within a day) that the most shown tenth of people gets.
async fn concentration(parts: &Parts, config: &RankerConfig) -> f64 {
    let recommender = recommender(parts, config);
    let mut shown: HashMap<u64, u32> = HashMap::new();
    for viewer in (1..300).step_by(2) {
        let deck = recommender.deck(&DeckRequest { seed: viewer, limit: 10, ..request(viewer) }).await.unwrap();
        for user in ids(&deck.items) {
            *shown.entry(user).or_default() += 1;
            parts.ledger.apply(&did(viewer, user, Kind::Impression, TimeDelta::zero()));
        }
    }
    let mut counts: Vec<u32> = shown.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top: u32 = counts.iter().take(300 / 2 / 10).sum();
    f64::from(top) / f64::from(counts.iter().sum::<u32>())
}

#[tokio::test]
async fn exposure_spreads_instead_of_piling_up() {
    let drawn = concentration(&town(300), &RankerConfig::default()).await;
    let mut config = RankerConfig::default();
    (config.draw.temperature, config.draw.exposure_exponent, config.draw.popularity_exponent) = (0.0, 0.0, 1.0);
    (config.selector.diversity, config.selector.newcomer_every, config.exposure.pile_up_cap) = (0.0, 0, 0.0);
    let sorted = concentration(&town(300), &config).await;
    assert!(
        drawn < 0.75 * sorted,
        "the top tenth gets {drawn:.2} of the places drawn, {sorted:.2} of those sorted by score and popularity"
    );
}

#[tokio::test]
async fn a_seed_is_text_in_json() {
    let deck = deck(&town(20), &DeckRequest { seed: u64::MAX, ..request(1) }).await;
    let json = serde_json::to_value(&deck).unwrap();
    assert_eq!(json["seed"], "18446744073709551615", "JavaScript numbers lose everything above 2^53");
    assert_eq!(serde_json::from_value::<Deck>(json).unwrap(), deck);
}

fn happenings() -> impl Strategy<Value = Vec<(u64, u64, Kind)>> {
    const KINDS: [Kind; 6] = [Kind::Block, Kind::Like, Kind::Follow, Kind::Pass, Kind::Impression, Kind::Unblock];
    prop::collection::vec((1u64..60, 1u64..60, prop::sample::select(&KINDS[..])), 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nobody_whom_a_filter_refuses_is_ever_shown(events in happenings(), viewer in 1u64..60, seed in any::<u64>(), scan in prop::bool::ANY) {
        let parts = town(60);
        for (at, (actor, target, kind)) in events.iter().enumerate().filter(|(_, e)| e.0 != e.1) {
            parts.ledger.apply(&did(*actor, *target, *kind, TimeDelta::minutes(at as i64)));
        }
        let mut config = RankerConfig::default();
        config.deck.exact_scan_below = if scan { 20_000 } else { 0 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deck = runtime.block_on(recommender(&parts, &config).deck(&DeckRequest { seed, limit: 200, ..request(viewer) })).unwrap();
        let shown = ids(&deck.items);
        let allowed: Vec<u64> = (1..=60).filter(|c| may_be_shown(&parts, viewer, *c)).collect();
        for user in &shown {
            prop_assert!(allowed.contains(user), "{user} must not be shown to {viewer}");
        }
        for user in &allowed {
            prop_assert!(shown.contains(user), "in a town of 60 everybody who may be shown is: {user} is not shown to {viewer}");
        }
        prop_assert_eq!(shown.iter().collect::<HashSet<_>>().len(), shown.len());
        for removed in deck.removed.iter().filter(|r| r.filter != FilterName::NotSelected) {
            prop_assert!(!may_be_shown(&parts, viewer, removed.user_id.0), "{:?}", removed);
            prop_assert!(!removed.reason.is_empty() && !removed.reason_zh.is_empty());
        }
        deck.items.iter().for_each(recompute);
    }
}

#[tokio::test]
async fn without_filters_whoever_is_known_is_scored_as_with_them() {
    let parts = town(60);
    let config = RankerConfig::default();
    let (strict, lenient) = (recommender(&parts, &config), recommender(&parts, &config).with_filters(Vec::new()));
    let ask = DeckRequest { limit: 1, ..request(1) };
    let (mut shown, mut refused) = (0, 0);
    for candidate in (1..=60).map(UserId) {
        let judged = strict.judge(&ask, candidate).unwrap();
        let scored = lenient.judge(&ask, candidate).unwrap();
        assert!(scored.removed.is_empty() && scored.items.len() == 1, "{candidate}");
        recompute(&scored.items[0]);
        match judged.items.first() {
            Some(item) => {
                shown += 1;
                assert_eq!(item, &scored.items[0]);
            }
            None => refused += 1,
        }
    }
    assert!(shown > 0 && refused > 0, "{shown} {refused}");
    let nobody = lenient.judge(&ask, UserId(999)).unwrap();
    assert_eq!(nobody.removed[0].filter, FilterName::NoPortrait);
}

#[tokio::test]
async fn what_sources_fetch_is_what_decks_are_made_of() {
    let parts = town(300);
    let recommender = recommender(&parts, &RankerConfig::default());
    let fetched = recommender.fetch(&request(1)).await.unwrap();
    assert_eq!(fetched.len(), sources().len());
    for item in recommender.deck(&request(1)).await.unwrap().items {
        for source in &item.sources {
            let found = fetched.iter().find(|f| f.source == *source).unwrap().found.as_ref().unwrap();
            assert!(found.contains(&item.user_id), "{source:?}");
        }
    }
    assert_eq!(recommender.fetch(&request(999)).await.unwrap_err(), RankError::UnknownViewer(UserId(999)));
}
