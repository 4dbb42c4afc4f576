//! The lake and the state of jobs in a store that speaks S3: written, killed, compacted and read there.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use features::sets::feature_set;
use pipelines::lake::{self, CompactConfig, CompactPlan, LakeConfig, LakeWriter, RetentionConfig};
use pipelines::query;
use pipelines::runner::{FeatureRunner, RunnerConfig};
use pipelines::snapshots::{S3Config, SnapshotStore, use_s3};
use tests::binary;

use crate::layout::root;
use crate::streams::town::{Dice, Job, Town, events, reported, same, until};

const BUCKET: &str = "lake";
const PLACE: &str = "s3://lake/town/lake";

/// A store in a process of its own; killed when dropped.
struct Store {
    child: Child,
    endpoint: String,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

impl Store {
    /// None, with a word, where it cannot be had.
    async fn start(folder: &Path) -> Option<Self> {
        let script = root().join("deploy/s3/s3.sh");
        if !Command::new(&script).arg("fetch").status().is_ok_and(|status| status.success()) {
            tests::parts::missing("a store that speaks S3", "`deploy/s3/s3.sh fetch` gets it, and says why it cannot");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(script).args(["run", &port.to_string()]).arg(folder).arg(BUCKET).spawn().unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(90);
        while !reqwest::get(format!("{endpoint}/{BUCKET}?list-type=2")).await.is_ok_and(|answer| answer.status().is_success()) {
            let log = || std::fs::read_to_string(folder.join("s3.log")).unwrap_or_default();
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the store does not start: {}", log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some(Self { child, endpoint })
    }

    fn config(&self) -> S3Config {
        S3Config {
            endpoint: self.endpoint.clone(),
            access_key_id: "any".to_owned(),
            secret_access_key: "any".to_owned(),
            allow_http: true,
            ..S3Config::default()
        }
    }
}

/// The binary with the usual variables of the environment.
fn hongniang(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let usual = [("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any"), ("AWS_ALLOW_HTTP", "true")];
    let folder = tempfile::tempdir().unwrap();
    Command::new(binary()).args(args).current_dir(folder.path()).envs(usual).envs(variables.iter().copied()).output().unwrap()
}

fn plan() -> CompactPlan {
    CompactPlan {
        tables: Vec::new(),
        before: Utc::now().date_naive(),
        config: CompactConfig { keep_h: 0.0, ..CompactConfig::default() },
        retention: RetentionConfig::default(),
        dry_run: false,
    }
}

fn writer(town: &Town) -> Job {
    let bus = town.bus.clone();
    Job::start("lake", true, move |context| {
        LakeWriter::new(bus.clone(), PLACE, LakeConfig { flush_s: 0.3, ..LakeConfig::default() }).run(context)
    })
}

fn runner(town: &Town) -> Job {
    let bus = town.bus.clone();
    Job::start("features", true, move |context| {
        let state = SnapshotStore::open("s3://lake/town/state").unwrap();
        let config = RunnerConfig { checkpoint_ms: 300, ..RunnerConfig::default() };
        FeatureRunner::new(bus.clone(), &state, config).with_sets(feature_set("popularity").cloned().into_iter().collect()).run(context)
    })
}

async fn rows(table: &str) -> Result<(usize, usize), String> {
    let session = query::session(PLACE).await.map_err(|e| e.to_string())?;
    let all = session.table(table).await.map_err(|e| e.to_string())?.count().await.map_err(|e| e.to_string())?;
    let distinct = session.sql(&format!("SELECT DISTINCT event_id FROM {table}")).await.map_err(|e| e.to_string())?;
    Ok((all, distinct.count().await.map_err(|e| e.to_string())?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lake_and_state_live_in_a_bucket_through_kills() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = Store::start(folder.path()).await else { return };
    use_s3(&store.config());
    let mut dice = Dice::thrown("s3");
    let town = Town::begin().await;
    let gate = town.gate();
    let all = events(&mut dice, 1_200);
    let expected = all.iter().filter(|event| event.topic().name() == "interactions").count();
    let (mut lake, mut features) = (writer(&town), runner(&town));
    for part in all.chunks(400) {
        town.report(part.iter().map(reported).collect()).await;
        tokio::time::sleep(Duration::from_millis(300 + dice.roll(900))).await;
        lake.kill().await;
        features.kill().await;
        (lake, features) = (writer(&town), runner(&town));
    }
    until(|| async {
        let found = rows("interactions").await?;
        if found == (expected, expected) { Ok(()) } else { Err(format!("{found:?} of {expected}")) }
    })
    .await;
    // Compaction beside the writer, killed where it stands, and once more.
    for _ in 0..3 {
        let compacting = tokio::spawn(async { lake::compact(PLACE, &plan(), Utc::now(), &|_, _, _| {}).await });
        tokio::time::sleep(Duration::from_millis(100 + dice.roll(900))).await;
        compacting.abort();
        match compacting.await {
            Ok(done) => drop(done.unwrap()),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
        assert_eq!(rows("interactions").await, Ok((expected, expected)), "after a kill");
    }
    lake::compact(PLACE, &plan(), Utc::now(), &|_, _, _| {}).await.unwrap();
    assert_eq!(rows("interactions").await, Ok((expected, expected)));
    lake::compact(PLACE, &plan(), Utc::now(), &|_, _, _| {}).await.unwrap();
    let found = lake::verify(PLACE, &[], None, &|_, _| {}).await.unwrap();
    assert_eq!(found.findings, []);
    let per_day = lake::stats(PLACE).await.unwrap().into_iter().find(|table| table.table == "interactions").unwrap();
    assert!(per_day.files <= per_day.days * town.bus.config().partitions as usize, "{per_day:?}");
    let set = feature_set("popularity").unwrap();
    let batch = query::batch_features(PLACE, set).await.unwrap().into_iter().map(|row| (row.record_key(), row)).collect();
    until(|| async {
        let (stream, batch) = (crate::streams::town::counted(&town.rows(set).await), crate::streams::town::counted(&batch));
        if stream == batch { Ok(()) } else { Err(format!("{stream} of {batch} counted")) }
    })
    .await;
    same("popularity", &town.rows(set).await, &batch);
    for job in [lake, features, gate] {
        job.end().await;
    }
    commands_say_what_is_wrong(&store.endpoint).await;
}

async fn commands_say_what_is_wrong(endpoint: &str) {
    let verified = hongniang(&["lake", "verify", "--lake", PLACE, "--format", "json"], &[("AWS_ENDPOINT", endpoint)]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert_eq!(String::from_utf8_lossy(&verified.stdout).trim(), "[]");
    let told = |place: &str, variables: &[(&str, &str)], wanted: &str| {
        let run = hongniang(&["lake", "compact", "--lake", place], variables);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && said.contains(wanted), "{wanted}: {said}");
    };
    told("s3://no-such-bucket/x", &[("AWS_ENDPOINT", endpoint)], "there is no such bucket");
    told(PLACE, &[("AWS_ENDPOINT", "http://127.0.0.1:1")], "nothing answers there");
    told(PLACE, &[("AWS_ENDPOINT", endpoint), ("AWS_ALLOW_HTTP", "false")], "s3.allow_http = true");
    told(PLACE, &[("HONGNIANG__S3__ENDPOINT", "minio:9000")], "must begin with https://");
    told("s3:///x", &[], "names no bucket");
    let refusing = refuses_everything().await;
    told(PLACE, &[("AWS_ENDPOINT", &refusing)], "the key is wrong or may not do that");
}

/// Answers as a store does to a key without rights.
async fn refuses_everything() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = Arc::new(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
            let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = socket.read(&mut [0; 16_384]).await; // whatever it asks
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await; // it may have gone
        }
    });
    address
}
