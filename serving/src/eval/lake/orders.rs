//! How good each strategy's order of the impressions is.

use std::collections::{BTreeMap, BTreeSet};

use features::ids::UserId;
use ranker::eval::bootstrap::groups;
use ranker::eval::{Bootstrap, Row, auc, coverage, gini, ndcg_at_k, real};

use super::strategies::{Scored, chance};

/// People of a viewer's list that count.
const TOP: usize = 10;
/// Cities with a slice of their own at most: those with the most impressions.
const CITIES: usize = 8;

/// Impressions that belong together, with a name.
type Slice<'a> = (String, Vec<&'a Scored>);

/// Every measure of every strategy on every slice. `all` impressions there were; those that no strategy could score are counted.
///
/// Coverage and Gini have no interval: viewers who are drawn again stand for each other, so draws of them would always cover less than they do, and
/// say nothing about how sure the figure is.
pub(super) fn rows(strategies: &[String], scored: &[Scored], all: usize, bootstrap: &Bootstrap) -> Vec<Row> {
    let told = |metric: &str, value: f64| Row::plain("logged", "all", metric, value);
    let mut rows = vec![told("impressions", real(all)), told("scored_share", real(scored.len()) / real(all.max(1)))];
    for (name, slice) in slices(scored) {
        rows.extend(rates(&name, &slice, bootstrap));
        for (at, strategy) in strategies.iter().enumerate() {
            rows.extend(areas(strategy, &name, &slice, at, bootstrap));
            rows.extend(lists(strategy, &name, &slice, at, bootstrap));
        }
    }
    rows
}

fn slices(scored: &[Scored]) -> Vec<Slice<'_>> {
    let whole = |name: &str, keep: &dyn Fn(&Scored) -> bool| (name.to_owned(), scored.iter().filter(|s| keep(s)).collect::<Vec<_>>());
    let mut slices = vec![whole("all", &|_| true), whole("warm", &|s| s.shown.warm), whole("cold", &|s| !s.shown.warm)];
    let mut parts: BTreeMap<String, Vec<&Scored>> = BTreeMap::new();
    let mut cities: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for one in scored {
        parts.entry(format!("gender={}", one.gender)).or_default().push(one);
        parts.entry(format!("account_age={}", one.account_age)).or_default().push(one);
        if let Some(city) = &one.city {
            cities.entry(city).or_default().push(one);
        }
    }
    slices.extend(parts);
    let mut cities: Vec<(&str, Vec<&Scored>)> = cities.into_iter().collect();
    cities.sort_by_key(|(name, of)| (std::cmp::Reverse(of.len()), *name));
    slices.extend(cities.into_iter().take(CITIES).map(|(name, of)| (format!("city={name}"), of)));
    slices.retain(|(_, of)| !of.is_empty());
    slices
}

fn by_viewer<T>(slice: &[&Scored], value: impl Fn(&Scored) -> T) -> Vec<Vec<T>> {
    groups(slice.iter().map(|one| (one.shown.viewer, value(one))))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / real(values.len()))
}

/// What came of the impressions, whoever orders them: likes and matches per hundred.
fn rates(name: &str, slice: &[&Scored], bootstrap: &Bootstrap) -> Vec<Row> {
    let rate = |metric: &str, yes: fn(&Scored) -> bool| {
        let interval = bootstrap.interval(&by_viewer(slice, |one| if yes(one) { 100.0 } else { 0.0 }), mean)?;
        Some(Row::estimated("logged", name, metric, interval))
    };
    [rate("likes_per_100", |one| one.shown.liked), rate("matches_per_100", |one| one.shown.matched)].into_iter().flatten().collect()
}

/// How well the scores part what was liked, and what matched, from the rest.
fn areas(strategy: &str, name: &str, slice: &[&Scored], at: usize, bootstrap: &Bootstrap) -> Vec<Row> {
    let area = |metric: &str, yes: fn(&Scored) -> bool| {
        let interval = bootstrap.interval(&by_viewer(slice, |one| (one.scores[at], yes(one))), auc)?;
        Some(Row::estimated(strategy, name, metric, interval))
    };
    [area("auc_like", |one| one.shown.liked), area("auc_match", |one| one.shown.matched)].into_iter().flatten().collect()
}

/// A viewer's impressions in the order of a strategy; among equals chance decides, not the place at which they were shown.
fn ordered(mut list: Vec<&Scored>, at: usize) -> Vec<&Scored> {
    list.sort_by(|a, b| b.scores[at].total_cmp(&a.scores[at]).then_with(|| chance(1, &a.shown).total_cmp(&chance(1, &b.shown))));
    list
}

/// What each viewer would have seen first.
fn lists(strategy: &str, name: &str, slice: &[&Scored], at: usize, bootstrap: &Bootstrap) -> Vec<Row> {
    let orders: Vec<Vec<&Scored>> =
        groups(slice.iter().map(|one| (one.shown.viewer, *one))).into_iter().map(|list| ordered(list, at)).collect();
    let gain = |one: &&Scored| if one.shown.liked { 1.0 } else { 0.0 };
    // A list of one has one order only.
    let gained: Vec<Vec<f64>> = orders
        .iter()
        .filter(|list| list.len() > 1)
        .filter_map(|list| {
            let gains: Vec<f64> = list.iter().map(gain).collect();
            ndcg_at_k(&gains, &gains, TOP).map(|ndcg| vec![ndcg])
        })
        .collect();
    let mut rows: Vec<Row> = bootstrap.interval(&gained, mean).map(|i| Row::estimated(strategy, name, "ndcg@10", i)).into_iter().collect();
    if name == "all" {
        rows.extend(tops(strategy, orders, bootstrap));
    }
    rows
}

/// What becomes of the first ten of everybody's list, and on whom they fall.
fn tops(strategy: &str, orders: Vec<Vec<&Scored>>, bootstrap: &Bootstrap) -> Vec<Row> {
    let catalogue: BTreeSet<UserId> = orders.iter().flatten().map(|one| one.shown.candidate).collect();
    let tops: Vec<Vec<&Scored>> = orders.into_iter().map(|list| list.into_iter().take(TOP).collect()).collect();
    let rate = |metric: &str, yes: fn(&Scored) -> bool| {
        let share = |top: &[&Scored]| mean(&top.iter().map(|one| if yes(one) { 100.0 } else { 0.0 }).collect::<Vec<_>>());
        bootstrap.interval(&tops, share).map(|interval| Row::estimated(strategy, "all", metric, interval))
    };
    let whole = tops.concat();
    let told = |metric: &str, value: Option<f64>| value.map(|value| Row::plain(strategy, "all", metric, value));
    let rows = [
        rate("likes_per_100@10", |one| one.shown.liked),
        rate("matches_per_100@10", |one| one.shown.matched),
        told("coverage@10", coverage(whole.iter().map(|one| one.shown.candidate), &catalogue)),
        told("gini_exposure@10", gini(&received(&whole, &catalogue, |_| true))),
        told("gini_likes@10", gini(&received(&whole, &catalogue, |one| one.shown.liked))),
    ];
    rows.into_iter().flatten().collect()
}

/// How many of the impressions that count everybody of the catalogue received.
fn received(top: &[&Scored], catalogue: &BTreeSet<UserId>, counts: impl Fn(&Scored) -> bool) -> Vec<f64> {
    let mut amounts: BTreeMap<UserId, f64> = catalogue.iter().map(|user| (*user, 0.0)).collect();
    for one in top.iter().filter(|one| counts(one)) {
        *amounts.entry(one.shown.candidate).or_default() += 1.0;
    }
    amounts.into_values().collect()
}
