//! `bench freshness` measures what it says: it needs an effect in a deck and in a source, and one that does not come is counted.

use std::time::Duration;

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use serde_json::json;
use serving::bench::{PATIENCE, Target, likes, moments};
use tests::{KEY, TestApp, person};

async fn settle(app: &TestApp) {
    for id in 1..=12 {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        let mut profile = person(&format!("p{id}"), gender, wants);
        if id == 3 {
            profile["tags"] = json!([]);
        }
        app.with_user(id, &profile).await;
    }
    app.until("everybody is in the table", async || app.get("/v1/users?limit=1").await.expect(200)["total"] == 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn likes_and_moments_are_clocked_until_they_show() {
    let app = TestApp::start_with(|config| config.ranker.deck.exposure_window_days = 0).await;
    settle(&app).await;
    let target = Target::new(&app.address, KEY).unwrap();
    let found = likes(&target, 3, PATIENCE).await.unwrap();
    assert_eq!((found.row.ops, found.late), (3, 0), "{found:?}");
    assert!(found.row.p50_ms > 0.0, "{found:?}");
    let found = moments(&target, 3, PATIENCE).await.unwrap();
    assert_eq!((found.row.ops, found.late), (3, 0), "{found:?}");
    found.judge().unwrap();
    let total = app.get("/v1/users?limit=1").await.expect(200)["total"].clone();
    assert_eq!(total, 12, "whoever came for the measurement is gone again");
    app.stop().await;
}

/// With the event log away, a like is taken and changes nothing: it must count as late, not be left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_like_without_effect_counts_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await.unwrap();
    let brokers = broker.bootstrap();
    let app = TestApp::start_with(|config| {
        config.kafka.brokers.clone_from(&brokers);
        config.ranker.deck.exposure_window_days = 0;
    })
    .await;
    settle(&app).await;
    broker.shutdown().await;
    let patience = Duration::from_millis(300);
    let found = likes(&Target::new(&app.address, KEY).unwrap(), 2, patience).await.unwrap();
    assert_eq!((found.row.ops, found.late), (2, 2), "{found:?}");
    assert!(found.row.p50_ms >= 300.0, "the time that was waited is in the row: {found:?}");
    let error = found.judge().unwrap_err().to_string();
    assert!(error.contains("2 of 2"), "{error}");
    // Jobs end in order only with the event log there.
    let mut again = BrokerConfig::new(folder.path());
    again.listen = brokers.parse().unwrap();
    let broker = EmbeddedBroker::start(again).await.unwrap();
    app.until("the outbox is sent", async || !app.folder().join("outbox.jsonl").exists() && !app.folder().join("outbox.draining").exists())
        .await;
    app.stop().await;
    broker.shutdown().await;
}
