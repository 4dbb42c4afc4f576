//! `forget USER`.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use features::ids::UserId;
use pipelines::snapshots::SnapshotStore;
use serde::Serialize;

use super::Global;
use super::report::{Format, ReportArgs, print, say};
use crate::auth::{Auth, system_chance};
use crate::config::Config;
use crate::db::{self, Db};
use crate::recommend;
use crate::rights::{self, Erasure, Place, Places, Stage};
use crate::wiring::{Log, PIPELINES, Platform, install_metrics};

/// After so long it is said that nobody does it.
const NOBODY: Duration = Duration::from_secs(30);

/// Flags of `forget`.
#[derive(Debug, Args)]
#[command(
    after_help = "Beside a running node the node does it; on a data folder on which none runs the command starts one, without an address, and stops it when it is done. Killed, it goes on where it was when it is called again or a node \
                  starts. docs/RIGHTS.md says where it looks.\n\nExamples:\n  hongniang forget 1790000000000000001 --dry-run\n  hongniang forget 1790000000000000001 --yes --format json > receipt.json"
)]
pub(super) struct ForgetArgs {
    /// Whom: a user id.
    #[arg(value_name = "USER")]
    user: UserId,
    /// Tells how much is where, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask first.
    #[arg(long)]
    yes: bool,
    /// Does not wait until it is done.
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// A line of the report.
#[derive(Serialize)]
struct Line {
    place: String,
    part: String,
    count: u64,
}

fn lines(place: &str, found: impl IntoIterator<Item = (String, u64)>) -> Vec<Line> {
    found.into_iter().filter(|(_, count)| *count > 0).map(|(part, count)| Line { place: place.to_owned(), part, count }).collect()
}

pub(super) async fn run(global: &Global, args: ForgetArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let db = Db::open(&config.database, &config.data_dir).await?;
    db::prepare(&db, &config.database, Utc::now()).await?;
    if args.dry_run {
        let found = find(&config, &db, args.user).await?;
        db.close().await;
        return print(&found, args.report.format);
    }
    anyhow::ensure!(args.yes || sure(args.user)?, "nothing is erased; --yes does not ask");
    let auth = Auth::open(db.clone(), &config.auth, &config.data_dir, system_chance(), Utc::now())?;
    let token = rights::request_by_operator(&db, args.user, &auth.pseudonym(args.user), Utc::now()).await?;
    eprintln!("erasure {token} is asked for");
    if args.no_wait {
        db.close().await;
        return say(&token);
    }
    let log = Log::open(&config).await?;
    let alone = log.is_own();
    log.close().await;
    let node = if alone { Some(Platform::start(config, &PIPELINES, install_metrics()?).await?) } else { None };
    let done = wait(&db, &token).await;
    if let Some(node) = node {
        node.stop().await;
    }
    db.close().await;
    tell(&done?, args.report.format)
}

/// Asks a person at a terminal.
fn sure(user: UserId) -> anyhow::Result<bool> {
    anyhow::ensure!(std::io::stdin().is_terminal(), "an erasure cannot be taken back: say --yes, or look first with --dry-run");
    eprint!("Everything of user {user} is erased for good. Type the id again to go on: ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    Ok(typed.trim() == user.to_string())
}

async fn wait(db: &Db, token: &str) -> anyhow::Result<Erasure> {
    let (begun, mut told) = (Instant::now(), false);
    loop {
        let erasure = rights::erasure(db, token).await?.with_context(|| format!("erasure {token} is gone from the database"))?;
        match erasure.state {
            Stage::Done => return Ok(erasure),
            Stage::Waiting if begun.elapsed() > NOBODY && !told => {
                told = true;
                eprintln!(
                    "no node has begun yet; it goes on by itself once one runs (`hongniang serve`), and this may be ended with Ctrl-C"
                );
            }
            Stage::Waiting | Stage::Working => {}
        }
        tokio::select! {
            () = super::stop_asked() => anyhow::bail!("it goes on by itself where a node runs; GET /v1/erasures/{token} tells how it stands"),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

fn tell(erasure: &Erasure, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return say(serde_json::to_string_pretty(erasure)?);
    }
    let all: Vec<Line> = erasure.receipt.places.iter().flat_map(|(place, parts)| lines(place, parts.clone())).collect();
    print(&all, format)
}

async fn find(config: &Config, db: &Db, user: UserId) -> anyhow::Result<Vec<Line>> {
    let log = Log::open(config).await?;
    let folder = config.data_dir.join("state").display().to_string();
    let places = Places {
        config: Arc::new(config.clone()),
        db: db.clone(),
        bus: log.bus.clone(),
        state: SnapshotStore::open(&config.state_place())?,
        node: SnapshotStore::open(&folder)?,
        scrubber: None,
        indexes: None,
        deck: recommend::names,
        row_makers: &[],
        // Nothing is renamed here.
        pseudonym: Arc::new(|_| String::new()),
    };
    let mut all = Vec::new();
    // Indexes belong to the node that runs; what they have is what the log has.
    for place in Place::ALL.into_iter().filter(|place| !matches!(place, Place::Ledger | Place::Indexes | Place::Backfills)) {
        all.extend(lines(place.name(), places.find(place, &[user]).await?));
    }
    drop(places);
    log.close().await;
    Ok(all)
}
