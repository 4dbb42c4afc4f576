//! A job in a process of its own: what it tells while it is down, and that it comes back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use features::topic::Topic;
use serde_json::Value;

use super::town::{Dice, Town, events, reported, until};
use tests::binary;

/// `hongniang pipeline run`, killed when dropped.
struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    fn start(job: &str, town: &Town, folder: &std::path::Path) -> Self {
        let mut child = Command::new(binary())
            .args(["pipeline", "run", job, "--metrics", "127.0.0.1:0", "--log", "error", "--brokers", &town.bus.config().brokers])
            .arg("--data-dir")
            .arg(folder)
            .env("HONGNIANG__LAKE__FLUSH_S", "0.3")
            .env("HONGNIANG__MODEL__ENCODER", "no such encoder") // a job without texts needs none
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = |line: String| line.split_once("metrics on ").map(|(_, url)| url.trim_end_matches("/metrics").to_owned());
        let address = lines.by_ref().map_while(Result::ok).find_map(said).expect("it says where its metrics are");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("{line}")));
        Self { child, address }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        match reqwest::get(format!("{}{path}", self.address)).await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Status of `/readyz`, and the job in it.
    async fn job(&self) -> (u16, Value) {
        let (status, text) = self.get("/readyz").await;
        let ready: Value = serde_json::from_str(&text).unwrap_or_default();
        (status, ready["jobs"][0].clone())
    }

    /// The value of a metric; none when it is not there.
    async fn metric(&self, line: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_down_tells_its_restarts_and_a_true_lag() {
    let mut dice = Dice::thrown("worker");
    let town = Town::begin().await;
    let gate = town.gate();
    let folder = tempfile::tempdir().unwrap();
    // A file where the lake's folder must be: the job fails at every start.
    std::fs::write(folder.path().join("lake"), b"").unwrap();
    let worker = Worker::start("lake", &town, folder.path());
    let events = events(&mut dice, 400);
    town.report(events.iter().map(reported).collect()).await;
    let filed = events.len() as i64;
    until(|| async {
        let (status, job) = worker.job().await;
        let told = status == 503 && job["restarts"].as_u64() >= Some(2) && job["lag"].as_i64() >= Some(filed);
        if told { Ok(()) } else { Err(format!("{status} {job}")) }
    })
    .await;
    let (_, job) = worker.job().await;
    assert!(job["last_error"].as_str().is_some_and(|e| e.contains("lake")), "{job}");
    assert!(worker.metric(r#"hongniang_job_restarts_total{job="lake"}"#).await >= Some(2.0));
    assert!(worker.metric(r#"hongniang_job_lag{job="lake"}"#).await >= Some(filed as f64));
    assert_eq!(worker.metric(r#"hongniang_job_state{job="lake",state="running"}"#).await, Some(0.0));
    std::fs::remove_file(folder.path().join("lake")).unwrap();
    until(|| async {
        let (status, job) = worker.job().await;
        if status == 200 && job["lag"] == 0 && job["state"] == "running" { Ok(()) } else { Err(format!("{status} {job}")) }
    })
    .await;
    assert_eq!(worker.metric(r#"hongniang_job_state{job="lake",state="running"}"#).await, Some(1.0));
    assert_eq!(worker.metric(r#"hongniang_job_lag{job="lake"}"#).await, Some(0.0));
    assert_eq!(worker.get("/healthz").await, (200, "ok\n".to_owned()));
    let expected = events.iter().filter(|e| e.topic() == Topic::Interactions).count();
    let place = folder.path().join("lake").to_str().unwrap().to_owned();
    until(|| async {
        let session = pipelines::query::session(&place).await.unwrap();
        let rows = session.table("interactions").await.unwrap().count().await.unwrap_or(0);
        if rows == expected { Ok(()) } else { Err(format!("{rows} of {expected} rows")) }
    })
    .await;
    gate.end().await;
}
