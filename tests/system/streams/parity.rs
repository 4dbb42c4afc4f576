//! Stream against batch, through the command that anybody can repeat at any size: `hongniang bench parity`.
//!
//! `HONGNIANG_TEST_SEED` brings a run back, `HONGNIANG_TEST_PARITY_EVENTS` makes it longer.

use std::path::Path;
use std::process::Command;

use features::sets::feature_set;
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig};
use serde_json::Value;
use tests::binary;
use tests::parts::seed;
use tokio::task::block_in_place;

use super::town::Town;
use crate::conformance::brokers::Process;

struct Run {
    code: Option<i32>,
    rows: Vec<Value>,
    err: String,
}

fn hongniang(words: &[&str]) -> Run {
    let out = block_in_place(|| Command::new(binary()).args(words).args(["--format", "json", "--log", "error"]).output().unwrap());
    let (said, err) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    println!("{said}{err}");
    Run { code: out.status.code(), rows: serde_json::from_str(&said).unwrap_or_default(), err }
}

fn events(most: u64) -> String {
    std::env::var("HONGNIANG_TEST_PARITY_EVENTS").unwrap_or_else(|_| most.to_string())
}

fn agrees(run: &Run, kills: u64) {
    assert_eq!(run.code, Some(0), "{}", run.err);
    let row = &run.rows[0];
    assert_eq!((row["mismatches"].as_u64(), row["kills"].as_u64(), row["misfiled"].as_str()), (Some(0), Some(kills), Some("")), "{row}");
    assert!(
        row["keys"].as_u64() > Some(500) && row["refused"].as_u64() > Some(0) && row["sent"].as_u64() > row["events"].as_u64(),
        "{row}"
    );
    assert!(row["worst"].as_f64() < Some(1e-9), "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_agrees_after_kills_of_jobs_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let (data, seed) = (folder.path().join("run"), seed("parity").to_string());
    let kept = data.to_str().unwrap();
    let run =
        hongniang(&["bench", "parity", "--events", &events(20_000), "--people", "300", "--kills", "4", "--seed", &seed, "--keep", kept]);
    agrees(&run, 4);
    // What it left is judged by `verify` alike, and a row that says something else is found and named.
    let verify = ["pipeline", "verify", "--data-dir", kept];
    let same = hongniang(&verify);
    assert_eq!((same.code, same.rows.len()), (Some(0), 8), "{}", same.err);
    exchange_a_row(&data).await;
    let off = hongniang(&[&verify[..], &["--features", "given"]].concat());
    assert_eq!(off.code, Some(1), "{}", off.err);
    assert_eq!((off.rows[0]["versions"].as_u64(), off.rows[0]["only_in_stream"].as_u64()), (Some(1), Some(1)), "{:?}", off.rows);
    assert!(off.rows[0]["worst"].as_str().unwrap().starts_with("not-there key: "), "{:?}", off.rows);
    assert!(off.err.contains("2 keys") && off.err.contains("--patience"), "{}", off.err);
    let wrong = hongniang(&["pipeline", "verify", "--features", "charm", "--data-dir", kept]);
    assert!(wrong.code == Some(1) && wrong.err.contains("charm") && wrong.err.contains("popularity"), "{}", wrong.err);
}

/// Writes, over the rows of `given` in this data folder, one of more events than there were, and one of somebody who did nothing.
async fn exchange_a_row(data: &Path) {
    let log = EmbeddedBroker::start(BrokerConfig::new(data.join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: log.bootstrap(), ..BusConfig::default() }).unwrap();
    let set = feature_set("given").unwrap();
    let town = Town::look(bus.clone());
    let (key, mut row) = town.rows(set).await.pop_first().unwrap();
    row.version += 1;
    let producer = bus.producer().unwrap();
    producer.send(&set.topic(), key.as_bytes(), Some(&row.encode(set))).await.unwrap();
    row.key = vec!["not-there".to_owned()];
    producer.send(&set.topic(), b"not-there", Some(&row.encode(set))).await.unwrap();
    drop((town, producer, bus));
    log.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_agrees_on_apache_kafka_after_kills_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Process::apache(folder.path()).await else { return };
    let (seed, events) = (seed("parity on Apache Kafka").to_string(), events(6_000));
    let words = ["bench", "parity", "--events", &events, "--people", "200", "--kills", "2", "--partitions", "3", "--seed", &seed];
    let run = hongniang(&[&words[..], &["--brokers", &kafka.brokers]].concat());
    agrees(&run, 2);
    let again = hongniang(&[&words[..], &["--brokers", &kafka.brokers]].concat());
    assert!(again.code == Some(1) && again.err.contains("has events"), "a log that is in use is left alone: {}", again.err);
}
