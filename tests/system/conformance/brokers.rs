//! Brokers in processes of their own, which can be killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::consumer;
use tests::binary;

use crate::layout::root;

/// A running broker; killed when dropped.
pub(crate) struct Process {
    /// Where it answers.
    pub(crate) brokers: String,
    folder: PathBuf,
    port: u16,
    apache: bool,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

impl Process {
    /// A real Apache Kafka; none, with a word, where it cannot be had.
    pub(crate) async fn apache(folder: &Path) -> Option<Self> {
        let fetched = Command::new(script()).arg("fetch").status().is_ok_and(|s| s.success());
        if !fetched {
            tests::parts::missing("Apache Kafka", "`deploy/kafka/kafka.sh fetch` gets it, and says why it cannot");
            return None;
        }
        Some(Self::begin(folder, true).await)
    }

    /// The embedded broker, in a process that runs nothing else but the gate.
    pub(super) async fn embedded(folder: &Path) -> Self {
        Self::begin(folder, false).await
    }

    async fn begin(folder: &Path, apache: bool) -> Self {
        let port = free_pair();
        let child = start(folder, port, apache);
        let mut process = Self { brokers: format!("127.0.0.1:{port}"), folder: folder.to_path_buf(), port, apache, child };
        process.answers().await;
        process
    }

    /// SIGKILL, and the same again on what is left.
    pub(super) async fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = start(&self.folder, self.port, self.apache);
        self.answers().await;
    }

    async fn answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while consumer(&self.brokers, "probe", &[]).fetch_metadata(None, Duration::from_secs(1)).is_err() {
            assert!(
                Instant::now() < deadline && self.child.try_wait().unwrap().is_none(),
                "the broker does not start: {}",
                std::fs::read_to_string(self.folder.join("kafka.log")).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn script() -> PathBuf {
    root().join("deploy/kafka/kafka.sh")
}

fn start(folder: &Path, port: u16, apache: bool) -> Child {
    if apache {
        return Command::new(script()).args(["run", &port.to_string()]).arg(folder).spawn().unwrap();
    }
    Command::new(binary())
        .args(["pipeline", "run", "gate", "--log", "error", "--data-dir"])
        .arg(folder)
        .env("HONGNIANG__BROKER__LISTEN", format!("127.0.0.1:{port}"))
        .spawn()
        .unwrap()
}

/// Two free ports in a row, for broker and controller, given once; below those that the system gives to others by itself, so that nobody takes
/// them between the look and the start.
fn free_pair() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let begin = 20_000 + u16::try_from(std::process::id() % 4_000).unwrap() * 2;
    loop {
        let port = begin + GIVEN.fetch_add(2, Ordering::Relaxed);
        assert!(port < 32_000, "two free ports");
        if free(port) && free(port + 1) {
            return port;
        }
    }
}
