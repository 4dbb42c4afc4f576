//! `lake compact|verify|stats|snapshot`.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use clap::{Args, Subcommand};
use features::ids::UserId;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::lake::{self, CompactPlan, Compacted, LogBounds};
use pipelines::tables::lake_tables;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::config::Config;
use crate::wiring::Log;

/// What can be done with the files of the lake.
#[derive(Debug, Subcommand)]
pub(super) enum LakeCommand {
    /// Merges the many small files of past days into few large ones, and drops what is past its retention.
    #[command(
        after_help = "Safe beside a running platform and its readers, and to kill at any point; docs/LAKE.md says what readers see. The job lake_keeper does it once a day.\n\nExamples:\n  hongniang lake compact --dry-run\n  hongniang lake compact --tables interactions,presence --before 2026-11-01 --target-mb 512\n  HONGNIANG__LAKE__RETENTION__PORTRAITS=90 hongniang lake compact --format json"
    )]
    Compact(CompactArgs),
    /// Whether every file is there, says what it should, and no row is there twice.
    #[command(
        after_help = "Ends with 0 when nothing is found, else with 1; every finding says what to do. With --brokers (or [kafka] brokers) the positions are compared with the event log, too.\n\nExamples:\n  hongniang lake verify\n  hongniang lake verify --topics interactions,moments --format json\n  hongniang lake verify --brokers kafka:9092 --count"
    )]
    Verify(VerifyArgs),
    /// Files, rows and bytes of every table.
    #[command(after_help = "Example:\n  hongniang lake stats --format csv")]
    Stats(StatsArgs),
    /// Everybody's portrait as it stood at the end of a day, into the table portrait_days.
    #[command(
        after_help = "Made of the last day before that is there and of the versions since; made again it is the same. Whoever was erased is left out. It asks the event log who is alive: beside a running platform give --brokers.\n\nExamples:\n  hongniang lake snapshot                                  yesterday\n  hongniang lake snapshot --day 2026-11-24\n  hongniang lake snapshot --from 2026-11-01 --to 2026-11-24 --brokers 127.0.0.1:9092"
    )]
    Snapshot(SnapshotArgs),
}

/// Flags of `compact`.
#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    /// The lake, a folder or a URL; that of the configuration, when left out.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// These tables only.
    #[arg(long, value_delimiter = ',', value_name = "TABLES")]
    tables: Vec<String>,
    /// Only days before this one; today (UTC), when left out.
    #[arg(long, value_name = "DAY")]
    before: Option<NaiveDate>,
    /// MiB at which a merged file is large enough; lake.compact.target_mb, when left out.
    #[arg(long, value_name = "MIB")]
    target_mb: Option<u64>,
    /// Tells what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The lake, a folder or a URL; that of the configuration, when left out.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// These topics (tables) only.
    #[arg(long, visible_alias = "tables", value_delimiter = ',', value_name = "TOPICS")]
    topics: Vec<String>,
    /// Reads the event log from its beginning and counts its records against the rows; needs --brokers.
    #[arg(long)]
    count: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `stats`.
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// The lake, a folder or a URL; that of the configuration, when left out.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `snapshot`.
#[derive(Debug, Args)]
pub(super) struct SnapshotArgs {
    /// The day (UTC); yesterday, when nothing is given.
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    day: Option<NaiveDate>,
    /// The first of several days.
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<NaiveDate>,
    /// The last of several days.
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<NaiveDate>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Serialize)]
struct SnapshotRow {
    day: NaiveDate,
    people: u64,
    /// The day it goes on from.
    from: String,
    bytes: u64,
}

/// Exit code 1 when `verify` has findings.
pub(super) async fn run(global: &Global, command: LakeCommand) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    match command {
        LakeCommand::Compact(args) => compact(&config, args).await?,
        LakeCommand::Verify(args) => return verify(&config, args).await,
        LakeCommand::Stats(args) => print(&lake::stats(&place(&config, args.lake)).await?, args.report.format)?,
        LakeCommand::Snapshot(args) => snapshot(&config, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn place(config: &Config, given: Option<String>) -> String {
    given.unwrap_or_else(|| config.lake_place())
}

/// Refuses names that are no tables.
fn known(flag: &str, names: &[String]) -> anyhow::Result<()> {
    let tables: Vec<&str> = lake_tables().into_iter().map(|(name, _)| name).collect();
    match names.iter().find(|name| !tables.contains(&name.as_str())) {
        Some(unknown) => anyhow::bail!("--{flag}: there is no table `{unknown}`; there are {}", tables.join(", ")),
        None => Ok(()),
    }
}

/// A bar on a terminal; elsewhere whoever works prints lines.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos} of {len}  {msg}") {
        bar.set_style(style);
    }
    bar
}

