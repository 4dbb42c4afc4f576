#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::chance::{Purpose, uniform};
use crate::config::RankerConfig;
use crate::strategy::Strategies;
use crate::testing::now;

mod analysis;

fn config(value: Value) -> RankerConfig {
    serde_json::from_value(value).unwrap()
}

/// One experiment of two arms on some share of the users.
fn one(share: f64) -> Value {
    json!({"share": share, "arms": {"control": {}, "near": {"overrides": {"weights": {"distance": 5.0}}}}})
}

fn arms(config: &RankerConfig, users: u64) -> Vec<Vec<String>> {
    let experiments = Experiments::new(config);
    (1..=users).map(|user| experiments.assign(UserId(user), now()).iter().map(Assignment::label).collect()).collect()
}

fn count(all: &[Vec<String>]) -> BTreeMap<Vec<String>, u64> {
    all.iter().fold(BTreeMap::new(), |mut counts, arms| {
        *counts.entry(arms.clone()).or_default() += 1;
        counts
    })
}

#[test]
fn the_hash_is_written_down_once_and_for_all() {
    // Computed with the Python line in the documentation of `bucket`: who changes this moves everybody.
    assert_eq!([1u64, 2, 3, 42].map(|user| bucket("layer:default", UserId(user))), [4160, 6388, 6700, 9110]);
    assert_eq!(bucket("layer:default", UserId(u64::MAX)), 5204);
}

#[test]
fn shares_and_weights_come_out_as_configured() {
    let mut value = one(0.5);
    value["arms"]["far"] = json!({"weight": 2.0, "overrides": {"weights": {"distance": 0.5}}});
    let config = config(json!({"experiments": {"closer": value}}));
    config.validate().unwrap();
    let n = 40_000;
    let counts = count(&arms(&config, n));
    let of = |arm: &str| counts[&vec![format!("closer:{arm}")]] as f64;
    // Four standard deviations of a binomial count: one in 16,000 fair draws lies outside, and the draw is always the same.
    for (seen, p) in [(counts[&vec![]] as f64, 0.5), (of("control"), 0.125), (of("near"), 0.125), (of("far"), 0.25)] {
        let n = n as f64;
        assert!((seen - n * p).abs() < 4.0 * (n * p * (1.0 - p)).sqrt(), "{counts:?}");
    }
    let seen: Vec<u64> = ["control", "far", "near"].iter().map(|arm| of(arm) as u64).collect();
    assert!(split_p_value(&seen, &[1.0, 2.0, 1.0]).unwrap() > 0.01);
}

#[test]
fn experiments_of_a_layer_have_no_users_in_common_and_layers_are_independent() {
    let selector =
        json!({"share": 0.6, "layer": "order", "arms": {"control": {}, "plain": {"overrides": {"selector": {"diversity": 0.0}}}}});
    let mut beside = one(0.4);
    beside["offset"] = json!(0.6);
    let config = config(json!({"experiments": {"one": one(0.6), "two": beside, "order": selector}}));
    config.validate().unwrap();
    let mut together: HashMap<(String, String), u64> = HashMap::new();
    for arms in arms(&config, 60_000) {
        let of = |names: [&str; 2]| {
            let mine: Vec<&String> = arms.iter().filter(|arm| names.iter().any(|name| arm.starts_with(&format!("{name}:")))).collect();
            assert!(mine.len() <= 1, "one experiment of a layer at most: {arms:?}");
            mine.first().map_or("none".to_owned(), |arm| (*arm).clone())
        };
        *together.entry((of(["one", "two"]), of(["order", "order"]))).or_default() += 1;
    }
    let total: u64 = together.values().sum();
    let side = |first: bool| {
        together.iter().fold(BTreeMap::<&str, u64>::new(), |mut sums, ((a, b), n)| {
            *sums.entry(if first { a } else { b }).or_default() += n;
            sums
        })
    };
    let (rows, columns) = (side(true), side(false));
    assert_eq!((rows.len(), columns.len()), (4, 3));
    let mut statistic = 0.0;
    for (row, in_row) in &rows {
        for (column, in_column) in &columns {
            let expected = *in_row as f64 * *in_column as f64 / total as f64;
            let seen = together.get(&((*row).to_owned(), (*column).to_owned())).copied().unwrap_or(0) as f64;
            statistic += (seen - expected).powi(2) / expected;
        }
    }
    assert!(tails::chi_square_tail(statistic, 6) > 0.01, "layers are independent: chi-square {statistic}");
}

#[test]
fn who_is_held_out_is_in_nothing_and_everybody_else_is_said_to_be_out_of_it() {
    let config = config(json!({"holdout": {"share": 0.1}, "experiments": {"closer": one(1.0)}}));
    let all = arms(&config, 20_000);
    let held = all.iter().filter(|arms| **arms == ["holdout:in"]).count() as f64;
    assert!((held - 2_000.0).abs() < 4.0 * (20_000.0f64 * 0.09).sqrt(), "{held}");
    for arms in all.iter().filter(|arms| **arms != ["holdout:in"]) {
        assert!(arms.len() == 2 && arms[0].starts_with("closer:") && arms[1] == "holdout:out", "{arms:?}");
    }
}

