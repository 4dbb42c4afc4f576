//! `hongniang backfill` beside a running server, as people run it.

use std::path::Path;
use std::process::Command;

use features::event::Subject;
use features::ids::MomentId;
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, OutRecord};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, binary, person};
use tokio::task::block_in_place;

/// What it printed, as JSON arrays, and what it told; fails when it fails.
fn backfill(data: &Path, words: &[&str]) -> (Vec<Value>, String) {
    let mut command = Command::new(binary());
    command.arg("backfill").args(words).args(["--format", "json", "--log", "error", "--data-dir"]).arg(data);
    let out = block_in_place(|| command.env("HONGNIANG__MODEL__ENCODER", "hashing").output().unwrap());
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{words:?}: {told}");
    let printed = String::from_utf8(out.stdout).unwrap();
    let rows: Vec<Value> = serde_json::Deserializer::from_str(&printed).into_iter::<Value>().map(Result::unwrap).collect();
    (rows, told)
}

/// Whether a search finds the Moment.
async fn found(app: &TestApp, word: &str, moment: &str) -> bool {
    let page = app.get(&format!("/v1/search?q={word}&kind=moments&limit=10")).await;
    page.expect(200)["items"].as_array().unwrap().iter().any(|item| item["id"] == moment)
}

async fn post(app: &TestApp, author: u64, text: &str) -> String {
    let moment = json!({"author_id": author.to_string(), "title": "a day", "text": text, "tags": ["hiking"]});
    let posted = app.send(Method::POST, "/v1/moments", Some(&moment)).await;
    assert!(posted.status < 300, "{posted:?}");
    posted.json()["moment_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_computed_again_beside_a_server() {
    let app = TestApp::start_with(|config| config.lake.flush_s = 0.2).await;
    for id in 1..=6 {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        app.with_user(id, &person(&format!("p{id}"), gender, wants)).await;
    }
    for (actor, target) in [(1, 2), (1, 4), (2, 1), (3, 4), (5, 6)] {
        app.interact("like", actor, target).await;
    }
    let moments = [post(&app, 1, "爬山看日出 sunrise").await, post(&app, 2, "做饭 cooking dumplings").await];
    app.until("the Moments are found", async || found(&app, "sunrise", &moments[0]).await && found(&app, "dumplings", &moments[1]).await)
        .await;
    let data = app.folder().to_path_buf();

    // The lake has it all a moment later; nothing differs then.
    app.until("stream and lake agree", async || {
        let mut command = Command::new(binary());
        command.args(["backfill", "--dry-run", "--format", "json", "--log", "error", "--data-dir"]).arg(&data);
        let out = block_in_place(|| command.output().unwrap());
        let rows: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let row = |name: &str| rows.as_array().into_iter().flatten().find(|row| row["set"] == name).cloned().unwrap_or_default();
        out.status.success()
            && row("given")["equal"] == 4
            && row("moment_tags")["equal"] == 2
            && String::from_utf8_lossy(&out.stderr).contains("0 of 8 feature sets differ")
    })
    .await;

    // A vector is lost, as under another model.
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let lost = Subject::Moment(MomentId(moments[0].parse().unwrap()));
    bus.producer().unwrap().send_all(vec![OutRecord::new(Topic::Embeddings.name(), lost.key(), None)]).await.unwrap();
    app.until("one of eight texts has no vector", async || {
        let (rows, _) = backfill(&data, &["--embeddings", "--dry-run"]);
        (rows[0][0]["texts"].as_u64(), rows[0][0]["due"].as_u64()) == (Some(8), Some(1))
    })
    .await;

    let (rows, told) = backfill(&data, &["--features", "--embeddings", "--portraits", "--index"]);
    let sets = rows[0].as_array().unwrap();
    let generation = |name: &str| sets.iter().find(|set| set["set"] == name).unwrap()["generation"].as_u64();
    assert!(sets.len() == 8 && sets.iter().all(|set| set["gone"] == 0) && generation("given") == Some(2), "{rows:?}");
    assert_eq!((&rows[1][0]["due"], &rows[1][0]["written"]), (&json!(1), &json!(1)), "{rows:?}");
    assert_eq!((&rows[2][0]["people"], &rows[2][0]["taken_over"]), (&json!(6), &json!(true)), "{rows:?}");
    assert!(told.contains("indexes of 6 people are built") && told.contains("from its next start"), "{told}");
    let (rows, _) = backfill(&data, &["status"]);
    assert_eq!((&rows[0][0]["state"], &rows[0][0]["starts"]), (&json!("done"), &json!(1)), "{rows:?}");

    // What is built beside takes the place at the next start; what came meanwhile is in it, too.
    let late = post(&app, 3, "late at night 夜跑").await;
    app.until("the late one is found", async || found(&app, "night", &late).await).await;
    assert!(data.join("rebuild/READY").exists());
    let app = TestApp::start_in(app.stop().await, |config| config.lake.flush_s = 0.2).await;
    assert!(!data.join("rebuild").exists());
    for (word, moment) in ["sunrise", "dumplings", "night"].into_iter().zip(moments.iter().chain([&late])) {
        app.until("it is found", async || found(&app, word, moment).await).await;
    }
    app.until("everybody is there", async || app.inside.indexes.table.len() == 6).await;
    assert!(!app.recommend(1, 3).await["items"].as_array().unwrap().is_empty());
    app.stop().await;
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |words: &[&str]| {
        let out = Command::new(binary()).arg("backfill").args(words).arg("--data-dir").arg(folder.path()).output().unwrap();
        assert!(!out.status.success(), "{words:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    assert!(refused(&["--features", "popularity,fame"]).contains("there is no feature set `fame`; there are activity_actions"));
    assert!(refused(&["--from", "2026-02-01", "--to", "2026-02-01"]).contains("--to"));
    assert!(refused(&["--index", "--from", "2026-02-01"]).contains("always built whole"));
    assert!(refused(&["--memory-mb", "1"]).contains("at least 32"));
    assert!(refused(&["--from", "yesterday"]).contains("yesterday"));
}
