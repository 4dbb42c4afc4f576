#![allow(clippy::unwrap_used)]

use features::embed::HashingEncoder;
use features::event::{Event, InteractionKind};
use features::ids::derived_event_id;
use pipelines::lake::write_events;
use ranker::eval::{Row, real};

use super::*;
use crate::town::{Town, TownSpec};

fn until() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn protocol() -> LakeProtocol {
    LakeProtocol {
        split: until() - TimeDelta::days(4),
        fit_from: Some(until() - TimeDelta::days(8)),
        until: until(),
        step: TimeDelta::hours(6),
        recall_viewers: 60,
        bootstrap: Bootstrap { replicates: 40, ..Bootstrap::default() },
    }
}

async fn found(events: &[Event]) -> anyhow::Result<LakeFindings> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: dir.path().to_path_buf(), ..Config::default() };
    let tried = serde_json::json!({"arms": {"control": {}, "near": {"strategy": "distance"}}});
    config.ranker.experiments.insert("closer".to_owned(), serde_json::from_value(tried).unwrap());
    write_events(&config.lake_place(), events).await.unwrap();
    evaluate(&config, Some(Arc::new(HashingEncoder::new(64))), &protocol(), |_, _| ()).await
}

async fn evaluated(events: &[Event]) -> anyhow::Result<Vec<Row>> {
    Ok(found(events).await?.findings.rows())
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
    for strategy in ["warm", "fitted"].map(|name| ["one_sided", "product", "harmonic"].map(|what| format!("{name}_{what}"))).as_flattened()
    {
        assert!((0.0..=1.0).contains(&value(&rows, strategy, "warm", "auc_like")));
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
async fn chances_are_fitted_before_the_split_and_judged_after_it() {
    let LakeFindings { findings, fitted } = found(&town()).await.unwrap();
    let (rows, fitted) = (findings.rows(), fitted.unwrap());
    let (warm, formula) = (value(&rows, "fitted_one_sided", "all", "auc_like"), value(&rows, "one_sided", "all", "auc_like"));
    assert!(warm > formula + 0.1, "in a town how choosy and how liked people are says most: {warm} {formula}");
    let gain = rows.iter().find(|r| r.strategy == "fitted_one_sided over one_sided" && r.slice == "all" && r.metric == "auc_gain").unwrap();
    assert!((gain.value - (warm - formula)).abs() < 1e-9 && gain.low.unwrap() > 0.0, "{gain:?}");
    for (strategy, slice) in [("fitted_one_sided", "all"), ("fitted_one_sided", "warm"), ("fitted_product", "both_shown")] {
        assert!((0.0..0.25).contains(&value(&rows, strategy, slice, "brier")));
        assert!((0.0..1.0).contains(&value(&rows, strategy, slice, "log_loss")));
        assert!((0.0..0.2).contains(&value(&rows, strategy, slice, "calibration_error")), "{strategy} {slice}");
    }
    let bins: Vec<&Row> = rows.iter().filter(|r| r.strategy == "fitted_one_sided" && r.slice.starts_with("all bin=")).collect();
    let judged: f64 = bins.iter().filter(|r| r.metric == "reliability_rows").map(|r| r.value).sum();
    let scored = value(&rows, "logged", "all", "scored_share") * value(&rows, "logged", "all", "impressions");
    assert!((judged - scored).abs() < 1e-6, "every impression is in a bin");
    assert!(bins.iter().any(|r| r.metric == "reliability_observed" && r.low.is_some()));
    let weights = &fitted.weights;
    assert!(fitted.likes > 50 && fitted.rows > fitted.likes && weights.choosy > 0.3 && weights.liked > 0.3, "{weights:?}");
    assert!((0.3..=1.0).contains(&fitted.examined.examined(7)), "few people, so the estimate is rough: {:?}", fitted.examined);
    let read: toml::Table = fitted.toml().parse().unwrap();
    let told = read["ranker"]["warm"]["choosy"].as_float().unwrap();
    assert!((told - weights.choosy).abs() < 0.001, "what is printed can be pasted");
    let none = Config::default().ranker.warm;
    assert_eq!((weights.combine, weights.sharpness), (none.combine, none.sharpness), "what is not fitted stays");
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