async fn compact(config: &Config, args: CompactArgs) -> anyhow::Result<()> {
    known("tables", &args.tables)?;
    let now = Utc::now();
    let mut plan = CompactPlan {
        tables: args.tables,
        before: args.before.unwrap_or_else(|| now.date_naive()),
        config: config.lake.compact.clone(),
        retention: config.lake.retention.clone(),
        dry_run: args.dry_run,
    };
    if let Some(target) = args.target_mb {
        anyhow::ensure!(target > 0, "--target-mb must be at least 1");
        plan.config.target_mb = target;
    }
    let bar = bar();
    let step = |done: usize, of: usize, last: &Compacted| {
        let line = format!("{} {} of {}", last.what, last.files, day_of(last));
        if bar.is_hidden() {
            eprintln!("{done} of {of}: {line}");
        }
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        bar.set_message(line);
    };
    let done = lake::compact(&place(config, args.lake), &plan, now, &step).await?;
    bar.finish_and_clear();
    if done.is_empty() {
        eprintln!("nothing to do: no day before {} has several small files, and nothing is past its retention", plan.before);
    }
    print(&done, args.report.format)
}

fn day_of(one: &Compacted) -> String {
    format!("{} {}", one.table, one.day)
}

async fn verify(config: &Config, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    known("topics", &args.topics)?;
    let place = place(config, args.lake);
    anyhow::ensure!(!args.count || !config.kafka.brokers.is_empty(), "--count reads the event log: name it with --brokers");
    let mut counted = Vec::new();
    let log = match config.kafka.brokers.is_empty() {
        true => None,
        false => {
            let log = Log::open(config).await?;
            let bounds =
                LogBounds::ask(&log.bus).await.context("the event log cannot be asked; leave out --brokers to look at the files alone")?;
            if args.count {
                counted = lake::count_against_log(&place, &log.bus, &|_| {}).await?;
            }
            log.close().await;
            Some(bounds)
        }
    };
    let (bar, told) = (bar(), Mutex::new(0));
    let step = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if bar.is_hidden() && done >= *told + 500 {
            *told = done;
            eprintln!("{done} of {of} files");
        }
    };
    let mut found = lake::verify(&place, &args.topics, log.as_ref(), &step).await?;
    bar.finish_and_clear();
    found.findings.extend(counted.into_iter().filter(|f| args.topics.is_empty() || args.topics.contains(&f.table)));
    print(&found.findings, args.report.format)?;
    let against = if log.is_some() { ", and the event log" } else { "" };
    eprintln!("{} files with {} rows{against}: {} findings", found.files, found.rows, found.findings.len());
    Ok(if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn snapshot(config: &Config, args: &SnapshotArgs) -> anyhow::Result<()> {
    let today = Utc::now().date_naive();
    let (from, to) = match (args.day, args.from, args.to) {
        (Some(day), ..) => (day, day),
        (_, Some(from), Some(to)) => (from, to),
        _ => {
            let yesterday = today.pred_opt().context("there is no day before today")?;
            (yesterday, yesterday)
        }
    };
    anyhow::ensure!(from <= to, "--from {from} must not be after --to {to}");
    anyhow::ensure!(to < today, "{to} is not over yet (UTC): a snapshot shows the end of a day");
    let log = Log::open(config).await?;
    let alive: HashSet<UserId> = lake::alive(&log.bus).await?;
    log.close().await;
    let bar = bar();
    let mut rows = Vec::new();
    let days: Vec<NaiveDate> = from.iter_days().take_while(|day| *day <= to).collect();
    for day in &days {
        let taken = lake::take(&config.lake_place(), *day, &alive, config.lake.compact.memory_mb << 20).await?;
        let from = taken.from.map_or_else(String::new, |day| day.to_string());
        rows.push(SnapshotRow { day: *day, people: taken.people, from, bytes: taken.bytes });
        bar.set_length(days.len() as u64);
        bar.set_position(rows.len() as u64);
        if bar.is_hidden() {
            eprintln!("{} of {}: {day}, {} people", rows.len(), days.len(), taken.people);
        }
    }
    bar.finish_and_clear();
    print(&rows, args.report.format)
}
