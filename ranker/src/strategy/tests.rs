#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use features::ids::UserId;
use features::portrait::Portrait;
use index::geo::Bucket;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::testing::{Vectors, now, person};
use crate::{Deck, DeckItem, DeckRequest, Parts, Recommender};

fn parts(people: impl IntoIterator<Item = Portrait>) -> Parts {
    let table = Arc::new(PortraitTable::default());
    people.into_iter().for_each(|p| assert!(table.apply(&p)));
    let hot = HotPool::default();
    hot.refresh(&table, now(), 500);
    Parts {
        vectors: Arc::new(Vectors::All(Arc::clone(&table))),
        table,
        ledger: Arc::new(Ledger::default()),
        hot: Arc::new(hot),
        rates: Arc::default(),
    }
}

/// A configuration in which nothing but the draw decides about the order.
fn bare(strategy: &str) -> RankerConfig {
    let mut config = RankerConfig { strategy: strategy.to_owned(), ..RankerConfig::default() };
    (config.selector.diversity, config.selector.newcomer_every) = (0.0, 0);
    config.selector.source_caps.clear();
    config
}

fn deck(parts: &Parts, config: &RankerConfig, seed: u64) -> Deck {
    let request = DeckRequest { viewer: UserId(1), deck_id: "d".into(), seed, now: now(), position: None, limit: 200 };
    let recommender = Recommender::new(parts.clone(), config).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(recommender.deck(&request)).unwrap()
}

fn pairs(items: &[DeckItem], of: impl Fn(&DeckItem) -> f64) -> f64 {
    let pairs = items.windows(2).filter(|w| of(&w[0]) < of(&w[1])).count();
    pairs as f64 / (items.len() - 1) as f64
}

#[test]
fn every_strategy_orders_by_what_it_says() {
    let parts = parts((1..=300).map(|user| person(user, 8)));
    let decks: HashMap<String, Deck> =
        Strategies::default().names().into_iter().map(|name| (name.to_owned(), deck(&parts, &bare(name), 5))).collect();
    for (name, deck) in &decks {
        assert_eq!(&deck.strategy, name);
        assert!(deck.items.len() > 50 && deck.items.iter().all(|item| &item.strategy == name && (0.0..=1.0).contains(&item.worth)));
    }
    let of = |name: &str| &decks[name].items;
    assert!(of("formula").iter().all(|item| (item.worth - item.sides.mutual).abs() < 1e-6));
    assert!(of("one_sided").iter().all(|item| (item.worth - item.sides.viewer).abs() < 1e-6));
    assert!(pairs(of("popularity"), |item| f64::from(item.worth)) < 0.1, "nearly sorted by popularity");
    let reach = |item: &DeckItem| f64::from(item.worth);
    assert!(pairs(of("distance"), reach) < 0.02, "sorted by distance");
    let buckets: Vec<Bucket> = of("distance").iter().map(|item| item.distance).collect();
    assert!(buckets[0] == Bucket::Under5 && *buckets.last().unwrap() != Bucket::Under5, "{buckets:?}");
    assert!(pairs(of("random"), |item| f64::from(item.sides.mutual)) > 0.4, "the match means nothing to chance");
    assert!(of("random").iter().all(|item| (item.propensity * of("random").len() as f32 - 1.0).abs() < 1e-3));
}

#[test]
fn equals_stand_in_an_order_by_chance() {
    let parts = parts((1..=300).map(|user| person(user, 8)));
    let first = |seed: u64| deck(&parts, &bare("distance"), seed).items.iter().take(5).map(|item| item.user_id).collect::<Vec<_>>();
    assert_ne!(first(1), first(2));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let parts = parts((1..=3).map(|user| person(user, 8)));
    let error = Recommender::new(parts, &bare("magic")).err().unwrap();
    assert_eq!(error.field, "strategy");
    assert!(error.problem.contains("`magic`") && error.problem.contains("distance, formula"), "{error}");
}