#[test]
fn an_experiment_has_its_time() {
    let mut value = one(1.0);
    (value["from"], value["until"]) = (json!(now()), json!(now() + TimeDelta::days(7)));
    let config = config(json!({"experiments": {"closer": value}}));
    let experiments = Experiments::new(&config);
    let at = |time: DateTime<Utc>| experiments.assign(UserId(5), time).len();
    assert_eq!(
        [at(now() - TimeDelta::seconds(1)), at(now()), at(now() + TimeDelta::days(6)), at(now() + TimeDelta::days(7))],
        [0, 1, 1, 0]
    );
}

#[test]
fn complaints_name_the_field_and_the_remedy() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = one(0.5);
        change(&mut value);
        json!({"experiments": {"closer": value}})
    };
    let cases = [
        (json!({"experiments": {"Closer!": one(0.5)}}), "experiments.Closer!", "lower-case"),
        (json!({"experiments": {"holdout": one(0.5)}}), "experiments.holdout", "lower-case"),
        (json!({"holdout": {"share": 1.5}}), "holdout.share", "0 to 1"),
        (with(&|v| v["share"] = json!(-0.1)), "experiments.closer.share", "0 to 1"),
        (with(&|v| v["offset"] = json!(0.7)), "experiments.closer.share", "beyond 1"),
        (with(&|v| v["control"] = json!("base")), "experiments.closer.control", "control, near"),
        (with(&|v| v["arms"] = json!({"control": {}})), "experiments.closer.arms", "nothing to compare"),
        (with(&|v| v["arms"]["near"]["weight"] = json!(0)), "experiments.closer.arms.near.weight", "above 0"),
        (with(&|v| v["planned_users"] = json!(5)), "experiments.closer.planned_users", "100"),
        (with(&|v| v["layer"] = json!("")), "experiments.closer.layer", "lower-case"),
        (
            with(&|v| (v["from"], v["until"]) = (json!("2026-02-01T00:00:00Z"), json!("2026-01-01T00:00:00Z"))),
            "experiments.closer.until",
            "not after",
        ),
        (
            with(&|v| v["arms"]["near"]["overrides"] = json!({"weights": {"distanse": 1}})),
            "experiments.closer.arms.near.overrides",
            "distanse",
        ),
        (
            with(&|v| v["arms"]["near"]["overrides"] = json!({"weights": {"distance": -1}})),
            "experiments.closer.arms.near.overrides.weights.distance",
            "0 to 1000",
        ),
        (with(&|v| v["arms"]["near"]["overrides"] = json!({"regions": {}})), "experiments.closer.arms.near.overrides", "nested"),
        (json!({"experiments": {"a": one(0.6), "b": one(0.5)}}), "experiments.b.share", "`offset`"),
        (json!({"experiments": {"a": one(0.6), "b": layered("x")}}), "experiments.b.arms", "weights.distance"),
    ];
    for (value, field, remedy) in cases {
        let error = config(value.clone()).validate().unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.problem.contains(remedy), "{error}");
    }
    let unknown = config(with(&|v| v["arms"]["near"]["strategy"] = json!("magic")));
    let error = Plans::new(&unknown, &Strategies::default()).unwrap_err();
    assert_eq!(error.field, "experiments.closer.arms.near.strategy");
    assert!(error.problem.contains("formula") && error.problem.contains("magic"), "{error}");
}

fn layered(layer: &str) -> Value {
    let mut value = one(0.5);
    value["layer"] = json!(layer);
    value
}

#[test]
fn experiments_one_after_the_other_may_share_users_and_keys() {
    let (mut early, mut late) = (one(1.0), layered("other"));
    early["until"] = json!("2026-03-01T00:00:00Z");
    late["from"] = json!("2026-03-01T00:00:00Z");
    let mut same_layer = one(1.0);
    same_layer["from"] = json!("2026-03-01T00:00:00Z");
    config(json!({"experiments": {"early": early.clone(), "late": late}})).validate().unwrap();
    config(json!({"experiments": {"early": early, "late": same_layer}})).validate().unwrap();
}

