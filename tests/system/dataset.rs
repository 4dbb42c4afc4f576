//! What the dataset says of an impression is what the platform knew when it showed the page.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use features::event::Event;
use features::portrait::Portrait;
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, OutRecord};
use ranker::TermName;
use ranker::deck::Side;
use serde_json::{Value, json};
use serving::replay::replay;
use serving::town::{Town, TownSpec};
use tests::{TestApp, binary};
use tokio::task::block_in_place;

const USERS: u32 = 200;
/// Pages that are asked for, each of another viewer.
const PAGES: u64 = 14;
/// Counters that are compared, whole numbers first: these tell whether the stream had caught up.
const COUNTS: [&str; 3] = ["popularity.impressions", "popularity.likes", "given.seen"];
const FADED: [&str; 4] = ["popularity.likes_d14", "popularity.looked_d60", "given.answered_d60", "activity_sessions.sessions_d7"];

async fn grow(app: &TestApp) {
    let town = Town::new(TownSpec { users: USERS, days: 5, seed: 6, until: Utc::now() - TimeDelta::minutes(5) });
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let record = |event: &Event| OutRecord::new(Topic::Inbox.name(), event.actor().to_string(), Some(event.encode()));
    bus.producer().unwrap().send_all(town.events().iter().map(record).collect()).await.unwrap();
    let full = async || app.get("/v1/users?limit=1").await.expect(200)["total"] == json!(USERS);
    app.until("the town is known", full).await;
}

