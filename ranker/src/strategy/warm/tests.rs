#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use features::ids::UserId;
use features::portrait::Portrait;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use proptest::prelude::*;

use super::*;
use crate::testing::{Vectors, behaves, now, person};
use crate::warm::{Combine, sigmoid};
use crate::{DeckItem, DeckRequest, Parts, Recommender};

fn parts(people: impl IntoIterator<Item = Portrait>) -> Parts {
    let table = Arc::new(PortraitTable::default());
    people.into_iter().for_each(|p| assert!(table.apply(&p)));
    let parts = Parts {
        vectors: Arc::new(Vectors::All(Arc::clone(&table))),
        table,
        ledger: Arc::new(Ledger::default()),
        hot: Arc::new(HotPool::default()),
        rates: Arc::default(),
    };
    parts.hot.refresh(&parts.table, now(), 500);
    parts.rates.refresh(&parts.table, now());
    parts
}

fn config(strategy: &str) -> RankerConfig {
    RankerConfig { strategy: strategy.to_owned(), ..RankerConfig::default() }
}

/// What a strategy thinks of everybody, in the order of ids.
fn items(parts: &Parts, config: &RankerConfig) -> Vec<DeckItem> {
    let recommender = Recommender::new(parts.clone(), config).unwrap().with_filters(Vec::new());
    let request = DeckRequest { viewer: UserId(1), deck_id: "d".into(), seed: 1, now: now(), position: None, limit: 1 };
    let people = parts.table.len() as u64;
    (2..=people).map(|user| recommender.judge(&request, UserId(user)).unwrap().items.remove(0)).collect()
}

/// People of a town some of whom are liked, or like, more than others.
fn lived(user: u64) -> Portrait {
    let mut p = person(user, 8);
    let (a, b) = ((user % 7) as f64, (user % 5) as f64);
    behaves(&mut p, (a * 2.0, 20.0), (b * 3.0, 25.0), (b, 5.0));
    p
}

#[test]
fn contributions_sum_to_the_log_odds_of_a_side() {
    let parts = parts((1..=80).map(lived));
    for combine in Combine::ALL {
        let mut config = config(WARM);
        config.warm = WarmConfig { combine, intercept: 0.2, recency: 0.7, reply: -0.3, ..WarmConfig::default() };
        for item in items(&parts, &config) {
            let sum = |side| item.terms.iter().filter(|t| t.side == side).map(|t| f64::from(t.contribution)).sum::<f64>();
            for (side, told) in [(Side::Viewer, item.sides.viewer), (Side::Candidate, item.sides.candidate)] {
                assert!(told > 0.0 && told < 1.0 && (sigmoid(sum(side)) - f64::from(told)).abs() < 1e-5, "{item:?}");
                let read = Direction::of_terms(&item.terms, side).unwrap();
                assert!((read.probability(&config.warm) - f64::from(told)).abs() < 1e-4, "can be computed again from the item: {read:?}");
            }
            let (a, b) = (f64::from(item.sides.viewer), f64::from(item.sides.candidate));
            assert!((combine.apply(a, b) - f64::from(item.sides.mutual)).abs() < 1e-6);
            assert!((combine.mean(a, b) - f64::from(item.worth)).abs() < 1e-6);
            assert!(item.draw.popularity_exponent == 0.0 && (f64::from(item.draw.sharpness) - config.warm.sharpness).abs() < 1e-6);
        }
    }
}

#[test]
fn of_people_of_whom_nothing_is_known_similarity_alone_tells() {
    let parts = parts((1..=80).map(|user| person(user, 8)));
    let mut config = config(WARM);
    (config.warm.recency, config.warm.reply, config.warm.similarity) = (0.0, 0.0, 1.5);
    let warm = items(&parts, &config);
    let formula = items(&parts, &RankerConfig { strategy: crate::strategy::FORMULA.to_owned(), ..config.clone() });
    for (w, f) in warm.iter().zip(&formula) {
        let prior = logit(0.12) + config.warm.intercept + 1.5 * (f64::from(f.sides.viewer) - 0.5);
        assert!((sigmoid(prior) - f64::from(w.sides.viewer)).abs() < 1e-5, "{} {}", w.sides.viewer, f.sides.viewer);
        assert!(f.terms.iter().all(|t| TermName::SIMILAR.contains(&t.name)) && Direction::of_terms(&f.terms, Side::Viewer).is_none());
    }
}

#[test]
fn who_is_liked_is_told_so_and_nobody_is_told_that_they_are_not() {
    let parts = parts((1..=80).map(lived));
    let items = items(&parts, &config(WARM));
    let said = |item: &DeckItem, code: &str| item.reasons.iter().any(|r| r.code == code && !r.zh.is_empty() && !r.en.is_empty());
    let mut wide = config(WARM);
    wide.deck.reasons = 20;
    let wide = self::items(&parts, &wide);
    assert!(wide.iter().any(|item| said(item, "liked")) && wide.iter().any(|item| said(item, "reply")));
    for item in &wide {
        let of = |name| item.terms.iter().find(|t| t.side == Side::Viewer && t.name == name).unwrap();
        assert!(!said(item, "liked") || of(TermName::Liked).value > of(TermName::Base).value);
        assert!(item.reasons.iter().all(|r| !["choosy", "base"].contains(&r.code.as_str())));
    }
    assert_eq!(items.len(), wide.len());
}

proptest! {
    #[test]
    fn worth_grows_with_every_like(likes in 0.0f64..30.0, more in 0.5f64..30.0) {
        let with = |likes: f64| {
            let people = (1..=40).map(|user| {
                let mut p = lived(user);
                if user == 2 {
                    behaves(&mut p, (4.0, 20.0), (likes, 70.0), (1.0, 2.0));
                }
                p
            });
            let parts = parts(people);
            // The prior stays, so that nothing but the person differs.
            parts.rates.set(crate::warm::Rates::default());
            f64::from(items(&parts, &config(WARM))[0].worth)
        };
        prop_assert!(with(likes + more) > with(likes));
    }
}
