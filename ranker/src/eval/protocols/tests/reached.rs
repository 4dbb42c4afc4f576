//! What is reached, printed with intervals; what is asserted lies below it by about what another build of the same idea may cost.

use super::data;
use crate::eval::protocols::contacts::DAY;
use crate::eval::protocols::meetings::{Protocol, Smoothing};
use crate::eval::protocols::partners::{Question, Strategy};
use crate::eval::protocols::{Outcome, auc_row, contacts, log_loss_row, meetings, newcomers, partners};
use crate::eval::{Bootstrap, Row, TimeSplit};

const BOOTSTRAP: Bootstrap = Bootstrap { replicates: 300, level: 0.95, seed: 1 };

fn say(row: &Row) -> f64 {
    let end = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
    println!("{:24} {:22} {:9} {:.4}  {} … {}", row.strategy, row.slice, row.metric, row.value, end(row.low), end(row.high));
    row.value
}

fn reach(strategy: &str, slice: &str, outcomes: &[Outcome]) -> f64 {
    say(&auc_row(strategy, slice, outcomes, &BOOTSTRAP).unwrap())
}

#[test]
fn warm_matches() {
    let Some(rows) = data::meetings() else { return };
    for smoothing in [Smoothing::Fixed(4.0), Smoothing::Fitted] {
        let asked = meetings::ask(&rows, &Protocol { smoothing, ..Protocol::default() });
        let slice = format!("{smoothing:?} n={}", asked.len());
        let reached = meetings::STRATEGIES.map(|strategy| reach(strategy, &slice, &meetings::outcomes(&asked, strategy)));
        for strategy in ["sides_product", "fitted_product"] {
            say(&log_loss_row(strategy, &slice, &meetings::outcomes(&asked, strategy), &BOOTSTRAP).unwrap());
        }
        let [one, both, product, harmonic, chosen, fitted] = reached;
        assert!(one < both && both < product.min(harmonic), "{reached:?}");
        assert!([product, harmonic, chosen, fitted].iter().all(|value| (0.735..0.85).contains(value)), "{reached:?}");
    }
}

#[test]
fn cold_matches() {
    let Some(pairs) = data::newcomers() else { return };
    let results = newcomers::judge(&pairs);
    let reached: Vec<f64> =
        newcomers::STRATEGIES.iter().zip(&results).map(|(strategy, rows)| reach(strategy, "leave one wave out", rows)).collect();
    assert!(reached[1] > 0.57 && reached[3] > 0.57, "{reached:?}");
    assert!(reached.iter().all(|value| *value < 0.68), "more than that is a leak: {reached:?}");
}

#[test]
fn answers_to_first_contacts() {
    let Some(messages) = data::messages() else { return };
    let found = contacts::contacts(&messages);
    for share in [0.6, 0.7, 0.8] {
        let settled = found.iter().filter(|c| c.answered.is_some()).map(|c| c.message.at);
        let results = contacts::judge(&found, TimeSplit::at_share(settled, share).unwrap());
        let slice = format!("split {share} n={}", results[0].len());
        let reached: Vec<f64> = contacts::STRATEGIES.iter().zip(&results).map(|(s, rows)| reach(s, &slice, rows)).collect();
        assert!(reached[4] > 0.68, "{reached:?}");
        assert!(reached[4] < 0.85 && reached[4] > reached[..4].iter().copied().fold(0.0, f64::max), "{reached:?}");
    }
}

#[test]
fn new_partners() {
    let Some(gifts) = data::gifts() else { return };
    let last = gifts.iter().map(|g| g.at).max().unwrap();
    for (before, horizon) in [(1_095, 365), (730, 365), (365, 365), (180, 180)] {
        let question = Question { split: TimeSplit { until: last - before * DAY }, horizon: horizon * DAY, k: 10 };
        let slice = format!("last-{before}d, {horizon}d");
        let reached = Strategy::ALL.map(|strategy| say(&partners::report(&gifts, &question, strategy, &slice, &BOOTSTRAP).unwrap()));
        println!("asked for {} people", partners::judge(&gifts, &question, Strategy::Fresh).len());
        let [popularity, _, _, common] = reached;
        assert!(common > 0.043 && common > popularity, "{reached:?}");
    }
}
