//! The warm model against what it promises and against worlds whose truth is known.
#![allow(clippy::unwrap_used)]

use features::ids::UserId;
use proptest::prelude::*;

use super::position::Impression;
use super::reciprocal::{HeldOut, choose, judge};
use super::*;
use crate::chance::{Purpose, uniform};
use crate::eval::auc;

fn chance(seed: u64, i: usize) -> f64 {
    uniform(seed, Purpose::Sample, UserId(i as u64))
}

/// Standard normal, near enough: the sum of twelve.
fn normal(seed: u64, i: usize) -> f64 {
    (0..12).map(|k| chance(seed, i * 12 + k)).sum::<f64>() - 6.0
}

fn rate() -> std::ops::Range<f64> {
    0.01..0.99
}

proptest! {
    #[test]
    fn logit_and_sigmoid_are_inverse(p in 0.001f64..0.999, x in -800.0f64..800.0) {
        prop_assert!((sigmoid(logit(p)) - p).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&sigmoid(x)) && (sigmoid(x) + sigmoid(-x) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn smoothing_lies_between_the_prior_and_the_rate(base in rate(), strength in 1.0f64..50.0, yes in 0u32..30, no in 0u32..30) {
        let prior = BetaPrior::new(base, strength);
        let tally = Tally { yes: f64::from(yes), n: f64::from(yes + no) };
        let smoothed = prior.smoothed(tally);
        prop_assert!(0.0 < smoothed && smoothed < 1.0);
        let own = if tally.n > 0.0 { tally.yes / tally.n } else { base };
        prop_assert!(base.min(own) - 1e-9 <= smoothed && smoothed <= base.max(own) + 1e-9);
    }

    #[test]
    fn a_side_is_monotone_and_neutral_at_the_base(choosy in rate(), liked in rate(), base in rate(), more in 0.0f64..0.5) {
        let of = |choosy, liked| SideInputs { choosy, liked, base }.probability();
        let (side, p) = (SideInputs { choosy, liked, base }, of(choosy, liked));
        prop_assert!(0.0 < p && p < 1.0);
        prop_assert!((of(base, liked) - liked).abs() < 1e-9);
        prop_assert!((of(choosy, base) - choosy).abs() < 1e-9);
        prop_assert!(of(choosy, (liked + more).min(0.999)) >= p);
        prop_assert_eq!(SideModel::plain().probability(&side, &Extras::default()), p);
    }

    #[test]
    fn combinations_are_symmetric_and_bounded(a in 0.0f64..=1.0, b in 0.0f64..=1.0) {
        for combine in Combine::ALL {
            let value = combine.apply(a, b);
            prop_assert!((value - combine.apply(b, a)).abs() < 1e-12 && (0.0..=1.0).contains(&value));
            prop_assert!((a.min(b) - 1e-12..=a.max(b) + 1e-12).contains(&combine.mean(a, b)), "a mean lies between");
        }
        prop_assert!(Combine::Product.apply(a, b) <= Combine::Harmonic.apply(a, b) + 1e-12);
    }

    #[test]
    fn fits_hold_any_rows(
        rows in proptest::collection::vec(
            (proptest::collection::vec(prop_oneof![5 => -3.0f64..3.0, 1 => Just(f64::NAN)], 3), any::<bool>()),
            1..60,
        ),
    ) {
        let (x, y): (Vec<Vec<f64>>, Vec<bool>) = rows.into_iter().unzip();
        let one_class = y.iter().all(|v| *v == y[0]);
        let logistic = Logistic::fit(&x, &y, Ridge::default());
        let boost = Boost::fit(&x, &y, &BoostOptions { leaf: 3, ..BoostOptions::default() });
        prop_assert_eq!((logistic.is_none(), boost.is_none()), (one_class, one_class));
        if let (Some(l), Some(b)) = (logistic, boost) {
            prop_assert!(x.iter().flat_map(|row| [l.predict(row), b.predict(row)]).all(|p| 0.0 < p && p < 1.0));
            let mean = x.iter().map(|row| l.predict(row)).sum::<f64>() / x.len() as f64;
            let observed = y.iter().filter(|v| **v).count() as f64 / y.len() as f64;
            prop_assert!((mean - observed).abs() < 1e-4, "a free intercept makes the mean right: {mean} {observed}");
        }
    }
}

#[test]
fn a_prior_finds_how_alike_people_are() {
    // Rates of people from Beta(3, 7): the third smallest of nine uniform numbers.
    let people: Vec<Tally> = (0..4_000)
        .map(|i| {
            let mut draws: Vec<f64> = (0..9).map(|k| chance(1, i * 9 + k)).collect();
            draws.sort_by(f64::total_cmp);
            let n = 5 + i % 20;
            Tally { yes: (0..n).filter(|k| chance(2, i * 100 + k) < draws[2]).count() as f64, n: n as f64 }
        })
        .collect();
    let prior = BetaPrior::fit(&people, BetaPrior::new(0.5, 4.0));
    assert!((prior.rate() - 0.3).abs() < 0.01 && (prior.strength() - 10.0).abs() < 1.0, "{prior:?}");
    let few = BetaPrior::fit(&people[..3], BetaPrior::new(0.5, 4.0));
    assert!((few.strength() - 4.0).abs() < 1e-9, "three people take the parent's strength");
    assert!((BetaPrior::fit(&[], BetaPrior::new(0.4, 6.0)).smoothed(Tally::default()) - 0.4).abs() < 1e-9);
    let same: Vec<Tally> = (0..50).map(|_| Tally { yes: 5.0, n: 10.0 }).collect();
    assert_eq!(BetaPrior::fit(&same, prior).strength(), beta_prior::STRENGTH.1, "people who do not differ say nothing alone");
    let once: Vec<Tally> = (0..50).map(|i| Tally { yes: f64::from(i % 2), n: 1.0 }).collect();
    assert!(BetaPrior::fit(&once, prior).strength().is_finite());
}

#[test]
fn position_bias_is_found_although_the_best_stand_first() {
    let truth = [1.0, 0.8, 0.55, 0.4, 0.3];
    let rows: Vec<Impression> = (0..200_000)
        .map(|i| {
            let candidate = i % 300;
            let quality = 0.1 + 0.6 * candidate as f64 / 300.0;
            // Good candidates tend to stand further up.
            let position = (30.0 * chance(3, i).powf(0.5 + 1.5 * quality)) as u32;
            let seen = truth[(position + 1).ilog2() as usize];
            Impression { candidate: candidate as u64, position, liked: chance(4, i) < quality * seen }
        })
        .collect();
    let fitted = Examination::fit(&rows, 10.0);
    for (group, expected) in truth.iter().enumerate() {
        let found = fitted.examined((1 << group) - 1);
        assert!((found - expected).abs() < 0.05, "group {group}: {found}, not {expected}");
    }
    let raw = |group: usize| {
        let here = rows.iter().filter(|r| (r.position + 1).ilog2() as usize == group);
        here.clone().filter(|r| r.liked).count() as f64 / here.count() as f64
    };
    assert!(raw(4) / raw(0) < truth[4] - 0.05, "the plain ratio blames the position for worse candidates");
    assert_eq!(fitted.examined(10_000), fitted.examined(29));
    assert_eq!(Examination::fit(&rows, 2.0).weight(29), 2.0, "weights are clipped");
    assert_eq!(Examination::fit(&[], 2.0).weight(7), Examination::none().weight(7));
    for base in [0.2, 0.5] {
        let mut tally = Tally::default();
        let seen = fitted.examined(29);
        (0..100_000).for_each(|i| fitted.count(&mut tally, 29, chance(18, i) < base * seen, base));
        assert!((tally.yes / tally.n - base).abs() < 0.02, "the rate of those who looked: {tally:?}");
    }
}

#[test]
fn logistic_finds_the_weights() {
    let rows: Vec<Vec<f64>> = (0..20_000).map(|i| vec![5.0 + 2.0 * normal(5, i), 100.0 * normal(6, i), 7.0]).collect();
    let labels: Vec<bool> =
        rows.iter().enumerate().map(|(i, x)| chance(7, i) < sigmoid(-1.0 + 0.5 * (x[0] - 5.0) - 0.004 * x[1])).collect();
    let model = Logistic::fit(&rows, &labels, Ridge::default()).unwrap();
    assert!((model.weights[0] - 1.0).abs() < 0.06 && (model.weights[1] + 0.4).abs() < 0.05, "{model:?}");
    assert!((model.intercept + 1.0).abs() < 0.06 && model.weights[2].abs() < 1e-9);
    assert_eq!(Some(&model), Logistic::fit(&rows, &labels, Ridge::default()).as_ref(), "deterministic");
    let hard = Logistic::fit(&rows, &labels, Ridge { l2: 1e7 }).unwrap();
    assert!(hard.weights.iter().all(|w| w.abs() < 0.001), "a strong ridge leaves the base rate");
    let apart = Logistic::fit(&[vec![0.0], vec![1.0]], &[false, true], Ridge { l2: 0.1 }).unwrap();
    assert!(apart.weights[0].is_finite() && apart.predict(&[1.0]) > 0.5, "classes that do not overlap have finite weights");
}

#[test]
fn trees_find_what_a_line_cannot() {
    let rows: Vec<Vec<f64>> = (0..6_000).map(|i| vec![normal(8, i), normal(9, i), if i % 7 == 0 { f64::NAN } else { 0.0 }]).collect();
    let labels: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(i, x)| chance(10, i) < if x[0] * x[1] > 0.0 { 0.8 } else { 0.2 } * if x[2].is_nan() { 0.2 } else { 1.0 })
        .collect();
    let (train, test) = rows.split_at(4_000);
    let judge = |predict: &dyn Fn(&[f64]) -> f64| {
        auc(&test.iter().zip(&labels[4_000..]).map(|(x, y)| (predict(x), *y)).collect::<Vec<_>>()).unwrap()
    };
    let options = BoostOptions { trees: 120, depth: 3, rate: 0.1, ..BoostOptions::default() };
    let trees = Boost::fit(train, &labels[..4_000], &options).unwrap();
    let line = Logistic::fit(train, &labels[..4_000], Ridge::default()).unwrap();
    let (by_trees, by_line) = (judge(&|x| trees.predict(x)), judge(&|x| line.predict(x)));
    assert!(by_trees > 0.78 && by_line < 0.62, "trees {by_trees:.3}, line {by_line:.3}");
    let json = serde_json::to_string(&trees).unwrap();
    assert!(trees.predict(&rows[0]) == serde_json::from_str::<Boost>(&json).unwrap().predict(&rows[0]));
    assert!(trees.predict(&[1.0, 1.0, f64::NAN]) < trees.predict(&[1.0, 1.0, 0.0]), "not knowing is known");
}

/// A world in which likes follow the odds of both, with replies that say more.
fn world(n: usize, reply_weight: f64) -> Vec<(SideInputs, Extras, bool)> {
    let row = |i: usize| {
        let inputs = SideInputs { choosy: sigmoid(normal(11, i)), liked: sigmoid(normal(12, i)), base: 0.5 };
        let reply = 0.1 + 0.8 * chance(13, i);
        let odds = logit(inputs.probability()) + reply_weight * logit(reply);
        (inputs, Extras { recency: None, reply: Some(reply) }, chance(14, i) < sigmoid(odds))
    };
    (0..n).map(row).collect()
}

#[test]
fn a_side_model_corrects_only_what_the_data_say() {
    let off = |model: &SideModel, rows: &[(SideInputs, Extras, bool)]| {
        rows.iter().map(|(i, e, _)| (model.probability(i, e) - i.probability()).abs()).sum::<f64>() / rows.len() as f64
    };
    let plain = world(5_000, 0.0);
    assert!(off(&SideModel::fit(&plain, Ridge::default()), &plain) < 0.01, "nothing to correct");
    let told = world(5_000, 1.0);
    let fitted = SideModel::fit(&told[..4_000], Ridge::default());
    let of =
        |f: &dyn Fn(&SideInputs, &Extras) -> f64| auc(&told[4_000..].iter().map(|(i, e, y)| (f(i, e), *y)).collect::<Vec<_>>()).unwrap();
    let (with, without) = (of(&|i, e| fitted.probability(i, e)), of(&|i, _| i.probability()));
    assert!(with > without + 0.03, "{with} {without}");
    assert_eq!(SideModel::fit(&[], Ridge::default()), SideModel::plain());
    assert!(off(&SideModel::fit(&told[..5], Ridge { l2: 20.0 }), &told) < 0.15, "five rows change little");
}

#[test]
fn the_better_combination_is_chosen() {
    let pairs = |matched: &dyn Fn(f64, f64, usize) -> f64| -> Vec<HeldOut> {
        let pair = |i: usize| (0.02 + 0.96 * chance(15, i), 0.02 + 0.96 * chance(16, i));
        (0..12_000).map(|i| (pair(i).0, pair(i).1, chance(17, i) < matched(pair(i).0, pair(i).1, i))).collect()
    };
    let independent = pairs(&|a, b, _| a * b);
    let (earlier, later) = independent.split_at(6_000);
    assert_eq!(choose(earlier, later, Criterion::Auc), Combine::Product);
    assert_eq!(choose(earlier, later, Criterion::LogLoss), Combine::Product);
    let strict = pairs(&|a, b, _| (2.0 * a * b / (a + b)).powi(3));
    let (earlier, later) = strict.split_at(6_000);
    assert_eq!(choose(earlier, later, Criterion::Auc), Combine::Harmonic);
    assert_eq!(judge(earlier, later).len(), 2);
    assert_eq!(choose(&[], &[], Criterion::Auc), Combine::Product, "nothing to judge by");
}
