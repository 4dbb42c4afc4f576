#![allow(clippy::unwrap_used)]

use features::embed::HashingEncoder;
use features::event::{Event, InteractionKind};
use features::ids::derived_event_id;
use pipelines::lake::write_events;
use ranker::eval::real;

use super::*;
use crate::town::{Town, TownSpec};

fn until() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn protocol() -> LakeProtocol {
    LakeProtocol {
        split: until() - TimeDelta::days(4),
        until: until(),
        step: TimeDelta::hours(6),
        recall_viewers: 60,
        bootstrap: Bootstrap { replicates: 40, ..Bootstrap::default() },
    }
}

async fn evaluated(events: &[Event]) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: dir.path().to_path_buf(), ..Config::default() };
    let tried = serde_json::json!({"arms": {"control": {}, "near": {"strategy": "distance"}}});
    config.ranker.experiments.insert("closer".to_owned(), serde_json::from_value(tried).unwrap());
    write_events(&config.lake_place(), events).await.unwrap();
    evaluate(&config, Some(Arc::new(HashingEncoder::new(64))), &protocol(), |_, _| ()).await
}

fn town() -> Vec<Event> {
    Town::new(TownSpec { users: 300, days: 12, seed: 3, until: until() }).events()
}

fn value(rows: &[Row], strategy: &str, slice: &str, metric: &str) -> f64 {
    let found = rows.iter().find(|r| (r.strategy.as_str(), r.slice.as_str(), r.metric.as_str()) == (strategy, slice, metric));
    found.unwrap_or_else(|| panic!("no {strategy} {slice} {metric}")).value
}

#[tokio::test]
async fn a_town_is_judged_by_every_strategy() {
    let rows = evaluated(&town()).await.unwrap();
    for row in &rows {
        assert!(row.value.is_finite(), "{row:?}");
        assert!(row.low.zip(row.high).is_none_or(|(low, high)| low <= row.value && row.value <= high), "{row:?}");
    }
    for strategy in strategies::STRATEGIES {
        for metric in ["auc_like", "auc_match", "ndcg@10", "coverage@10", "gini_exposure@10", "gini_likes@10", "matches_per_100@10"] {
            assert!((0.0..=100.0).contains(&value(&rows, strategy, "all", metric)));
        }
        assert!((0.0..=1.0).contains(&value(&rows, strategy, "gender=female", "auc_like")));
    }
    let auc_match = |strategy: &str| value(&rows, strategy, "all", "auc_match");
    assert_eq!(auc_match("closer:control"), auc_match("configured"), "an arm that changes nothing");
    assert_ne!(auc_match("closer:near"), auc_match("configured"));
    let random = rows.iter().find(|r| (r.strategy.as_str(), r.slice.as_str(), r.metric.as_str()) == ("random", "all", "auc_like")).unwrap();
    // Four standard errors: an interval of 95 % is 3.92 wide.
    let far = 4.0 * (random.high.unwrap() - random.low.unwrap()) / 3.92;
    assert!((random.value - 0.5).abs() < far, "chance knows nothing: {random:?}");
    assert!(value(&rows, "popularity", "all", "auc_like") > 0.55, "who is liked a lot is liked again");
    assert!(value(&rows, "deck", "all", "page_coverage") > 0.0);
    assert!(value(&rows, "all_sources", "all", "recall@candidates") >= value(&rows, "near_me", "all", "recall@200"));
}

#[tokio::test]
async fn what_is_counted_is_what_happened() {
    let events = town();
    let rows = evaluated(&events).await.unwrap();
    let p = protocol();
    let within = |e: &&features::event::InteractionEvent| e.event_time >= p.split && e.event_time < p.until;
    let said = |kind| {
        let all = events.iter().filter_map(move |e| if let Event::Interaction(i) = e { (i.kind == kind).then_some(i) } else { None });
        all.collect::<Vec<_>>()
    };
    // A town shows nobody twice, so impressions are pairs.
    let shown = said(InteractionKind::Impression).into_iter().filter(within).count();
    assert_eq!(value(&rows, "logged", "all", "impressions"), real(shown));
    let scored = value(&rows, "logged", "all", "scored_share") * real(shown);
    let likes = said(InteractionKind::Like).into_iter().filter(within).count();
    let rate = value(&rows, "logged", "all", "likes_per_100");
    assert!((rate * scored / 100.0 - real(likes)).abs() <= real(shown) - scored + 1.0, "{rate} {scored} {likes}");
}

#[tokio::test]
async fn what_comes_after_the_end_is_not_read() {
    let events = town();
    let rows = evaluated(&events).await.unwrap();
    let mut more = events.clone();
    for (n, event) in events.iter().enumerate().filter(|(_, e)| matches!(e, Event::Interaction(_))) {
        let Event::Interaction(mut i) = event.clone() else { continue };
        (i.event_time, i.kind) = (until() + TimeDelta::minutes(1), InteractionKind::Like);
        i.event_id = derived_event_id(&["later", &n.to_string()]);
        more.push(Event::Interaction(i));
    }
    assert_eq!(evaluated(&more).await.unwrap(), rows);
}

#[tokio::test]
async fn a_lake_without_impressions_says_what_to_do() {
    let error = evaluated(&[]).await.unwrap_err().to_string();
    assert!(error.contains("no impression") && error.contains("hongniang query"), "{error}");
}
