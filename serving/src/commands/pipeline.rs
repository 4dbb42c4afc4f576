//! `pipeline run|list|dead-letters`.

use base64::Engine as _;
use chrono::Utc;
use clap::{Args, Subcommand};
use pipelines::dead_letters::{self, LetterFilter};
use pipelines::supervisor::JobContext;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use super::run::stop_asked;
use crate::wiring::{JOBS, Log, run_alone};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum PipelineCommand {
    /// Runs one job in this process until Ctrl-C.
    #[command(after_help = "Example:\n  hongniang pipeline run features --brokers kafka:9092")]
    Run {
        /// Name of the job; `pipeline list` shows them.
        name: String,
    },
    /// The jobs and what they do.
    #[command(after_help = "Example:\n  hongniang pipeline list --format json")]
    List(ReportArgs),
    /// What the gate or a job refused: why, and where it came from.
    #[command(after_help = "Example:\n  hongniang pipeline dead-letters --reason birth_date --brokers 127.0.0.1:9092")]
    DeadLetters(LettersArgs),
}

/// Flags of `dead-letters`.
#[derive(Debug, Args)]
pub(super) struct LettersArgs {
    /// Newest so many.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Refused by this job.
    #[arg(long)]
    job: Option<String>,
    /// Came from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Reason contains this.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Serialize)]
struct JobRow {
    name: &'static str,
    does: &'static str,
}

#[derive(Serialize)]
struct LetterRow {
    refused_at: String,
    job: String,
    origin: String,
    reason: String,
    raw: String,
}

pub(super) async fn run(global: &Global, command: PipelineCommand) -> anyhow::Result<()> {
    match command {
        PipelineCommand::List(report) => print(&JOBS.map(|(name, does)| JobRow { name, does }), report.format),
        PipelineCommand::Run { name } => run_job(global, &name).await,
        PipelineCommand::DeadLetters(args) => letters(global, args).await,
    }
}

async fn run_job(global: &Global, name: &str) -> anyhow::Result<()> {
    let config = global.load()?;
    let log = Log::open(&config).await?;
    let context = JobContext::alone(name, Utc::now);
    let stop = context.shutdown.clone();
    tokio::spawn(async move {
        stop_asked().await;
        stop.cancel();
    });
    eprintln!("{name} runs on {}; Ctrl-C ends it", log.bus.config().brokers);
    run_alone(name, &config, log.bus.clone(), context).await?;
    log.close().await;
    Ok(())
}

async fn letters(global: &Global, args: LettersArgs) -> anyhow::Result<()> {
    let log = Log::open(&global.load()?).await?;
    let filter = LetterFilter { job: args.job, topic: args.topic, reason: args.reason };
    let found = dead_letters::list(&log.bus, &filter, args.limit).await?;
    let raw = |text: &str| {
        base64::engine::general_purpose::STANDARD.decode(text).map(|b| String::from_utf8_lossy(&b).chars().take(160).collect())
    };
    let rows = found.iter().map(|l| LetterRow {
        refused_at: l.refused_at.to_rfc3339(),
        job: l.job.clone(),
        origin: format!("{}/{}@{}", l.topic, l.partition, l.offset),
        reason: l.reason.clone(),
        raw: raw(&l.raw).unwrap_or_else(|_| l.raw.clone()),
    });
    let rows: Vec<LetterRow> = rows.collect();
    if rows.is_empty() {
        eprintln!("nothing was refused");
    }
    print(&rows, args.report.format)?;
    log.close().await;
    Ok(())
}
