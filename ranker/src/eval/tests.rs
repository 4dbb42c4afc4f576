//! The measures against what must hold for any rows.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::bootstrap::groups;
use super::*;

fn scored() -> impl Strategy<Value = Vec<(f64, bool)>> {
    // Few distinct scores, so that ties are common.
    proptest::collection::vec(((-20i32..20).prop_map(|x| f64::from(x) / 4.0), any::<bool>()), 0..120)
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (a, b) => a == b,
    }
}

/// Every pair of a positive and a negative, by the definition.
fn slow_auc(rows: &[(f64, bool)]) -> Option<f64> {
    let (yes, no): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, y)| *y);
    let won = |p: f64| {
        no.iter()
            .map(|(n, _)| {
                if p > *n {
                    1.0
                } else if p == *n {
                    0.5
                } else {
                    0.0
                }
            })
            .sum::<f64>()
    };
    (!yes.is_empty() && !no.is_empty()).then(|| yes.iter().map(|(p, _)| won(*p)).sum::<f64>() / (yes.len() * no.len()) as f64)
}

proptest! {
    #[test]
    fn auc_is_the_chance_of_the_right_order(rows in scored()) {
        let value = auc(&rows);
        prop_assert!(close(value, slow_auc(&rows)));
        let map = |f: &dyn Fn(f64) -> f64| auc(&rows.iter().map(|(s, y)| (f(*s), *y)).collect::<Vec<_>>());
        prop_assert_eq!(map(&|s| s.exp() * 3.0 - 1.0), value, "monotone maps change nothing");
        prop_assert!(close(map(&|s| -s), value.map(|v| 1.0 - v)), "negation turns it round");
        let flipped: Vec<_> = rows.iter().map(|(s, y)| (*s, !y)).collect();
        prop_assert!(close(auc(&flipped), value.map(|v| 1.0 - v)));
    }

    #[test]
    fn log_loss_is_least_at_the_rate(yes in 1usize..40, no in 1usize..40, p in 0.01f64..0.99) {
        let rows = |p: f64| (0..yes + no).map(|i| (p, i < yes)).collect::<Vec<_>>();
        let rate = yes as f64 / (yes + no) as f64;
        prop_assert!(log_loss(&rows(rate)).unwrap() <= log_loss(&rows(p)).unwrap() + 1e-12);
        prop_assert!(log_loss(&rows(1.0)).unwrap().is_finite());
    }

    #[test]
    fn wilson_holds_the_rate(yes in 0usize..50, more in 0usize..50, z in 0.1f64..4.0) {
        let n = yes + more;
        let (low, high) = wilson(yes, n, z);
        prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        let rate = if n == 0 { 0.5 } else { yes as f64 / n as f64 };
        prop_assert!(low <= rate && rate <= high);
        prop_assert!(n == 0 || (wilson(yes * 4, n * 4, z).1 - wilson(yes * 4, n * 4, z).0) < high - low, "more rows, narrower");
    }

    #[test]
    fn reliability_keeps_every_row_and_ties_together(
        rows in proptest::collection::vec((0u8..=10, any::<bool>()), 1..200),
        bins in 1usize..12,
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(p, y)| (f64::from(p) / 10.0, y)).collect();
        let made = reliability(&rows, bins).unwrap();
        prop_assert!(made.bins.len() <= bins);
        prop_assert_eq!(made.bins.iter().map(|b| b.count).sum::<usize>(), rows.len());
        prop_assert!(made.bins.windows(2).all(|w| w[0].predicted < w[1].predicted));
        prop_assert!((0.0..=1.0).contains(&made.expected_error));
        let mut turned = rows.clone();
        turned.reverse();
        let again = reliability(&turned, bins).unwrap();
        prop_assert!((again.expected_error - made.expected_error).abs() < 1e-9, "order does not matter");
    }

    #[test]
    fn ndcg_is_one_for_the_ideal_order_and_less_otherwise(gains in proptest::collection::vec(0u8..4, 1..30), k in 1usize..12) {
        let gains: Vec<f64> = gains.into_iter().map(f64::from).collect();
        let mut ideal = gains.clone();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let best = ndcg_at_k(&ideal, &gains, k);
        prop_assert_eq!(best.is_some(), gains.iter().any(|g| *g > 0.0));
        if let Some(best) = best {
            prop_assert!((best - 1.0).abs() < 1e-12);
            let as_given = ndcg_at_k(&gains, &gains, k).unwrap();
            prop_assert!((0.0..=1.0 + 1e-12).contains(&as_given));
        }
    }

    #[test]
    fn gini_and_top_share_are_bounded_and_free_of_scale(
        amounts in proptest::collection::vec(0u32..1_000, 1..80),
        scale in 0.001f64..1_000.0,
        share in 0.0f64..=1.0,
    ) {
        let amounts: Vec<f64> = amounts.into_iter().map(f64::from).collect();
        let scaled: Vec<f64> = amounts.iter().map(|x| x * scale).collect();
        prop_assert_eq!(gini(&amounts).is_some(), amounts.iter().any(|x| *x > 0.0));
        prop_assert!(close(gini(&amounts), gini(&scaled)));
        prop_assert!(close(top_share(&amounts, share), top_share(&scaled, share)));
        if let Some(g) = gini(&amounts) {
            prop_assert!((0.0..1.0).contains(&g));
            let top = top_share(&amounts, share).unwrap();
            prop_assert!(share - 1e-9 <= top && top <= 1.0, "the top have at least their share: {top} of {share}");
        }
    }

    #[test]
    fn a_split_never_puts_later_before_earlier(times in proptest::collection::vec(0u32..50, 1..100), share in 0.0f64..1.0) {
        let split = TimeSplit::at_share(times.iter().copied(), share).unwrap();
        let (history, later) = split.apply(times.iter().copied(), |t| *t);
        prop_assert_eq!(history.len() + later.len(), times.len());
        prop_assert!(!later.is_empty() && history.len() as f64 <= share * times.len() as f64);
        prop_assert!(history.iter().all(|h| later.iter().all(|l| h < l)));
    }

    #[test]
    fn an_interval_holds_the_mean_of_symmetric_rows(half in proptest::collection::vec(0.5f64..10.0, 4..40), seed: u64) {
        let rows: Vec<Vec<f64>> = half.iter().flat_map(|x| [vec![*x], vec![-*x]]).collect();
        let mean = |rows: &[f64]| Some(rows.iter().sum::<f64>() / rows.len() as f64);
        let bootstrap = Bootstrap { replicates: 400, level: 0.95, seed };
        let interval = bootstrap.interval(&rows, mean).unwrap();
        prop_assert!(interval.low < interval.value && interval.value < interval.high, "{interval:?}");
        prop_assert_eq!(Some(interval), bootstrap.interval(&rows, mean), "deterministic");
        let narrow = Bootstrap { level: 0.5, ..bootstrap }.interval(&rows, mean).unwrap();
        prop_assert!(interval.low <= narrow.low && narrow.high <= interval.high);
    }
}

