//! The lake's commands as people run them, and `kill -9` of a compaction beside a writer and readers.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tests::binary;

use crate::streams::town::{Dice, Town, events, reported, until};

fn hongniang(town: &Town, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).args(["--log", "error", "--lake", &town.lake()]).current_dir(town.dir.path());
    command
}

fn run(town: &Town, args: &[&str]) -> Output {
    hongniang(town, args).output().unwrap()
}

fn json(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// Rows of a table, and how many ids they have.
async fn rows(town: &Town) -> (usize, usize) {
    let session = pipelines::query::session(&town.lake()).await.unwrap();
    let all = session.table("interactions").await.unwrap().count().await.unwrap();
    (all, session.sql("SELECT DISTINCT event_id FROM interactions").await.unwrap().count().await.unwrap())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_may_be_killed_at_any_time_and_the_commands_say_how_it_stands() {
    let mut dice = Dice::thrown("lake");
    let town = Town::begin().await;
    let (gate, writer) = (town.gate(), town.lake_writer());
    let all = events(&mut dice, 1_500);
    let expected = all.iter().filter(|event| event.topic().name() == "interactions").count();
    for part in all.chunks(300) {
        town.report(part.iter().map(reported).collect()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    until(|| async {
        let found = rows(&town).await;
        if found == (expected, expected) { Ok(()) } else { Err(format!("{found:?} of {expected}")) }
    })
    .await;
    let before = json(&run(&town, &["lake", "stats", "--format", "json"]));
    let would = json(&run(&town, &["lake", "compact", "--dry-run", "--format", "json"]));
    assert!(would.iter().all(|group| group["what"] == "would be merged") && would.len() > 20, "{would:?}");
    for _ in 0..4 {
        let mut compacting =
            hongniang(&town, &["lake", "compact"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(150 + dice.roll(1_200))).await;
        compacting.kill().unwrap(); // it may have ended already
        compacting.wait().unwrap();
        assert_eq!(rows(&town).await, (expected, expected), "after kill -9");
    }
    let done = run(&town, &["lake", "compact"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(rows(&town).await, (expected, expected));
    let after = json(&run(&town, &["lake", "stats", "--format", "json"]));
    let all_of = |rows: &[Value]| rows.iter().find(|row| row["table"] == "all").cloned().unwrap();
    let (before, after) = (all_of(&before), all_of(&after));
    assert_eq!(before["rows"], after["rows"]);
    assert!(after["files"].as_u64() < before["files"].as_u64() && after["bytes"].as_u64() < before["bytes"].as_u64(), "{before} {after}");
    let brokers = town.bus.config().brokers.clone();
    let verified = run(&town, &["lake", "verify", "--brokers", &brokers, "--count", "--format", "json"]);
    assert!(verified.status.success() && json(&verified).is_empty(), "{verified:?}");
    let again = run(&town, &["lake", "compact"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to do"), "{again:?}");

    // A file that was never noted: the records of the log tell that its rows are missing.
    let newest = files(&Path::new(&town.lake()).join("_manifest")).into_iter().max().unwrap();
    let noted = std::fs::read(&newest).unwrap();
    let mut manifest: Value = serde_json::from_slice(&noted).unwrap();
    let names = manifest["files"].as_object_mut().unwrap();
    let one = names.keys().find(|path| path.starts_with("interactions/")).unwrap().clone();
    names.remove(&one);
    std::fs::write(&newest, manifest.to_string()).unwrap();
    let counted = pipelines::lake::count_against_log(&town.lake(), &town.bus, &|_| {}).await.unwrap();
    assert!(counted.len() == 1 && counted[0].what == "count" && counted[0].table == "interactions", "{counted:?}");
    std::fs::write(&newest, noted).unwrap();
    let gone = files(&Path::new(&town.lake()).join("interactions")).remove(0);
    std::fs::remove_file(&gone).unwrap();
    let verified = run(&town, &["lake", "verify", "--topics", "interactions", "--format", "json"]);
    let found = json(&verified);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        found.len() == 1 && found[0]["what"] == "missing" && found[0]["remedy"].as_str().is_some_and(|r| r.contains("backup")),
        "{found:?}"
    );
    let wrong = run(&town, &["lake", "verify", "--topics", "dances"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no table `dances`"), "{wrong:?}");
    for job in [gate, writer] {
        job.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_night_is_kept_by_hand_too() {
    let town = Town::begin().await;
    let brokers = town.bus.config().brokers.clone();
    let snapshot = |args: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["lake", "snapshot", "--log", "error", "--brokers", &brokers, "--format", "json", "--data-dir"]);
        command.arg(town.dir.path()).args(args).output().unwrap()
    };
    let taken = snapshot(&["--from", "2026-11-01", "--to", "2026-11-02"]);
    assert!(taken.status.success(), "{taken:?}");
    let days: Vec<(String, u64)> =
        json(&taken).iter().map(|row| (row["day"].as_str().unwrap().to_owned(), row["people"].as_u64().unwrap())).collect();
    assert_eq!(days, [("2026-11-01".to_owned(), 0), ("2026-11-02".to_owned(), 0)], "nobody lives in this town");
    let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::days(1)).date_naive().to_string();
    let told = snapshot(&["--day", &tomorrow]);
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("is not over yet"), "{told:?}");
}
