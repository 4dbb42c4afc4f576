//! Backfills that are killed again and again come to what an undisturbed one comes to, to the last byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use features::ids::derived_event_id;
use features::sets::feature_sets;
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig};
use reqwest::Client;
use serde_json::Value;
use tests::{KEY, binary, parts};

use super::{Node, all_records, assert_equal, stream_rows};

const PEOPLE: u64 = 60;
const DAYS: u64 = 20;
const ROWS: u64 = 12_000;

/// How often backfills are killed: in a full run fifty times.
fn kills() -> usize {
    std::env::var("HONGNIANG_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

fn write_source(folder: &Path) {
    let mut people = "user_id,nickname,gender,birth_date,created_at,genders,city,bio\n".to_owned();
    for id in 1..=PEOPLE {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        writeln!(people, "{id},p{id},{gender},1996-05-04,2026-09-01T00:00:00Z,{wants},上海,爬山 and coffee {id}").unwrap();
    }
    let mut rows = "event_id,kind,event_time,actor_id,target_id,tags,deck_id,position\n".to_owned();
    for row in 0..ROWS {
        let (actor, step) = (1 + row % PEOPLE, 1 + row / PEOPLE % (PEOPLE - 1));
        let (target, kind) = (1 + (actor - 1 + step) % PEOPLE, ["impression", "like", "profile_view", "pass"][(row % 7 % 4) as usize]);
        let id = derived_event_id(&["backfill", &row.to_string()]);
        let (day, second) = (1 + row * DAYS / ROWS, row % 60);
        writeln!(rows, "{id},{kind},2026-10-{day:02}T12:00:{second:02}Z,{actor},{target},咖啡|hiking,deck-{actor},{step}").unwrap();
    }
    std::fs::write(folder.join("profiles.csv"), people).unwrap();
    std::fs::write(folder.join("interactions.csv"), rows).unwrap();
}

fn copy(from: &Path, to: &Path) {
    // With times: sums of days are named by them, too.
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

fn start(data: &Path) -> Child {
    let mut command = Command::new(binary());
    command.args(["backfill", "--features", "--portraits", "--log", "error", "--parallel", "2", "--data-dir"]).arg(data);
    command.env("HONGNIANG__KAFKA__PARTITIONS", "2").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every file that backfills leave below the state, by name, but for claims and records of how they went.
fn left(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let root = data.join("state/backfill");
    let (mut found, mut open) = (BTreeMap::new(), vec![root.join("partials"), root.join("staged")]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else if !entry.display().to_string().contains('#') {
                // Names with `#` are what a kill leaves of a file that was not complete; no reader sees them.
                found.insert(entry.strip_prefix(&root).unwrap().display().to_string(), std::fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// Waits until every job has read everything. The embedder tells its lag with a batch only, so of that one it counts what it has done.
async fn settled(node: &Node, client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut quiet = 0;
    while quiet < 5 {
        let jobs: Value = client.get(format!("{}/v1/jobs", node.address)).bearer_auth(KEY).send().await.unwrap().json().await.unwrap();
        let idle = |job: &Value| {
            let done = job["lag"] == 0 || (job["name"] == "embedder" && job["processed"].as_u64() >= Some(PEOPLE));
            done && job["state"] == "running"
        };
        quiet = if jobs["jobs"].as_array().unwrap().iter().all(idle) { quiet + 1 } else { 0 };
        assert!(Instant::now() < deadline, "jobs do not catch up: {jobs}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What a node makes of it: the newest row of every key of every set, and everybody's portrait without what counts assemblies.
async fn outcome(data: &Path, client: &Client) -> BTreeMap<String, Value> {
    let node = Node::start(data, client).await;
    let deadline = Instant::now() + Duration::from_secs(90);
    let waits = |name: &str| std::fs::read_dir(data.join("state/backfill").join(name)).into_iter().flatten().count();
    while waits("swaps") + waits("people") > 0 {
        assert!(Instant::now() < deadline, "what was handed over is not taken over");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    settled(&node, client).await;
    node.stop();
    let broker = EmbeddedBroker::start(BrokerConfig::new(data.join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() }).unwrap();
    let lake = data.join("lake").display().to_string();
    let mut found = BTreeMap::new();
    for set in feature_sets() {
        let rows = stream_rows(&bus, set).await;
        let batch = pipelines::query::batch_features(&lake, set).await.unwrap();
        assert_equal(set, &rows, &batch.into_iter().map(|row| (row.record_key(), row)).collect());
        assert!(rows.values().all(|row| row.generation == 2), "{}", set.name);
        for (key, row) in rows {
            found.insert(format!("{} {key}", set.name), serde_json::from_slice(&row.encode(set)).unwrap());
        }
    }
    for record in all_records(&bus, "portraits").await {
        let mut portrait: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        portrait["version"].take();
        found.insert(format!("portrait {}", portrait["user_id"]), portrait);
    }
    broker.shutdown().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_that_is_killed_anywhere_comes_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    std::fs::create_dir_all(at("source")).unwrap();
    write_source(&at("source"));
    let mut import = Command::new(binary());
    import.args(["import", "events", "--log", "error"]).arg(at("source")).arg("--data-dir").arg(at("base"));
    let import = import.env("HONGNIANG__KAFKA__PARTITIONS", "2").output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let node = Node::start(&at("base"), &client).await;
    settled(&node, &client).await;
    node.stop();

    copy(&at("base"), &at("whole"));
    let began = Instant::now();
    assert!(start(&at("whole")).wait().unwrap().success());
    let took = began.elapsed();
    let expected = left(&at("whole"));
    assert!(expected.len() > 60, "{:?}", expected.keys());

    let mut dice = crate::streams::Dice(parts::seed("killed backfills"));
    let (mut killed, mut finished) = (0, 0);
    while killed < kills() || finished == 0 {
        drop(std::fs::remove_dir_all(at("killed")));
        copy(&at("base"), &at("killed"));
        loop {
            let mut run = start(&at("killed"));
            if killed < kills() {
                // Sums of days are kept, so what is left becomes less; the first moments are those in which there is most to do.
                std::thread::sleep(Duration::from_micros(dice.roll(took.as_micros() as u64)));
                if run.try_wait().unwrap().is_none() {
                    run.kill().unwrap();
                    run.wait().unwrap();
                    killed += 1;
                    continue;
                }
            }
            assert!(run.wait().unwrap().success());
            break;
        }
        finished += 1;
        let found = left(&at("killed"));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "{name} differs");
        }
    }
    println!("killed {killed} times, came to its end {finished} times");
    let (whole, disturbed) = (outcome(&at("whole"), &client).await, outcome(&at("killed"), &client).await);
    assert!(whole.keys().any(|key| key.starts_with("portrait")) && whole.len() > 300, "{}", whole.len());
    assert_eq!(whole.keys().collect::<Vec<_>>(), disturbed.keys().collect::<Vec<_>>());
    for (key, value) in &whole {
        assert_eq!(*value, disturbed[key], "{key}");
    }
}
