//! Recommendations at size: so many synthetic people in a node of its own, driven in an open loop.

mod crowd;
mod csv_file;
mod dice;
mod load;
mod make;
mod node;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};

pub(crate) use self::crowd::Crowd;
pub(crate) use self::csv_file::write_csv;
use self::load::{Outcome, Pace, Viewers, open_loop};
pub(crate) use self::make::make;
pub(crate) use self::node::{Nodes, run as run_node};
use super::measure::{Row, cpu, resident, row};

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// How many people.
    pub(crate) users: u64,
    /// In how many cities.
    pub(crate) cities: u64,
    /// Dimensions of their vectors.
    pub(crate) dim: usize,
    /// Exposures each has had, on average.
    pub(crate) exposures: u64,
    /// For the chance in all of it.
    pub(crate) seed: u64,
    /// Requests per second.
    pub(crate) rps: u32,
    /// Seconds of each measurement.
    pub(crate) seconds: u64,
    /// Pipeline jobs of the node.
    pub(crate) jobs: Vec<String>,
    /// Data folder; one of its own that is removed afterwards when none is given.
    pub(crate) folder: Option<PathBuf>,
}

/// Decks may take so much memory in a measurement.
const DECK_MEMORY_MB: u64 = 512;
/// Pages of a deck of 200, asked for 10 by 10.
const PAGES: u64 = 20;

/// A folder that goes when it is dropped, unless the caller named it.
struct Folder {
    path: PathBuf,
    own: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.own {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes the people, starts a node on them, drives it, kills it, and starts it again.
///
/// # Errors
/// When a part fails, or more than one request in a hundred does.
pub(crate) async fn scale(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let own = scale.folder.is_none();
    let path = scale.folder.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("hongniang-scale-{}", std::process::id())));
    std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    let folder = Folder { path, own };
    let nodes = Nodes { folder: folder.path.clone(), jobs: scale.jobs.clone(), deck_memory_mb: DECK_MEMORY_MB };
    let mut rows = people(scale, &nodes)?;
    eprintln!("starting a node on {} people", scale.users);
    let node = nodes.start().await?;
    rows.push(ready("restart to ready from snapshot", &node));
    drive(scale, &node, &mut rows).await?;
    node.kill()?;
    eprintln!("starting it again after kill -9");
    let node = nodes.start().await?;
    rows.push(ready("restart to ready after kill -9, with what was written since", &node));
    node.kill()?;
    Ok(rows)
}

fn ready(name: &str, node: &node::Node) -> Row {
    let took = node.ready_after;
    row(name, vec![took], took, cpu(node.pid()), node.pid())
}

/// People by a process of its own, which tells what they take.
fn people(scale: &Scale, nodes: &Nodes) -> anyhow::Result<Vec<Row>> {
    eprintln!("making {} people in {} cities", scale.users, scale.cities);
    let mut command = nodes.command("crowd")?;
    let numbers = [("--users", scale.users), ("--cities", scale.cities), ("--exposures", scale.exposures), ("--seed", scale.seed)];
    for (flag, value) in numbers {
        command.args([flag, &value.to_string()]);
    }
    command.args(["--dim", &scale.dim.to_string(), "--format", "json"]).stderr(Stdio::inherit());
    let made = command.output().context("people cannot be made")?;
    ensure!(made.status.success(), "making people failed; see its messages above");
    serde_json::from_slice(&made.stdout).context("what the people take")
}

async fn drive(scale: &Scale, node: &node::Node, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let (pid, rps) = (node.pid(), scale.rps);
    let pace = |seconds: u64| Pace { rps, span: Duration::from_secs(seconds) };
    let viewers = |seed: u64| Viewers::new(&node.target, scale.users, scale.seed ^ seed);
    // Caches, connections, the first decks.
    open_loop(pace(3), |n| viewers(1).first(n)).await;
    let fresh = viewers(2);
    let used = cpu(pid);
    let outcome = open_loop(pace(scale.seconds), |n| fresh.clone().first(n)).await;
    rows.push(told("new deck, page of 10", outcome, used, pid, rps)?);
    // Among few people decks are short: of those that are full, half would do.
    let decks = u64::from(rps) * scale.seconds * 2 / PAGES + 1;
    fresh.keep(usize::try_from(decks)?);
    ensure!(fresh.waiting() > 0, "nobody has a next page: there are too few people, or they are too far apart");
    let used = cpu(pid);
    let outcome = open_loop(pace(scale.seconds), |n| fresh.clone().next(n)).await;
    rows.push(told("next page of 10", outcome, used, pid, rps)?);
    ahead(&fresh, node, rows, rps).await
}

/// Everybody pages to the end of their deck; then they ask for the next one, which was made ahead.
async fn ahead(viewers: &Viewers, node: &node::Node, rows: &mut Vec<Row>, rps: u32) -> anyhow::Result<()> {
    while viewers.waiting() > 0 {
        let clients: Vec<_> = (0..4.min(viewers.waiting())).map(|n| tokio::spawn(viewers.clone().next(n as u64))).collect();
        for client in clients {
            client.await??;
        }
    }
    // Decks ahead are made one at a time while nobody waits.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let span = Duration::from_secs_f64(viewers.ended() as f64 / f64::from(rps));
    let used = cpu(node.pid());
    let outcome = open_loop(Pace { rps, span }, |n| viewers.clone().again(n)).await;
    rows.push(told("next deck, made ahead, page of 10", outcome, used, node.pid(), rps)?);
    Ok(())
}

fn told(name: &str, outcome: Outcome, used: Duration, pid: u32, rps: u32) -> anyhow::Result<Row> {
    let (failed, all) = (outcome.failed, outcome.failed + outcome.times.len());
    ensure!(failed * 100 <= all, "{name}: {failed} of {all} requests failed, first: {}", outcome.failure.unwrap_or_default());
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let name = format!("recommend: {name}, open loop {rps}/s{failed}");
    let mut row = row(&name, outcome.times, outcome.span, cpu(pid).saturating_sub(used), pid);
    row.rss_mb = resident(pid);
    Ok(row)
}
