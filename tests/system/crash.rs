//! `kill -9` of the whole process under live traffic, again and again: what was acknowledged is there once, nobody is shown twice, and the
//! stream's features equal a batch over the lake.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set};
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig, Offsets, Record};
use reqwest::Client;
use serde_json::{Value, json};
use tests::{KEY, person};

const PEOPLE: u64 = 60;
const ROUNDS: u64 = 4;

/// The binary that was built beside this test.
fn binary() -> std::path::PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
    let binary = target.join("hongniang");
    assert!(binary.exists(), "{} is not built: `cargo build --workspace --all-targets` first, as `make test` does", binary.display());
    binary
}

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

/// What the server has acknowledged.
#[derive(Default)]
struct Acknowledged {
    likes: HashSet<String>,
    shown: HashMap<u64, Vec<String>>,
}

/// Likes and pages until the server is gone.
async fn traffic(address: String, client: Client, seen: Arc<Mutex<Acknowledged>>, seed: u64) {
    for step in 0u64.. {
        let actor = 1 + (seed + step * 7) % PEOPLE;
        let target = 1 + (actor + 1 + step * 3 % (PEOPLE - 1)) % PEOPLE;
        let id = uuid::Uuid::now_v7().to_string();
        let item = json!({"kind": "like", "actor_id": actor.to_string(), "target_id": target.to_string(), "event_id": id});
        let twice = json!({"items": [item.clone(), item]});
        let Ok(reply) = client.post(format!("{address}/v1/interactions")).bearer_auth(KEY).json(&twice).send().await else { return };
        let Ok(answer) = reply.json::<Value>().await else { return };
        if actor != target && answer["accepted"] == 2 {
            seen.lock().unwrap().likes.insert(id);
        }
        let page = format!("{address}/v1/recommendations?viewer={actor}&limit=2");
        let Ok(reply) = client.get(page).bearer_auth(KEY).send().await else { return };
        let Ok(answer) = reply.json::<Value>().await else { return };
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let ids = items.iter().map(|i| i["user_id"].as_str().unwrap().to_owned());
        seen.lock().unwrap().shown.entry(actor).or_default().extend(ids);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_once() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let seen = Arc::new(Mutex::new(Acknowledged::default()));
    let node = Node::start(folder.path(), &client).await;
    for id in 1..=PEOPLE {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        let put = client.put(format!("{}/v1/users/{id}", node.address)).bearer_auth(KEY).json(&person(&format!("p{id}"), gender, wants));
        assert_eq!(put.send().await.unwrap().status(), 200);
    }
    node.kill();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        let node = Node::start(folder.path(), &client).await;
        let workers: Vec<_> = (0..3)
            .map(|w| tokio::spawn(traffic(node.address.clone(), client.clone(), Arc::clone(&seen), seed + round * 100 + w * 17)))
            .collect();
        tokio::time::sleep(Duration::from_millis(700 + (seed * 37 + round * 911) % 1500)).await;
        node.kill();
        for worker in workers {
            worker.await.unwrap();
        }
    }
    let node = Node::start(folder.path(), &client).await;
    caught_up(&node, &client).await;
    node.stop();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    check(folder.path(), &seen).await;
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

async fn check(folder: &Path, seen: &Acknowledged) {
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() }).unwrap();
    let mut filed: HashMap<String, usize> = HashMap::new();
    for record in all_records(&bus, "interactions").await {
        let event: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        *filed.entry(event["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    println!("{} likes acknowledged, {} interactions filed", seen.likes.len(), filed.len());
    assert!(seen.likes.len() > 20, "there was traffic");
    assert!(filed.values().all(|n| *n == 1), "nothing is filed twice");
    let lost: Vec<_> = seen.likes.iter().filter(|id| !filed.contains_key(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    for (viewer, shown) in &seen.shown {
        let distinct: HashSet<_> = shown.iter().collect();
        assert_eq!(distinct.len(), shown.len(), "{viewer} was shown somebody twice: {shown:?}");
    }
    let lake = folder.join("lake").display().to_string();
    for name in ["popularity", "given", "activity_actions", "tag_affinity"] {
        let set = feature_set(name).unwrap();
        let batch = pipelines::lake::batch_features(&lake, set).await.unwrap();
        let batch = batch.into_iter().map(|row| (row.record_key(), row)).collect();
        assert_equal(set, &stream_rows(&bus, set).await, &batch);
    }
    broker.shutdown().await;
}