#[test]
fn arms_win_over_regions_and_strategies_over_arms() {
    let order = json!({"share": 1.0, "layer": "order", "arms": {
        "control": {"strategy": "random"}, "popular": {"strategy": "popularity", "weight": 0.0001}}});
    let config = config(json!({
        "weights": {"distance": 1.0, "age": 3.0},
        "regions": {"上海": {"weights": {"distance": 9.0, "taste": 4.0}}},
        "experiments": {"closer": one(1.0), "order": order}
    }));
    let plans = Plans::new(&config, &Strategies::default()).unwrap();
    let near = (1..100).map(UserId).find(|user| plans.get(None, *user, now()).experiments == ["closer:near", "order:control"]).unwrap();
    let there = plans.get(Some("上海"), near, now());
    let weights = &there.config.weights;
    assert_eq!((weights.distance, weights.taste, weights.age), (5.0, 4.0, 3.0), "arm, region, section");
    assert_eq!((there.config.strategy.as_str(), there.config.draw.popularity_exponent), ("random", 0.0));
    assert!(there.config.experiments.is_empty() && there.config.regions.is_empty());
    let control =
        (1..100).map(UserId).find(|user| plans.get(None, *user, now()).experiments == ["closer:control", "order:control"]).unwrap();
    assert_ne!(plans.get(Some("上海"), control, now()).version, there.version);
    assert_eq!(plans.get(Some("成都"), near, now()).version, plans.get(None, near, now()).version);
    let again = Strategies::default().adapted(there.config.clone(), "strategy").unwrap();
    assert_eq!(again, there.config, "what was adapted is not changed by adapting it again");
}

#[test]
fn values_that_only_clash_together_are_found_before_anybody_is_served() {
    let many = json!({"share": 1.0, "layer": "a", "arms": {"control": {}, "long": {"overrides": {"deck": {"size": 900}}}}});
    let few = json!({"share": 1.0, "layer": "b", "arms": {"control": {}, "cheap": {"overrides": {"deck": {"candidates_to_score": 500}}}}});
    let config = config(json!({"experiments": {"a": many, "b": few}}));
    config.validate().unwrap();
    let error = Plans::new(&config, &Strategies::default()).unwrap_err();
    assert_eq!(error.field, "deck.candidates_to_score");
    assert!(error.problem.contains("a:long, b:cheap"), "{error}");
}

#[test]
fn too_many_combinations_are_refused_before_they_are_made() {
    const KEYS: [&str; 10] =
        ["distance", "age", "height", "education", "liked_tags", "shared_tags", "taste", "activity", "richness", "completeness"];
    let experiments: serde_json::Map<String, Value> = KEYS
        .iter()
        .enumerate()
        .map(|(i, key)| {
            let arms =
                json!({"control": {}, "up": {"overrides": {"weights": {*key: 2.0}}}, "down": {"overrides": {"weights": {*key: 0.5}}}});
            (format!("e{i}"), json!({"share": 1.0, "layer": format!("l{i}"), "arms": arms}))
        })
        .collect();
    let error = Plans::new(&config(json!({"experiments": experiments})), &Strategies::default()).unwrap_err();
    assert!(error.field == "experiments" && error.problem.contains("1048576"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn growing_the_share_never_moves_anybody(small in 0u32..=10_000, more in 0u32..=10_000, offset in 0u32..=5_000) {
        let (offset, room) = (f64::from(offset) / 1e4, f64::from(10_000 - offset) / 1e4);
        let (small, large) = (room * f64::from(small.min(more)) / 1e4, room * f64::from(small.max(more)) / 1e4);
        let of = |share: f64| {
            let mut value = one(share);
            value["offset"] = json!(offset);
            arms(&config(json!({"experiments": {"closer": value}})), 400)
        };
        for (before, after) in of(small).iter().zip(of(large)) {
            prop_assert!(before.is_empty() || *before == after, "{before:?} became {after:?}");
        }
    }

    #[test]
    fn assignment_depends_on_salt_user_and_nothing_else(user in 1u64.., salt in "[a-z]{1,8}") {
        let mut value = one(1.0);
        value["salt"] = json!(salt);
        let first = config(json!({"experiments": {"closer": value.clone()}}));
        value["planned_users"] = json!(777);
        value["arms"]["near"]["overrides"] = json!({"weights": {"age": 2.0}});
        let second = config(json!({"weights": {"age": 7.0}, "experiments": {"closer": value, "other": layered("elsewhere")}}));
        let of = |config: &RankerConfig| Experiments::new(config).assign(UserId(user), now()).into_iter().find(|a| a.experiment == "closer");
        prop_assert_eq!(of(&first), of(&second));
        prop_assert!(bucket(&salt, UserId(user)) < assign::BUCKETS);
    }

    #[test]
    fn every_assignment_has_a_plan(user in 1u64.., day in 0i64..100, held in 0f64..=1.0) {
        let mut timed = layered("order");
        timed["arms"]["near"]["overrides"] = json!({"weights": {"age": 2.0}});
        timed["until"] = json!(now() + TimeDelta::days(50));
        let config = config(json!({"holdout": {"share": held}, "experiments": {"closer": one(0.7), "timed": timed}}));
        let plans = Plans::new(&config, &Strategies::default()).unwrap();
        let plan = plans.get(Some("nowhere"), UserId(user), now() + TimeDelta::days(day));
        prop_assert_eq!(plan.config.alone(), plan.config.clone());
    }
}

/// Numbers of a standard normal distribution: Box and Muller.
fn normal(seed: u64, at: u64) -> f64 {
    let (a, b) = (uniform(seed, Purpose::Draw, UserId(at)), uniform(seed, Purpose::Sample, UserId(at)));
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