/// What a query over Parquet files answers, as text.
async fn ask(lake: &Path, folder: &Path, sql: &str) -> Vec<Vec<String>> {
    let session = pipelines::query::session(lake.to_str().unwrap()).await.unwrap();
    let table = format!("CREATE EXTERNAL TABLE examples STORED AS PARQUET LOCATION '{}/'", folder.display());
    session.sql(&table).await.unwrap();
    let text = session.sql(sql).await.unwrap().to_string().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(1);
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The command, as a user runs it.
fn dataset(data: &Path, out: &Path, words: &[&str]) -> (Value, String) {
    let mut command = Command::new(binary());
    command.args(["dataset", "--as-of-events", "--format", "json", "--data-dir"]).arg(data).arg("--out").arg(out).args(words);
    let output = command.env("HONGNIANG__MODEL__ENCODER", "hashing").current_dir(data).output().unwrap();
    let (text, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{text} {told}");
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {told}")), told)
}

fn count(report: &Value, what: &str) -> u64 {
    let line = report.as_array().unwrap().iter().find(|line| line["what"] == what);
    line.unwrap_or_else(|| panic!("no {what}: {report}"))["count"].as_u64().unwrap()
}

/// Pages with pauses, so that the stream catches up with what each page itself changes.
async fn an_evening(app: &TestApp) -> usize {
    let mut shown = 0;
    for viewer in 1..=PAGES {
        let page = app.recommend(viewer * 11, 6).await;
        let items = page["items"].as_array().unwrap();
        shown += items.len();
        if let Some(first) = items.first().filter(|_| viewer % 3 == 0) {
            let item = json!({"kind": "like", "actor_id": (viewer * 11).to_string(), "target_id": first["user_id"], "deck_id": page["deck_id"], "position": 0});
            app.post("/v1/interactions", &json!({"items": [item]})).await.expect(200);
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_example_says_what_the_ranker_knew() {
    let app = TestApp::start_with(|config| {
        config.lake.flush_s = 0.3;
        config.recommend.ahead_below = 0;
    })
    .await;
    grow(&app).await;
    // Nothing is known of the texts until they are embedded, and the first decks are to have everything.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let begun = Utc::now().trunc_subsecs(6);
    let shown = an_evening(&app).await;
    let lake = app.folder().join("lake");
    let out = app.folder().join("examples");
    let recorded = format!("SELECT COUNT(*) FROM interactions WHERE kind = 'impression' AND event_time >= '{}'", begun.to_rfc3339());
    let arrived = async || {
        let session = pipelines::query::session(lake.to_str().unwrap()).await.unwrap();
        let text = session.sql(&recorded).await.unwrap().to_string().await.unwrap();
        text.contains(&format!("| {shown} "))
    };
    app.until("every impression is in the lake", arrived).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (report, told) = block_in_place(|| dataset(app.folder(), &out, &["--from", &begun.to_rfc3339(), "--no-vectors"]));
    assert_eq!((count(&report, "impressions"), count(&report, "rows")), (shown as u64, shown as u64), "{report} {told}");
    assert!(told.contains("a second; the lake ends at"), "{told}");
    // DataFusion wants nothing but partitions below the folder of a table.
    std::fs::remove_dir_all(out.join("_days")).unwrap();
    std::fs::remove_file(out.join("_dataset.json")).unwrap();
    let liked = ask(&lake, &out, "SELECT COUNT(*) FROM examples WHERE liked AND liked_here AND split IS NOT NULL").await;
    assert_eq!(liked[0][0], (PAGES / 3).to_string());
    counters_agree(&lake, &out).await;
    terms_agree(&lake, &out).await;
    let (report, _) = block_in_place(|| dataset(app.folder(), &app.folder().join("all"), &["--no-vectors", "--sample", "0.5"]));
    assert!(count(&report, "rows") > 60 && count(&report, "left out: sampled") > 50, "{report}");
    app.stop().await;
}

/// Counters of the candidates are those of the portraits that were shown, faded to the time of the page.
async fn counters_agree(lake: &Path, out: &Path) {
    let columns: Vec<String> = COUNTS.iter().chain(&FADED).map(|name| format!("candidate_{}", name.replace('.', "_"))).collect();
    let sql = format!("SELECT candidate_id, event_time, logged_version, logged_generation, {} FROM examples", columns.join(", "));
    let rows = ask(lake, out, &sql).await;
    let portraits = ask(lake, out, "SELECT portrait FROM portraits WHERE user_id IN (SELECT candidate_id FROM examples)").await;
    let portraits: HashMap<(String, String, String), Portrait> = portraits
        .iter()
        .map(|row| {
            let portrait: Portrait = serde_json::from_str(&row.join("|")).unwrap();
            ((portrait.user_id.to_string(), portrait.version.to_string(), portrait.generation.to_string()), portrait)
        })
        .collect();
    let (mut caught_up, mut worst) = (0, 0f64);
    for row in &rows {
        let portrait = &portraits[&(row[0].clone(), row[2].clone(), row[3].clone())];
        let at: DateTime<Utc> = row[1].parse().unwrap();
        let said = |n: usize| row[4 + n].parse::<f64>().unwrap();
        let whole = COUNTS.iter().enumerate().all(|(n, name)| (said(n) - portrait.counter(name, at)).abs() < 1e-6);
        caught_up += usize::from(whole);
        if whole {
            for (n, name) in FADED.iter().enumerate() {
                let live = portrait.counter(name, at);
                worst = worst.max((said(COUNTS.len() + n) - live).abs() / live.abs().max(1.0));
            }
        }
    }
    println!("{caught_up} of {} rows had a portrait that had caught up; the worst counter of these differs by {worst:.1e}", rows.len());
    assert!(caught_up * 10 >= rows.len() * 7, "{caught_up} of {}", rows.len());
    assert!(worst < 1e-5, "{worst}");
}

/// Tastes wait on the stream for the next event of their owner.
fn tolerance(name: TermName) -> f64 {
    if name == TermName::Taste { 0.15 } else { 2e-3 }
}

/// Terms of the formula are those of the decks that were served.
async fn terms_agree(lake: &Path, out: &Path) {
    let names: Vec<&str> = TermName::SIMILAR.iter().map(|name| name.name()).collect();
    let sides = [(Side::Viewer, "viewer"), (Side::Candidate, "candidate")];
    let columns: Vec<String> = sides.iter().flat_map(|(_, who)| names.iter().map(move |name| format!("pair_{who}_term_{name}"))).collect();
    let sql = format!("SELECT deck_id, candidate_id, logged_score, pair_ranker_score, {} FROM examples", columns.join(", "));
    let rows = ask(lake, out, &sql).await;
    let (mut compared, mut equal, mut scores) = (0, 0, 0);
    for deck in rows.iter().map(|row| &row[0]).collect::<std::collections::BTreeSet<_>>() {
        let done = replay(lake.to_str().unwrap(), deck, None).await.unwrap();
        for row in rows.iter().filter(|row| &row[0] == deck) {
            let item = done.deck.items.iter().find(|item| item.user_id.to_string() == row[1]).unwrap();
            let (logged, again): (f64, f64) = (row[2].parse().unwrap(), row[3].parse().unwrap());
            scores += usize::from((logged - again).abs() < 0.02);
            for (at, (side, name)) in sides.iter().flat_map(|(side, _)| TermName::SIMILAR.iter().map(move |name| (side, name))).enumerate()
            {
                let live = item.terms.iter().find(|term| term.side == *side && term.name == *name).map(|term| f64::from(term.value));
                let said: Option<f64> = row[4 + at].parse().ok();
                compared += 1;
                let near = live.is_none() && said.is_none() || live.zip(said).is_some_and(|(a, b)| (a - b).abs() < tolerance(*name));
                equal += usize::from(near);
            }
        }
    }
    println!("{equal} of {compared} terms and {scores} of {} scores are those of the decks that were served", rows.len());
    assert!(compared > 500 && equal * 100 >= compared * 93, "{equal} of {compared}");
    assert!(scores * 10 >= rows.len() * 8, "{scores} of {}", rows.len());
}
