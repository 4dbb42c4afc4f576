//! An experiment from the configuration to the conclusion: arms are dealt, logged with every exposure, and the report counts what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use features::event::Event;
use features::ids::UserId;
use pipelines::bus::{Bus, BusConfig, OutRecord};
use ranker::RankerConfig;
use ranker::experiments::{Assignment, Experiments};
use serde_json::{Value, json};
use serving::experiments::{Metric, ReportOptions, ReportRow, Trial, report, tables};
use serving::town::{Town, TownSpec};
use tests::{TestApp, person};

use crate::streams::town::Dice;

const WOMEN: u64 = 300;
const MEN: u64 = 60;

/// Half of the users are ranked by distance alone; a tenth of all take part in nothing.
fn tried() -> RankerConfig {
    serde_json::from_value(json!({
        "holdout": {"share": 0.1},
        "experiments": {"closer": {"share": 1.0, "planned_users": 300, "arms": {
            "control": {"overrides": {"weights": {"distance": 0.0}}}, "near": {"strategy": "distance"}}}}
    }))
    .unwrap()
}

/// Women at one place, every second man there, too, the others 17 km away.
async fn people(app: &TestApp) {
    for id in 1..=WOMEN {
        app.with_user(id, &person(&format!("小红{id}"), "female", "male")).await;
    }
    for id in WOMEN + 1..=WOMEN + MEN {
        let mut man = person(&format!("阿强{id}"), "male", "female");
        if id % 2 == 0 {
            man["position"]["lat"] = json!(31.38);
        }
        app.with_user(id, &man).await;
    }
    let all = WOMEN + MEN;
    app.until("everybody is in the table", async || app.get("/v1/users?limit=1").await.expect(200)["total"] == json!(all)).await;
}

/// What a woman does with a man: she likes nine of ten who are near and one of twenty who are far; every third likes her back.
fn likes(woman: u64, item: &Value) -> (bool, bool) {
    let man: u64 = item["user_id"].as_str().unwrap().parse().unwrap();
    let dice = (woman * 31 + man * 17 + (woman * man) % 7) % 20;
    let liked = dice < if item["distance"] == json!("<5 km") { 18 } else { 1 };
    (liked, liked && (woman + man).is_multiple_of(3))
}

/// What happened in an arm, counted beside.
#[derive(Debug, Default, Clone, PartialEq)]
struct Tally {
    users: u64,
    impressions: u64,
    likes: u64,
    matches: u64,
}

/// Everybody looks at one page and answers it.
async fn one_evening(app: &TestApp, experiments: &Experiments) -> BTreeMap<String, Tally> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for woman in 1..=WOMEN {
        let page = app.recommend(woman, 10).await;
        let arms: Vec<String> = experiments.assign(UserId(woman), Utc::now()).iter().map(Assignment::label).collect();
        let explained = app.get(&format!("/v1/recommendations/{}/explain", page["deck_id"].as_str().unwrap())).await.expect(200);
        assert_eq!(explained["experiments"], json!(arms));
        let strategy = if arms.contains(&"closer:near".to_owned()) { "distance" } else { "formula" };
        assert_eq!((&explained["strategy"], &explained["shown"][0]["strategy"]), (&json!(strategy), &json!(strategy)));
        let items = page["items"].as_array().unwrap();
        let mut sent = Vec::new();
        let mut tally = Tally { users: 1, impressions: items.len() as u64, ..Tally::default() };
        for item in items {
            let man = &item["user_id"];
            let (liked, back) = likes(woman, item);
            tally.likes += u64::from(liked);
            tally.matches += u64::from(back);
            let like = |actor: &Value, target: &Value| json!({"kind": "like", "actor_id": actor, "target_id": target});
            let herself = json!(woman.to_string());
            sent.extend(liked.then(|| like(&herself, man)));
            sent.extend(back.then(|| like(man, &herself)));
        }
        if !sent.is_empty() {
            let answer = app.post("/v1/interactions", &json!({"items": sent})).await.expect(200);
            assert_eq!(answer["accepted"], json!(sent.len()), "{answer}");
        }
        for arm in arms {
            let sum = tallies.entry(arm).or_default();
            sum.users += tally.users;
            sum.impressions += tally.impressions;
            sum.likes += tally.likes;
            sum.matches += tally.matches;
        }
    }
    tallies
}

