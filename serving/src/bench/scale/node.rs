//! A real node on a data folder, as a child process: what it uses is not mixed with what the driver uses.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::bench::Target;
use crate::config::{Config, DEVELOPMENT_KEY};
use crate::wiring::{Platform, install_metrics, serve};

/// What the first line of a node's output begins with.
const ADDRESS: &str = "listens on ";
/// How long a node may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a node with the named pipeline jobs until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) async fn run(folder: &Path, jobs: &[&str], deck_memory_mb: u64) -> anyhow::Result<()> {
    let mut config = Config { data_dir: folder.to_path_buf(), ..Config::default() };
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.model.encoder = "hashing".to_owned();
    config.recommend.deck_memory_mb = deck_memory_mb;
    let listener = tokio::net::TcpListener::bind(config.http.listen).await?;
    println!("{ADDRESS}http://{}", listener.local_addr()?);
    let platform = Platform::start(config, jobs, install_metrics()?).await?;
    serve(platform, listener, crate::commands::stop_asked()).await
}

/// A node that runs; dropping it kills it.
pub(crate) struct Node {
    child: Child,
    /// Where it answers.
    pub(crate) target: Target,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

/// How nodes are started.
#[derive(Debug, Clone)]
pub(crate) struct Nodes {
    /// Their data folder.
    pub(crate) folder: PathBuf,
    /// Pipeline jobs beside the API.
    pub(crate) jobs: Vec<String>,
    /// MiB of decks that are kept.
    pub(crate) deck_memory_mb: u64,
}

impl Nodes {
    /// A subcommand of `bench` in a process of its own.
    pub(crate) fn command(&self, subcommand: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("this program cannot be found")?);
        command.args(["bench", subcommand, "--folder"]).arg(&self.folder);
        Ok(command)
    }

    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready within five minutes.
    pub(crate) async fn start(&self) -> anyhow::Result<Node> {
        let begun = Instant::now();
        let mut command = self.command("node")?;
        command.args(["--deck-memory-mb", &self.deck_memory_mb.to_string()]);
        if !self.jobs.is_empty() {
            command.args(["--jobs", &self.jobs.join(",")]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("a node cannot be started")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a node has no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix(ADDRESS).context("the node did not start; see its messages above")?;
        let mut node = Node { child, target: Target::new(url, DEVELOPMENT_KEY)?, ready_after: Duration::ZERO };
        while node.target.get("/readyz").await.is_err() {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the node is not ready after {PATIENCE:?}");
            anyhow::ensure!(node.child.try_wait()?.is_none(), "the node ended before it was ready; see its messages above");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node.ready_after = begun.elapsed();
        Ok(node)
    }
}

impl Node {
    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
