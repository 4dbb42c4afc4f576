//! What the sources find at the split: how many of the people whom viewers like later, and how widely a page spreads.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use features::ids::UserId;
use ranker::chance::sample;
use ranker::eval::{Bootstrap, Row, coverage, gini, real};
use ranker::sources::merge;
use ranker::{DeckRequest, RankerConfig, Recommender, SourceName};
use serde_json::{Value, json};

use super::LakeProtocol;
use super::outcomes::Outcomes;
use crate::world::World;

/// What a source may come back with.
const LIMIT: usize = 200;
/// People of a page.
const PAGE: usize = 10;

/// How much of whom a viewer liked later was found: of how many, how many.
type Found = (usize, usize);

/// Everything that is measured of the sources, by viewer.
#[derive(Default)]
struct Measured {
    by_source: BTreeMap<&'static str, Vec<Vec<Found>>>,
    union: Vec<Vec<Found>>,
    pages: Vec<Vec<UserId>>,
}

/// Recall of each source and of all together, coverage and Gini of first pages, at the split.
pub(super) async fn rows(world: &World, ranker: &RankerConfig, outcomes: &Outcomes, protocol: &LakeProtocol) -> anyhow::Result<Vec<Row>> {
    let wide = Recommender::new(world.parts().clone(), &equal_limits(ranker)?)?;
    let usual = Recommender::new(world.parts().clone(), ranker)?;
    let truth = later(world, ranker, outcomes, protocol);
    let viewers = sample(protocol.bootstrap.seed, truth.keys().copied(), protocol.recall_viewers);
    let mut measured = Measured::default();
    for viewer in viewers {
        let seed = protocol.bootstrap.seed ^ viewer.0;
        let request = DeckRequest { viewer, deck_id: String::new(), seed, now: protocol.split, position: None, limit: PAGE };
        let Ok(fetched) = wide.fetch(&request).await else { continue };
        let liked = &truth[&viewer];
        let fresh =
            |found: &[UserId]| found.iter().copied().filter(|c| is_fresh(world, ranker, (viewer, *c), protocol)).take(LIMIT).collect();
        let mut rankings: Vec<(SourceName, Vec<UserId>)> = Vec::new();
        for one in fetched {
            let found: Vec<UserId> = fresh(&one.found.unwrap_or_default());
            measured.by_source.entry(one.source.name()).or_default().push(vec![overlap(&found, liked)]);
            rankings.push((one.source, found));
        }
        let all = merge(rankings.iter().map(|(source, found)| (*source, found.as_slice())));
        let all: Vec<UserId> = all.into_iter().map(|c| c.user).take(ranker.deck.candidates_to_score).collect();
        measured.union.push(vec![overlap(&all, liked)]);
        if let Ok(deck) = usual.deck(&request).await {
            measured.pages.push(deck.items.into_iter().map(|item| item.user_id).collect());
        }
    }
    Ok(measured.rows(world, &protocol.bootstrap))
}

/// The configuration with the same room for every source, and no hurry: a slow machine must not change the figures.
fn equal_limits(ranker: &RankerConfig) -> anyhow::Result<RankerConfig> {
    let mut value = serde_json::to_value(ranker)?;
    if let Some(sources) = value.get_mut("sources").and_then(Value::as_object_mut) {
        for budget in sources.values_mut().filter(|value| value.get("timeout_ms").is_some()) {
            *budget = json!({"limit": LIMIT, "timeout_ms": 60_000});
        }
    }
    for region in value.get_mut("regions").and_then(Value::as_object_mut).into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(region) = region.as_object_mut() {
            region.remove("sources");
        }
    }
    Ok(serde_json::from_value(value)?)
}

/// Whether it is a source's business to find somebody: known at the split, and not yet shown lately, liked or passed.
fn is_fresh(world: &World, ranker: &RankerConfig, (viewer, candidate): (UserId, UserId), protocol: &LakeProtocol) -> bool {
    let (ledger, window) = (&world.parts().ledger, TimeDelta::days(ranker.deck.exposure_window_days.into()));
    viewer != candidate
        && !ledger.likes(viewer, candidate)
        && !ledger.passed(viewer, candidate)
        && !ledger.shown_within(viewer, candidate, protocol.split, window)
}

/// Whom each viewer known at the split likes from then on, among those whom it was a source's business to find.
fn later(world: &World, ranker: &RankerConfig, outcomes: &Outcomes, protocol: &LakeProtocol) -> BTreeMap<UserId, BTreeSet<UserId>> {
    let known: BTreeSet<UserId> = {
        let table = world.parts().table.read();
        table.rows().map(|row| table.user(row)).collect()
    };
    let mut truth: BTreeMap<UserId, BTreeSet<UserId>> = BTreeMap::new();
    for ((viewer, candidate), liked) in &outcomes.likes {
        let both = known.contains(viewer) && known.contains(candidate);
        if both && liked.last >= protocol.split && is_fresh(world, ranker, (*viewer, *candidate), protocol) {
            truth.entry(*viewer).or_default().insert(*candidate);
        }
    }
    truth
}

fn overlap(found: &[UserId], liked: &BTreeSet<UserId>) -> Found {
    (liked.len(), found.iter().filter(|user| liked.contains(user)).count())
}

/// The share of all likes that was found.
fn share(found: &[Found]) -> Option<f64> {
    let (of, hits) = found.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (of > 0).then(|| real(hits) / real(of))
}

impl Measured {
    fn rows(&self, world: &World, bootstrap: &Bootstrap) -> Vec<Row> {
        let mut rows = Vec::new();
        for (source, found) in &self.by_source {
            rows.extend(bootstrap.interval(found, share).map(|i| Row::estimated(source, "all", "recall@200", i)));
        }
        rows.extend(bootstrap.interval(&self.union, share).map(|i| Row::estimated("all_sources", "all", "recall@candidates", i)));
        let catalogue: BTreeSet<UserId> = {
            let table = world.parts().table.read();
            table.rows().filter(|row| table.visible(*row)).map(|row| table.user(row)).collect()
        };
        let covered = |shown: &[UserId]| coverage(shown.iter().copied(), &catalogue);
        let spread = |shown: &[UserId]| {
            let mut amounts: BTreeMap<UserId, f64> = catalogue.iter().map(|user| (*user, 0.0)).collect();
            shown.iter().for_each(|user| *amounts.entry(*user).or_default() += 1.0);
            gini(&amounts.into_values().collect::<Vec<_>>())
        };
        let shown = self.pages.concat();
        rows.extend(covered(&shown).map(|value| Row::plain("deck", "all", "page_coverage", value)));
        rows.extend(spread(&shown).map(|value| Row::plain("deck", "all", "page_gini_exposure", value)));
        rows
    }
}