/// Says one thing of everybody.
struct Says(Vec<f64>);

impl Strategy for Says {
    fn name(&self) -> &str {
        "says"
    }

    fn worth(&self, _query: &Query, _cases: &[Case<'_>]) -> Vec<f64> {
        self.0.clone()
    }
}

#[test]
fn a_strategy_of_ones_own_is_chosen_by_name() {
    let parts = parts((1..=60).map(|user| person(user, 8)));
    let strategies = Strategies::default().with(Arc::new(Says(vec![0.5; 500])));
    let recommender = Recommender::with_strategies(parts, &bare("says"), strategies).unwrap();
    let request = DeckRequest { viewer: UserId(1), deck_id: "d".into(), seed: 1, now: now(), position: None, limit: 20 };
    let deck = recommender.fallback(&request, "test").unwrap();
    assert!(!deck.items.is_empty() && deck.items.iter().all(|item| item.worth == 0.5 && item.strategy == "says"));
}

proptest! {
    #[test]
    fn whatever_a_strategy_says_the_worth_is_complete_and_within_0_and_1(
        said in prop::collection::vec(prop_oneof![any::<f64>(), Just(f64::NAN), Just(0.5), Just(f64::INFINITY)], 0..80),
        seed in any::<u64>()
    ) {
        let parts = parts((1..=40).map(|user| person(user, 8)));
        let strategies = Strategies::default().with(Arc::new(Says(said)));
        let recommender = Recommender::with_strategies(parts, &bare("says"), strategies).unwrap();
        let request = DeckRequest { viewer: UserId(1), deck_id: "d".into(), seed, now: now(), position: None, limit: 200 };
        let deck = recommender.fallback(&request, "test").unwrap();
        for item in &deck.items {
            prop_assert!((0.0..=1.0).contains(&item.worth) && item.draw.key.is_finite() && item.score.is_finite(), "{item:?}");
        }
        let sum: f32 = deck.items.iter().map(|item| item.propensity).sum();
        prop_assert!((sum - 1.0).abs() < 1e-3, "everybody drawn is in this deck, so their chances sum to 1: {sum}");
        prop_assert_eq!(deck.strategy, "says");
    }
}

#[test]
fn propensities_are_how_often_somebody_comes_first() {
    const SEEDS: u64 = 3_000;
    let parts = parts((1..=24).map(|user| person(user, 8)));
    let mut config = bare("formula");
    config.draw.sharpness = 3.0;
    let recommender = Recommender::new(parts, &config).unwrap();
    let mut first: HashMap<UserId, f64> = HashMap::new();
    let mut promised: HashMap<UserId, f64> = HashMap::new();
    for seed in 0..SEEDS {
        let request = DeckRequest { viewer: UserId(1), deck_id: "d".into(), seed, now: now(), position: None, limit: 50 };
        let deck = recommender.fallback(&request, "test").unwrap();
        *first.entry(deck.items[0].user_id).or_default() += 1.0;
        deck.items.iter().for_each(|item| {
            promised.insert(item.user_id, f64::from(item.propensity));
        });
    }
    let n = SEEDS as f64;
    let statistic: f64 = promised.iter().map(|(user, p)| (first.get(user).copied().unwrap_or(0.0) - n * p).powi(2) / (n * p)).sum();
    let degrees = u32::try_from(promised.len() - 1).unwrap();
    assert!(promised.len() > 5);
    assert!(crate::experiments::tails::chi_square_tail(statistic, degrees) > 0.01, "{statistic} with {degrees} degrees of freedom");
}

#[test]
fn without_chance_the_best_is_certain() {
    let parts = parts((1..=60).map(|user| person(user, 8)));
    let mut config = bare("formula");
    config.draw.temperature = 0.0;
    let deck = deck(&parts, &config, 3);
    assert_eq!(deck.items[0].propensity, 1.0);
    assert!(deck.items[1..].iter().all(|item| item.propensity == 0.0));
}