#[test]
fn what_is_not_defined_is_no_number() {
    assert_eq!(auc(&[(1.0, true), (2.0, true)]), None);
    assert_eq!(auc(&[(f64::NAN, true), (2.0, false)]), None);
    assert_eq!(auc(&[(0.0, true), (-0.0, false)]), Some(0.5));
    assert_eq!((log_loss(&[]), reliability(&[], 3), gini(&[]), gini(&[0.0]), gini(&[-1.0, 3.0])), (None, None, None, None, None));
    assert_eq!((ndcg_at_k(&[0.0], &[0.0], 3), ndcg_at_k(&[1.0], &[1.0], 0)), (None, None));
    assert_eq!((top_share(&[1.0], 1.5), matches_per_100(&[]), recall_at_k(&[1], &BTreeSet::new(), 3)), (None, None, None));
    assert_eq!((coverage([1], &BTreeSet::new()), TimeSplit::<u8>::at_share([], 0.5)), (None, None));
    assert_eq!(TimeSplit::at_share([1, 2], 1.0), None, "nothing would be judged");
}

#[test]
fn worked_examples() {
    assert_eq!(gini(&[0.0, 0.0, 0.0, 8.0]), Some(0.75));
    assert_eq!(top_share(&[1.0, 1.0, 2.0, 6.0], 0.25), Some(0.6));
    assert_eq!(matches_per_100(&[(0.5, 0.4), (0.1, 1.0)]).map(f64::round), Some(15.0));
    assert_eq!(recall_at_k(&[7, 7, 3, 1], &[1, 3, 7, 9].into(), 3), Some(0.5));
    assert_eq!(coverage([1, 1, 2, 99], &[1, 2, 3, 4].into()), Some(0.5));
    let (low, high) = wilson(1, 10, 1.96);
    assert!((low - 0.0179).abs() < 1e-4 && (high - 0.4042).abs() < 1e-4, "{low} {high}");
    let ndcg = ndcg_at_k(&[0.0, 1.0], &[1.0, 0.0], 10).unwrap();
    assert!((ndcg - 1.0 / 3f64.log2()).abs() < 1e-12);
}

#[test]
fn whole_groups_are_drawn() {
    // Ten groups of twenty equal rows know no more than ten rows.
    let of = |group: i32| f64::from(group % 5);
    let clustered = groups((0..200).map(|i| (i % 10, of(i % 10))));
    let apart = groups((0..200).map(|i| (i, of(i % 10))));
    let mean = |rows: &[f64]| Some(rows.iter().sum::<f64>() / rows.len() as f64);
    let width = |groups: &[Vec<f64>]| Bootstrap::default().interval(groups, mean).map(|i| i.high - i.low).unwrap();
    let ratio = width(&clustered) / width(&apart);
    assert!((3.5..5.5).contains(&ratio), "√20 times as wide, not {ratio}");
    assert_eq!(Bootstrap::default().interval(&apart, |_| None), None);
}

#[test]
fn a_row_is_what_the_report_says() {
    let row = Row { strategy: "a".into(), slice: "all".into(), metric: "auc".into(), value: 0.5, low: None, high: Some(0.6) };
    let json = serde_json::to_string(&row).unwrap();
    assert_eq!(json, r#"{"strategy":"a","slice":"all","metric":"auc","value":0.5,"low":null,"high":0.6}"#);
    assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
}
