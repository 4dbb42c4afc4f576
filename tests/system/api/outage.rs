//! Parts go away and come back: nothing that was acknowledged is lost, and blocks hold meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig, Offsets};
use serde_json::{Value, json};
use tests::{SmallDisk, TestApp, person};

async fn event_id(app: &TestApp, kind: &str, target: u64) -> String {
    let item = json!({"kind": kind, "actor_id": "1", "target_id": target.to_string()});
    let answer = app.post("/v1/interactions", &json!({"items": [item]})).await.expect(200);
    answer["items"][0]["event_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Ids of the filed interactions, as often as they are there.
async fn filed(brokers: &str, until: usize) -> Vec<String> {
    let bus = Bus::new(BusConfig { brokers: brokers.to_owned(), ..BusConfig::default() }).unwrap();
    let mut reader = bus.reader("outage-test", &["interactions".to_owned()], &Offsets::default()).await.unwrap();
    let (mut found, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while found.len() < until || !reader.caught_up() {
        assert!(Instant::now() < deadline, "only {found:?}");
        let Ok(records) = tokio::time::timeout(Duration::from_millis(200), reader.batch(1000, Duration::from_millis(5))).await else {
            continue;
        };
        let event = |value: Vec<u8>| serde_json::from_slice::<Value>(&value).unwrap();
        let events: Vec<Value> = records.unwrap().into_iter().filter_map(|r| r.value).map(event).collect();
        found.extend(events.iter().map(|e| e["event_id"].as_str().unwrap().to_owned()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_event_log_is_away_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await.unwrap();
    let brokers = broker.bootstrap();
    let app = TestApp::start_with(|config| config.kafka.brokers.clone_from(&brokers)).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    for id in 2..6 {
        app.with_user(id, &person("阿强", "male", "female")).await;
    }
    let before = event_id(&app, "profile_view", 2).await;
    broker.shutdown().await;

    let liked = event_id(&app, "like", 2).await;
    let begun = Instant::now();
    let blocked = event_id(&app, "block", 3).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "what is written with rows does not wait for the event log");
    let page = app.recommend(1, 10).await;
    let shown: HashSet<&str> = page["items"].as_array().unwrap().iter().map(|i| i["user_id"].as_str().unwrap()).collect();
    assert!(!shown.contains("3") && shown.contains("4"), "{page}");
    let waits = async || app.folder().join("outbox.jsonl").exists() || app.folder().join("outbox.draining").exists();
    app.until("what was acknowledged waits beside the event log", waits).await;

    let mut again = BrokerConfig::new(folder.path());
    again.listen = brokers.parse().unwrap();
    let broker = EmbeddedBroker::start(again).await.unwrap();
    app.until("the outbox is sent", async || !app.folder().join("outbox.jsonl").exists() && !app.folder().join("outbox.draining").exists())
        .await;
    let filed = filed(&brokers, 3 + shown.len()).await;
    for id in [&before, &liked, &blocked] {
        assert_eq!(filed.iter().filter(|f| *f == id).count(), 1, "{id} in {filed:?}");
    }
    assert_eq!(filed.len(), 3 + shown.len(), "the impressions, too: {filed:?}");
    app.stop().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_lake_is_told_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("lake"), 1) else {
        tests::parts::missing("a small disk", "mounting one needs root, or sudo without a password, and the capability to mount");
        return;
    };
    let app = TestApp::start_in(folder, |config| config.lake.flush_s = 0.2).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("阿强", "male", "female")).await;
    let job = async |app: &TestApp| {
        let jobs = app.get("/readyz").await.json();
        jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "lake").cloned().unwrap_or_else(|| panic!("{jobs}"))
    };
    app.until("the lake is quiet", async || job(&app).await["lag"] == 0).await;
    disk.fill();
    for _ in 0..20 {
        app.interact("profile_view", 1, 2).await;
    }
    app.until("the job says what is wrong", async || job(&app).await.to_string().contains("No space left on device")).await;
    app.recommend(1, 5).await;
    app.interact("like", 1, 2).await;
    disk.free();
    let lake = disk.path().to_str().unwrap().to_owned();
    let rows = async || {
        let Ok(session) = pipelines::query::session(&lake).await else { return 0 };
        let Ok(table) = session.table("interactions").await else { return 0 };
        table.count().await.unwrap_or(0)
    };
    // Twenty views, the impression of the page, and the like.
    app.until("everything is in the lake", async || rows().await == 22).await;
    app.until("the job runs again", async || job(&app).await["state"] == "running").await;
    assert_eq!(rows().await, 22);
    drop(app.stop().await.keep());
}
