use std::sync::Arc;

use ranker::RankerConfig;
use ranker::eval::{Bootstrap, Row};

use super::days::visits;
use super::*;
use crate::config::Config;
use crate::eval::report::write_svg;
use crate::town::TownSpec;

async fn market(users: u32) -> Arc<Market> {
    let spec = TownSpec { users, days: 8, seed: 3, until: "2026-11-20T00:00:00Z".parse().unwrap() };
    Arc::new(Market::grow(&Config::default(), None, spec).await.unwrap())
}

fn bootstrap() -> Bootstrap {
    Bootstrap { replicates: 40, ..Bootstrap::default() }
}

fn find<'a>(rows: &'a [Row], strategy: &str, slice: &str, metric: &str) -> &'a Row {
    let found = rows.iter().find(|r| (r.strategy.as_str(), r.slice.as_str(), r.metric.as_str()) == (strategy, slice, metric));
    found.unwrap_or_else(|| panic!("no {strategy} {slice} {metric}"))
}

fn value(rows: &[Row], strategy: &str, metric: &str) -> f64 {
    find(rows, strategy, "all", metric).value
}

#[tokio::test]
async fn nobody_is_better_than_who_knows_the_truth() {
    let market = market(250).await;
    let protocol = TownProtocol { viewers: 80, page: 6, bootstrap: bootstrap() };
    let mut ranker = RankerConfig::default();
    let tried = serde_json::json!({"arms": {"control": {}, "near": {"strategy": "distance"}}});
    ranker.experiments.insert("closer".to_owned(), serde_json::from_value(tried).unwrap());
    let rows = evaluate(&market, &ranker, &protocol, |_, _| ()).await.unwrap();
    for row in &rows {
        assert!(row.value.is_finite(), "{row:?}");
        assert!(row.low.zip(row.high).is_none_or(|(low, high)| low <= row.value && row.value <= high), "{row:?}");
    }
    for strategy in ["random", "popularity", "distance", "one_sided", "formula", "configured", "greedy", "closer:near", "oracle"] {
        for slice in ["all", "gender=female", "account_age=old"] {
            let best = find(&rows, "oracle", slice, "matches_per_100").value;
            let own = find(&rows, strategy, slice, "matches_per_100").value;
            assert!(own <= best + 1e-9, "{strategy} {slice}: {own} of {best}");
            let regret = find(&rows, strategy, slice, "regret_per_100").value;
            assert!((best - own - regret).abs() < 1e-9, "{strategy} {slice}: {regret}");
        }
        for metric in ["gini_exposure", "gini_likes", "coverage", "newcomers_share", "top_share"] {
            assert!((0.0..=1.0).contains(&value(&rows, strategy, metric)));
        }
    }
    assert!(value(&rows, "oracle", "matches_per_100") > 1.3 * value(&rows, "random", "matches_per_100"));
    assert!((value(&rows, "popularity", "matches_over_popularity") - 1.0).abs() < 1e-12);
    assert!(value(&rows, "popularity", "gini_exposure") > value(&rows, "random", "gini_exposure") + 0.1, "the popular are shown to all");
    assert_eq!(value(&rows, "closer:control", "matches_per_100"), value(&rows, "configured", "matches_per_100"));
    let again = evaluate(&market, &ranker, &protocol, |_, _| ()).await.unwrap();
    assert_eq!(rows, again);
}

#[tokio::test]
async fn knobs_that_spread_exposure_do() {
    let market = market(250).await;
    let knobs = ["exposure_exponent", "pile_up_cap", "daily_budget"].map(str::to_owned).to_vec();
    let protocol = FairnessProtocol { days: 2, page: 8, knobs, bootstrap: bootstrap() };
    let mut told = 0;
    let mut ranker = RankerConfig::default();
    ranker.exposure.pile_up_cap = 0.0;
    let rows = fairness(&market, &ranker, &protocol, |done, all| {
        assert!(done == told + 1 && done <= all);
        told = done;
    });
    let rows = rows.await.unwrap();
    assert!((value(&rows, "greedy", "matches_of_greedy") - 1.0).abs() < 1e-12);
    let spread = |strategy: &str| value(&rows, strategy, "gini_exposure");
    assert!(spread("exposure_exponent=4") < spread("exposure_exponent=0"), "much seen, seldom shown");
    assert!(spread("pile_up_cap=1.5") < spread("pile_up_cap=0") - 0.02, "{} {}", spread("pile_up_cap=1.5"), spread("pile_up_cap=0"));
    assert!(spread("daily_budget=3") < spread("daily_budget=0"));
    assert!(spread("popularity") > spread("configured"));
    let impressions = |strategy: &str| value(&rows, strategy, "impressions");
    assert_eq!(impressions("greedy"), impressions("configured"), "the same visits for all");
    assert!(
        !rows.iter().any(|row| row.strategy.starts_with("temperature") || row.strategy.starts_with("joint")),
        "only what was asked for"
    );
    let only = FairnessProtocol { knobs: vec!["pile_up_cap".to_owned()], ..protocol };
    let again = fairness(&market, &ranker, &only, |_, _| ()).await.unwrap();
    assert!(again.iter().all(|row| rows.contains(row)), "a setting lives alone: what others there are changes nothing");
}

#[tokio::test]
async fn the_picture_has_every_setting_and_a_frontier() {
    let row = |strategy: &str, metric: &str, value: f64| Row::plain(strategy, "all", metric, value);
    let settings = [
        ("popularity", 0.9, 1.4),
        ("greedy", 0.6, 1.0),
        ("configured", 0.5, 0.97),
        ("temperature=2", 0.55, 0.8),
        ("joint a=1 b=2", 0.4, 0.9),
    ];
    let rows: Vec<Row> =
        settings.iter().flat_map(|(name, x, y)| [row(name, "gini_likes", *x), row(name, "matches_of_greedy", *y)]).collect();
    let plot = frontier(&rows);
    let of = |begin: &str| {
        let series = plot.series.iter().find(|s| s.name.starts_with(begin)).unwrap();
        series.points.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>()
    };
    assert_eq!(of("frontier"), [(0.4, 0.9), (0.5, 0.97), (0.6, 1.0)], "what another beats in both is not on it");
    assert_eq!((of("one knob"), of("several"), of("configured")), (vec![(0.55, 0.8)], vec![(0.4, 0.9)], vec![(0.5, 0.97)]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.svg");
    write_svg(&file, &plot).unwrap();
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("temperature=2: Gini 0.550, matches 0.800 of greedy") && !svg.contains("var("));
    assert_eq!(svg.matches("<polyline").count(), 1, "only the frontier is joined");
}

#[tokio::test]
async fn people_come_as_often_as_they_are_wont_to() {
    let market = market(250).await;
    let often: f64 = market.people().into_iter().map(|user| market.sessions_a_day(user)).sum();
    let visits = visits(&market, 20, 5);
    let mean = visits.len() as f64 / 20.0;
    // Only whether the next whole number is reached is chance: its variance is a quarter for each at most.
    assert!((mean - often).abs() < 4.0 * (250.0f64 * 0.25 / 20.0).sqrt(), "{mean} instead of {often}");
    assert!(visits.is_sorted());
}
