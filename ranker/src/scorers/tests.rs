#![allow(clippy::unwrap_used)]

use features::ids::UserId;
use features::portrait::Portrait;
use features::profile::Education;
use features::vector::QVector;
use index::table::PortraitTable;
use proptest::prelude::*;

use super::*;
use crate::config::{DrawConfig, Weights};
use crate::deck::Side;
use crate::testing::{now, plain};

fn values(change: impl FnOnce(&mut Portrait, &mut Portrait)) -> Vec<(TermName, Option<f32>)> {
    let (mut a, mut b) = (plain(1), plain(2));
    change(&mut a, &mut b);
    let table = PortraitTable::default();
    table.apply(&a);
    table.apply(&b);
    let read = table.read();
    let (judge, other) = (Face::of(&read, UserId(1), now()).unwrap(), Face::of(&read, UserId(2), now()).unwrap());
    let km = judge.position().zip(other.position()).map(|(a, b)| index::geo::km(a, b));
    let between = Between { bucket: Bucket::of(km), curves: &Curves::default() };
    scorers().iter().map(|scorer| (scorer.name(), scorer.value(&judge, &other, &between))).collect()
}

fn value(name: TermName, change: impl FnOnce(&mut Portrait, &mut Portrait)) -> Option<f32> {
    values(change).into_iter().find(|v| v.0 == name).unwrap().1
}

fn close(value: Option<f32>, expected: f32) -> bool {
    value.is_some_and(|v| (v - expected).abs() < 1e-3)
}

#[test]
fn what_is_not_known_is_left_out() {
    let known: Vec<TermName> = values(|_, b| b.profile.position = None).into_iter().filter(|v| v.1.is_some()).map(|v| v.0).collect();
    assert_eq!(known, [TermName::Age, TermName::Activity, TermName::Richness, TermName::Completeness]);
    assert_eq!(scorers().iter().map(|s| s.name()).collect::<Vec<_>>(), TermName::SIMILAR);
}

#[test]
fn terms_follow_their_formulas() {
    let five_years = |_: &mut Portrait, b: &mut Portrait| b.profile.birth_date = chrono::NaiveDate::from_ymd_opt(1991, 3, 1).unwrap();
    assert!(close(value(TermName::Age, |_, _| ()), 1.0));
    assert!(close(value(TermName::Age, five_years), 0.5));
    let heights = |a: &mut Portrait, b: &mut Portrait| {
        a.profile.height_cm = Some(180);
        b.profile.height_cm = Some(160);
    };
    assert!(close(value(TermName::Height, heights), 0.5));
    let schools = |a: &mut Portrait, b: &mut Portrait| {
        a.profile.education = Some(Education::Bachelor);
        b.profile.education = Some(Education::Doctor);
    };
    assert!(close(value(TermName::Education, schools), 0.6));
    assert!(close(value(TermName::Distance, |_, _| ()), (-2.5f32 / 20.0).exp2()));
    let fits = |a: &mut Portrait, b: &mut Portrait| {
        a.taste = Some(QVector::from_f32(&[1.0, 0.0]));
        b.content = Some(QVector::from_f32(&[0.6, 0.8]));
    };
    assert!(value(TermName::Taste, fits).is_some_and(|v| (v - 0.6 / 0.9).abs() < 0.01));
    let repels = |a: &mut Portrait, b: &mut Portrait| {
        a.taste = Some(QVector::from_f32(&[1.0, 0.0]));
        b.content = Some(QVector::from_f32(&[-1.0, 0.0]));
    };
    assert!(close(value(TermName::Taste, repels), 0.0));
}

#[test]
fn mutual_scorers_judge_both_ways_alike() {
    let table = PortraitTable::default();
    (1..40).for_each(|user| assert!(table.apply(&crate::testing::person(user, 8))));
    let read = table.read();
    let faces: Vec<_> = (1..40).map(|user| Face::of(&read, UserId(user), now()).unwrap()).collect();
    for scorer in scorers() {
        for (a, b) in faces.iter().zip(faces.iter().skip(7)) {
            let between = Between { bucket: Bucket::Under10, curves: &Curves::default() };
            let (ours, theirs) = (scorer.value(a, b, &between), scorer.value(b, a, &between));
            let alike = ours.is_some() == theirs.is_some() && (ours.unwrap_or(0.0) - theirs.unwrap_or(0.0)).abs() < 1e-6;
            assert!(!scorer.mutual() || alike, "{:?}", scorer.name());
        }
    }
}

#[test]
fn popularity_and_exposure_are_one_for_strangers() {
    let config = DrawConfig::default();
    let stranger = features::portrait::Signals { like_rate: 0.12, ..Default::default() };
    assert!((popularity(&stranger, &config) - 1.0).abs() < 1e-6 && (exposure(&stranger, &config) - 1.0).abs() < 1e-12);
    let star = features::portrait::Signals { like_rate: 0.9, impressions: 500.0, ..Default::default() };
    assert!((popularity(&star, &config) - 4.0).abs() < 1e-9, "bounded");
    assert!(exposure(&star, &config) < 0.1, "holds back what has been seen much");
}

proptest! {
    #[test]
    fn the_harmonic_mean_lies_between_the_smaller_and_twice_the_smaller(a in 0f64..=1.0, b in 0f64..=1.0) {
        let mean = harmonic(a, b);
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(mean >= low - 1e-12 && mean <= high + 1e-12 && mean <= 2.0 * low + 1e-12, "{a} {b} {mean}");
        prop_assert!((mean - harmonic(b, a)).abs() < 1e-12);
        prop_assert!(mean <= (a + b) / 2.0 + 1e-12, "never above the arithmetic mean");
        prop_assert!((harmonic(a, a) - a).abs() < 1e-12);
    }

    #[test]
    fn contributions_sum_to_the_side(values in prop::collection::vec(prop::option::of(0f32..=1.0), TermName::SIMILAR.len()), scale in 0.01f64..100.0) {
        let named: Vec<_> = TermName::SIMILAR.iter().copied().zip(values).collect();
        let weights = Weights::default();
        let (terms, score) = side_terms(Side::Viewer, &named, &weights);
        let sum: f64 = terms.iter().map(|t| f64::from(t.contribution)).sum();
        prop_assert!((sum - score).abs() < 1e-6);
        prop_assert!((0.0..=1.0 + 1e-9).contains(&score));
        prop_assert_eq!(terms.len(), named.iter().filter(|v| v.1.is_some()).count());
        let mut scaled = weights.clone();
        for weight in [&mut scaled.distance, &mut scaled.age, &mut scaled.height, &mut scaled.education, &mut scaled.liked_tags] {
            *weight *= scale;
        }
        for weight in [&mut scaled.shared_tags, &mut scaled.taste, &mut scaled.activity, &mut scaled.richness, &mut scaled.completeness] {
            *weight *= scale;
        }
        prop_assert!((side_terms(Side::Viewer, &named, &scaled).1 - score).abs() < 1e-9, "only ratios of weights matter");
    }
}
