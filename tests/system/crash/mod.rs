//! `kill -9` of the whole process, again and again: what was acknowledged is there once, nobody is shown twice, and the stream's features equal a
//! batch over the lake.

mod backfill;
mod import;
mod outbox;
mod profiles;
mod traffic;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_sets};
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig, Offsets, Record};
use reqwest::Client;
use serde_json::Value;
use tests::{KEY, binary};

/// A hongniang in a process of its own.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    async fn start(folder: &Path, client: &Client) -> Self {
        let mut child = Command::new(binary())
            .args(["up", "--listen", "127.0.0.1:0", "--log", "error", "--data-dir"])
            .arg(folder)
            .env("HONGNIANG__MODEL__ENCODER", "hashing")
            .env("HONGNIANG__LAKE__FLUSH_S", "0.5")
            .env("HONGNIANG__KAFKA__PARTITIONS", "2")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = |line: String| line.split_once("console").map(|(_, url)| url.trim().trim_end_matches('/').to_owned());
        let address = lines.by_ref().map_while(Result::ok).find_map(said).expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !client.get(format!("{address}/readyz")).send().await.is_ok_and(|r| r.status() == 200) {
            assert!(Instant::now() < deadline, "not ready after a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { child, address }
    }

    /// SIGKILL: nothing is saved.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: everything is saved.
    fn stop(mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

async fn all_records(bus: &Bus, topic: &str) -> Vec<Record> {
    let topics = [topic.to_owned()];
    let mut reader = bus.reader("the-test", &topics, &Offsets::default()).await.unwrap();
    let mut records = Vec::new();
    while !reader.caught_up() {
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(200), reader.batch(10_000, Duration::from_millis(5))).await {
            records.extend(batch.unwrap());
        }
    }
    records
}

/// The newest row of every key.
async fn stream_rows(bus: &Bus, set: &FeatureSet) -> BTreeMap<String, FeatureRow> {
    let mut rows: BTreeMap<String, FeatureRow> = BTreeMap::new();
    for record in all_records(bus, &set.topic()).await {
        let row = FeatureRow::decode(set, &record.value.unwrap()).unwrap();
        match rows.get(&row.record_key()) {
            Some(old) if !row.supersedes(old) => {}
            _ => drop(rows.insert(row.record_key(), row)),
        }
    }
    rows
}

fn assert_equal(set: &FeatureSet, stream: &BTreeMap<String, FeatureRow>, batch: &BTreeMap<String, FeatureRow>) {
    assert_eq!(stream.keys().collect::<Vec<_>>(), batch.keys().collect::<Vec<_>>(), "{}", set.name);
    for (key, row) in stream {
        assert_eq!(row.version, batch[key].version, "{} {key}", set.name);
        for (column, value) in &row.values {
            let other = batch[key].values[column];
            assert!((value - other).abs() <= 1e-9 * value.abs().max(1e-12), "{} {key} {column}: {value} and {other}", set.name);
        }
    }
}

/// Waits until every job has read everything, twice in a row.
async fn caught_up(node: &Node, client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut quiet = 0;
    while quiet < 5 {
        let jobs: Value = client.get(format!("{}/v1/jobs", node.address)).bearer_auth(KEY).send().await.unwrap().json().await.unwrap();
        let idle = jobs["jobs"].as_array().unwrap().iter().all(|job| job["lag"] == 0 && job["state"] == "running");
        quiet = if idle { quiet + 1 } else { 0 };
        assert!(Instant::now() < deadline, "jobs do not catch up: {jobs}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// How often each interaction was filed, by event id, after the stream's features were held to a batch over the lake.
async fn filed(folder: &Path) -> HashMap<String, usize> {
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() }).unwrap();
    let mut filed: HashMap<String, usize> = HashMap::new();
    for record in all_records(&bus, "interactions").await {
        let event: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        *filed.entry(event["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let lake = folder.join("lake").display().to_string();
    for set in feature_sets() {
        let batch = pipelines::query::batch_features(&lake, set).await.unwrap();
        let batch = batch.into_iter().map(|row| (row.record_key(), row)).collect();
        assert_equal(set, &stream_rows(&bus, set).await, &batch);
    }
    broker.shutdown().await;
    assert!(filed.values().all(|n| *n == 1), "nothing is filed twice");
    filed
}
