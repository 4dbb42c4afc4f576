//! Who computes the feature sets: with `features.runtime = "arroyo"` the embedded runner rests, and what Arroyo writes feeds the portraits.

use std::time::Duration;

use features::portrait::Portrait;
use features::sets::{FeatureSet, feature_set};
use pipelines::bus::{Bus, BusConfig, Offsets};
use pipelines::generations;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use serving::config::FeatureRuntime;
use tests::{TestApp, person};

/// Writes a row as Arroyo's sink does: in an envelope, without a key.
async fn row(producer: &FutureProducer, set: &FeatureSet, generation: u32, version: i64, likes: i64) {
    let mut after = json!({"user_id": "1", "version": version, "generation": generation});
    for column in &set.value_columns {
        after[column.as_str()] = json!(0.0);
    }
    after["likes"] = json!(likes);
    let envelope = json!({"before": null, "after": after, "op": "c"}).to_string();
    let record: FutureRecord<'_, [u8], str> = FutureRecord::to("features.popularity").payload(envelope.as_str());
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

/// The likes in the newest portrait of user 1.
async fn likes(bus: &Bus) -> Option<f64> {
    let mut newest: Option<Portrait> = None;
    let portraits = bus.sweep("test", &["portraits".to_owned()], &Offsets::default()).await.unwrap();
    portraits
        .each(|record| {
            let read: Option<Portrait> = record.value.as_deref().map(|value| serde_json::from_slice(value).unwrap());
            newest = read.filter(|p| p.user_id.0 == 1).or_else(|| newest.take());
        })
        .await
        .unwrap();
    newest?.counters.get("popularity.likes").copied()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_arroyo_make_portraits_once_their_generation_is_announced() {
    let app = TestApp::start_with(|config| config.features.runtime = FeatureRuntime::Arroyo).await;
    let jobs = app.get("/v1/jobs").await.expect(200);
    assert_eq!((&jobs["features"], &app.get("/readyz").await.expect(200)["features"]), (&json!("arroyo"), &json!("arroyo")));
    let names: Vec<&Value> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert!(names.contains(&&json!("assembler")) && !names.contains(&&json!("features")), "{names:?}");
    app.with_user(1, &person("one", "female", "male")).await;
    app.with_user(2, &person("two", "male", "female")).await;
    app.interact("like", 2, 1).await;
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let set = feature_set("popularity").unwrap();
    // What `pipeline deploy` does with the topic; without it a real broker takes no record without a key.
    bus.keep_without_keys(&set.topic()).await.unwrap();
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &app.brokers).create().unwrap();
    let shows = async |wanted: f64| app.until("the portrait shows it", async || likes(&bus).await == Some(wanted)).await;
    row(&producer, set, 1, 40, 20).await;
    shows(20.0).await;
    // Another pipeline catches up beside the first: nothing of it shows.
    row(&producer, set, 2, 1, 1).await;
    row(&producer, set, 2, 41, 7).await;
    row(&producer, set, 1, 42, 21).await;
    shows(21.0).await;
    generations::announce(&bus, &set.name, 2).await.unwrap();
    shows(7.0).await;
    app.stop().await;
}
