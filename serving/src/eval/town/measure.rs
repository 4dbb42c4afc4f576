//! What pages are worth by the hidden truth, and on whom they fall.

use std::collections::{BTreeMap, BTreeSet};

use features::ids::UserId;
use ranker::eval::bootstrap::groups;
use ranker::eval::{Bootstrap, Row, coverage, gini, real, top_share};

use super::market::Market;

/// One impression with the chances behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Impression {
    pub(super) viewer: UserId,
    pub(super) candidate: UserId,
    /// That the viewer likes the candidate.
    pub(super) likes: f64,
    /// That both like each other.
    pub(super) matches: f64,
}

impl Impression {
    pub(super) fn of(market: &Market, viewer: UserId, candidate: UserId) -> Self {
        let (likes, back) = market.truth(viewer, candidate);
        Self { viewer, candidate, likes, matches: likes * back }
    }
}

/// Sum and number of a viewer's values.
type Sum = (f64, f64);

/// Per viewer, in the order of ids.
fn sums(shown: &[Impression], value: impl Fn(&Impression) -> f64) -> BTreeMap<UserId, Sum> {
    let mut sums: BTreeMap<UserId, Sum> = BTreeMap::new();
    for one in shown {
        let sum = sums.entry(one.viewer).or_default();
        *sum = (sum.0 + value(one), sum.1 + 1.0);
    }
    sums
}

fn mean(sums: &[Sum]) -> Option<f64> {
    let (sum, count) = sums.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    (count > 0.0).then(|| sum / count)
}

/// A mean over all impressions times `factor`; whole viewers are drawn again.
pub(super) fn rate(
    strategy: &str,
    slice: &str,
    metric: &str,
    shown: &[Impression],
    value: impl Fn(&Impression) -> f64,
    bootstrap: &Bootstrap,
) -> Option<Row> {
    let by_viewer = groups(sums(shown, value));
    bootstrap.interval(&by_viewer, mean).map(|interval| Row::estimated(strategy, slice, metric, interval))
}

/// Expected matches of two sets of pages, per impression, viewer by viewer: `compare(ours, theirs)` of the two means. Drawn together, because both serve
/// the same viewers.
pub(super) fn beside(
    [strategy, slice, metric]: [&str; 3],
    [ours, theirs]: [&[Impression]; 2],
    compare: impl Fn(f64, f64) -> Option<f64>,
    bootstrap: &Bootstrap,
) -> Option<Row> {
    let of = |shown: &[Impression]| sums(shown, |one| one.matches);
    let (ours, theirs) = (of(ours), of(theirs));
    let viewers: BTreeSet<&UserId> = ours.keys().chain(theirs.keys()).collect();
    let get = |sums: &BTreeMap<UserId, Sum>, viewer: &UserId| sums.get(viewer).copied().unwrap_or_default();
    let rows: Vec<Vec<(Sum, Sum)>> = viewers.into_iter().map(|v| vec![(get(&ours, v), get(&theirs, v))]).collect();
    let both = |rows: &[(Sum, Sum)]| {
        let (ours, theirs): (Vec<Sum>, Vec<Sum>) = rows.iter().copied().unzip();
        compare(mean(&ours)?, mean(&theirs)?)
    };
    bootstrap.interval(&rows, both).map(|interval| Row::estimated(strategy, slice, metric, interval))
}

/// The quotient of two means.
pub(super) fn quotient(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

/// On whom the impressions fall, over everybody who may be shown. Without intervals: viewers who are drawn again stand for each other, and draws of them
/// would always be more uneven.
pub(super) fn spread(strategy: &str, shown: &[Impression], people: &[UserId]) -> Vec<Row> {
    let received = |value: fn(&Impression) -> f64| {
        let mut amounts: BTreeMap<UserId, f64> = people.iter().map(|user| (*user, 0.0)).collect();
        for one in shown {
            *amounts.entry(one.candidate).or_default() += value(one);
        }
        amounts.into_values().collect::<Vec<f64>>()
    };
    let (exposures, likes) = (received(|_| 1.0), received(|one| one.likes));
    let catalogue: BTreeSet<UserId> = people.iter().copied().collect();
    let told = |metric: &str, value: Option<f64>| value.map(|value| Row::plain(strategy, "all", metric, value));
    let rows = [
        told("gini_exposure", gini(&exposures)),
        told("gini_likes", gini(&likes)),
        told("top_share", top_share(&exposures, 0.01)),
        told("coverage", coverage(shown.iter().map(|one| one.candidate), &catalogue)),
        told("impressions", Some(real(shown.len()))),
    ];
    rows.into_iter().flatten().collect()
}