fn counted(rows: &[ReportRow]) -> BTreeMap<String, Tally> {
    let tally =
        |r: &ReportRow| Tally { users: r.users, impressions: r.impressions as u64, likes: r.likes as u64, matches: r.matches as u64 };
    rows.iter().map(|row| (format!("{}:{}", row.experiment, row.arm), tally(row))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn arms_are_dealt_logged_and_concluded_from() {
    let config = tried();
    let app = TestApp::start_with(|c| {
        c.ranker = config.clone();
        c.lake.flush_s = 0.5;
    })
    .await;
    people(&app).await;
    let tallies = one_evening(&app, &Experiments::new(&config)).await;
    let lake = app.folder().join("lake").display().to_string();
    let options = ReportOptions { metrics: vec![Metric::LikeRate, Metric::Matches], days: None, alpha: 0.05, now: Utc::now() };
    let look = async || report(&lake, &Trial::all(&config), &options).await.unwrap();
    app.until("the lake has everything", async || counted(&look().await) == tallies).await;
    let rows = look().await;
    assert!(rows.iter().all(|row| row.in_two_arms == 0));
    let near = rows.iter().find(|row| row.arm == "near" && row.metric == "like_rate").unwrap();
    println!("{near:#?}");
    assert!(near.split_p.unwrap() > 0.001, "the split is sound");
    assert!(near.always_low.unwrap() > 0.0 && near.conclusion.starts_with("higher"), "{near:?}");
    assert_eq!(rows.iter().filter(|row| row.experiment == "holdout").count(), 4, "two arms in two metrics");
    // Nobody's seven days are over yet.
    let later = ReportOptions { days: Some(7), ..options };
    assert!(report(&lake, &Trial::all(&config), &later).await.unwrap().iter().all(|row| row.users == 0));
    let in_a_week = ReportOptions { now: Utc::now() + chrono::TimeDelta::days(8), ..later };
    assert_eq!(counted(&report(&lake, &Trial::all(&config), &in_a_week).await.unwrap()), tallies);
    logged(&lake).await;
    app.stop().await;
}

/// Every impression carries its arms and a propensity, and nothing else does.
async fn logged(lake: &str) {
    let sql = "SELECT kind FROM interactions WHERE
      (kind = 'impression' AND NOT COALESCE(propensity > 0 AND propensity <= 1 AND array_length(experiments) >= 1, false))
      OR (kind <> 'impression' AND (propensity IS NOT NULL OR experiments IS NOT NULL))";
    let session = pipelines::query::session(lake).await.unwrap();
    let wrong = session.sql(sql).await.unwrap().collect().await.unwrap();
    assert_eq!(wrong.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0, "{wrong:?}");
}

/// The worked example of docs/EXPERIMENTS.md: three strategies in a town that likes by its hidden truth. Takes minutes:
/// `cargo test -p tests -p deps --test system three_strategies -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "an example for the documentation, which takes minutes"]
async fn three_strategies_in_a_town() {
    const PEOPLE: u32 = 1_200;
    let arms = json!({"popularity": {"strategy": "popularity"}, "formula": {}, "random": {"strategy": "random"}});
    let experiments = json!({"ranking": {"share": 1.0, "control": "popularity", "planned_users": PEOPLE, "arms": arms}});
    let config: RankerConfig = serde_json::from_value(json!({ "experiments": experiments })).unwrap();
    let app = TestApp::start_with(|c| c.ranker = config.clone()).await;
    let town = Town::new(TownSpec { users: PEOPLE, days: 10, seed: 1, until: Utc::now() });
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let record = |event: &Event| OutRecord::new("inbox", event.actor().to_string(), Some(event.encode()));
    bus.producer().unwrap().send_all(town.events().iter().map(record).collect()).await.unwrap();
    app.until("everybody is there", async || app.get("/v1/users?limit=1").await.expect(200)["total"] == json!(PEOPLE)).await;
    let mut dice = Dice(7);
    for evening in 0..4 {
        // Likes of one evening have come into the portraits before the next.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut liked = 0;
        for viewer in 1..=u64::from(PEOPLE) {
            let page = app.recommend(viewer, 8).await;
            let mut sent = Vec::new();
            for item in page["items"].as_array().unwrap() {
                let candidate: usize = item["user_id"].as_str().unwrap().parse().unwrap();
                let truth = town.truth(viewer as usize - 1, candidate - 1);
                let kind = if (dice.roll(1_000_000) as f64) < truth * 1e6 { "like" } else { "pass" };
                liked += u32::from(kind == "like");
                sent.push(json!({"kind": kind, "actor_id": viewer.to_string(), "target_id": item["user_id"], "deck_id": page["deck_id"], "position": item["position"]}));
            }
            if !sent.is_empty() {
                app.post("/v1/interactions", &json!({"items": sent})).await.expect(200);
            }
        }
        println!("evening {evening}: {liked} likes");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let folder = app.stop().await;
    let lake = folder.path().join("lake").display().to_string();
    let options = ReportOptions { metrics: Metric::ALL.to_vec(), days: None, alpha: 0.05, now: Utc::now() };
    println!("{}", tables(&report(&lake, &Trial::all(&config), &options).await.unwrap(), options.alpha).unwrap());
}
