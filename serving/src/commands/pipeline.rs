//! `pipeline run|list|dead-letters|verify`; the commands about a cluster are in [`super::arroyo`].

use std::net::SocketAddr;

use anyhow::Context;
use base64::Engine as _;
use clap::{Args, Subcommand};
use index::ledger::Ledger;
use pipelines::batch::co_likes;
use pipelines::dead_letters::{self, LetterFilter};
use pipelines::runner;
use serde::Serialize;

use super::report::{ReportArgs, print};
use super::run::stop_asked;
use super::{Global, arroyo};
use crate::config::FeatureRuntime;
use crate::wiring::{JOBS, Log, Told, install_metrics, run_together};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum PipelineCommand {
    /// Runs one job in this process until Ctrl-C; it is started again when it fails, and stands by while another process runs it.
    #[command(
        after_help = "Examples:\n  hongniang pipeline run features --brokers kafka:9092\n  hongniang pipeline run lake --brokers kafka:9092 --metrics 127.0.0.1:9100"
    )]
    Run(RunArgs),
    /// The jobs and what they do; with --arroyo the feature pipelines of a cluster and how they are.
    #[command(after_help = "Examples:\n  hongniang pipeline list --format json\n  hongniang pipeline list --arroyo http://127.0.0.1:5115")]
    List(arroyo::ListArgs),
    /// What the gate or a job refused: why, and where it came from.
    #[command(after_help = "Example:\n  hongniang pipeline dead-letters --reason birth_date --brokers 127.0.0.1:9092")]
    DeadLetters(LettersArgs),
    /// Whether the likes that recall by co-likes works with are those of the lake.
    #[command(
        after_help = "Compares the last snapshot of this data folder with a recomputation over the lake. After a node has ended in order both say the same;\nbeside a running node what came after its last snapshot or flush differs.\nExample:\n  hongniang pipeline verify --data-dir hongniang-data"
    )]
    Verify(ReportArgs),
    /// Prints the SQL that a feature set is for Arroyo: source, sink, settings and all.
    #[command(
        after_help = "Examples:\n  hongniang pipeline render --features popularity --bootstrap kafka:9092\n  hongniang pipeline render --format json"
    )]
    Render(arroyo::RenderArgs),
    /// Makes, starts and replaces feature pipelines on an Arroyo cluster until every set runs there and has caught up.
    #[command(
        after_help = "Arroyo must reach the brokers at --bootstrap. Ended at any point it can be begun again; what is done is found and kept.\nA changed file becomes a new pipeline that reads its topic from the beginning and takes over once it has caught up.\nSet features.runtime = \"arroyo\" where hongniang runs, so that the embedded runner rests.\nExamples:\n  hongniang pipeline deploy --arroyo http://127.0.0.1:5115 --dry-run\n  hongniang pipeline deploy --arroyo http://arroyo:5115 --brokers kafka:9092 --features popularity,given --parallelism 2"
    )]
    Deploy(arroyo::DeployArgs),
    /// What `deploy` would do.
    #[command(after_help = "Example:\n  hongniang pipeline diff --arroyo http://127.0.0.1:5115 --format json")]
    Diff(arroyo::DiffArgs),
    /// Stops feature pipelines of an Arroyo cluster with a checkpoint; `deploy` starts them again from there.
    #[command(
        after_help = "Examples:\n  hongniang pipeline stop --arroyo http://127.0.0.1:5115 --features popularity\n  hongniang pipeline stop --arroyo http://127.0.0.1:5115 --delete"
    )]
    Stop(arroyo::StopArgs),
    /// Stops feature pipelines of an Arroyo cluster with a checkpoint and starts them again, for the memory they gather.
    #[command(after_help = "Example:\n  hongniang pipeline recycle --arroyo http://127.0.0.1:5115")]
    Recycle(arroyo::ClusterArgs),
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Name of the job; `pipeline list` shows them.
    name: String,
    /// Answers /healthz, /readyz and /metrics here.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
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
    /// Who does it, by the configuration.
    runs: &'static str,
    does: &'static str,
}

#[derive(Serialize)]
struct VerifyRow {
    what: &'static str,
    words: usize,
    only_in_stream: usize,
    only_in_batch: usize,
    example: String,
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
        PipelineCommand::List(args) if args.has_cluster() => arroyo::list(global, args).await,
        PipelineCommand::List(args) => list(global, &args.report),
        PipelineCommand::Run(args) => run_job(global, &args).await,
        PipelineCommand::DeadLetters(args) => letters(global, args).await,
        PipelineCommand::Verify(report) => verify(global, &report).await,
        PipelineCommand::Render(args) => arroyo::render(global, &args),
        PipelineCommand::Deploy(args) => arroyo::deploy(global, args).await,
        PipelineCommand::Diff(args) => arroyo::diff(global, args).await,
        PipelineCommand::Stop(args) => arroyo::stop(global, args).await,
        PipelineCommand::Recycle(args) => arroyo::recycle(global, args).await,
    }
}

fn list(global: &Global, report: &ReportArgs) -> anyhow::Result<()> {
    let runtime = global.load()?.features.runtime;
    let runs = |name| if name == runner::NAME && runtime != FeatureRuntime::Embedded { runtime.name() } else { "here" };
    print(&JOBS.map(|(name, does)| JobRow { name, runs: runs(name), does }), report.format)
}

async fn verify(global: &Global, report: &ReportArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let snapshot = config.data_dir.join("state/ledger");
    anyhow::ensure!(snapshot.exists(), "there is no {}: run a node on this data folder first", snapshot.display());
    let (ledger, _) = Ledger::load(&snapshot)?;
    let mut rows = Vec::new();
    for (received, what) in [(false, "likes given"), (true, "likes received")] {
        let batch = co_likes::kept(&config.lake_place(), received).await?;
        let differ = co_likes::compare(&ledger.co_likes(received), &batch);
        let only_in_stream = differ.iter().filter(|d| d.in_stream).count();
        let example =
            |d: &co_likes::Difference| format!("{} and {}, {}", d.word.user, d.word.other, if d.in_stream { "stream" } else { "batch" });
        let example = differ.first().map_or_else(String::new, example);
        rows.push(VerifyRow { what, words: batch.len(), only_in_stream, only_in_batch: differ.len() - only_in_stream, example });
    }
    print(&rows, report.format)?;
    anyhow::ensure!(
        rows.iter().all(|r| r.only_in_stream + r.only_in_batch == 0),
        "stream and batch differ; if a node runs on this data folder, what came last is not in both yet"
    );
    Ok(())
}

async fn run_job(global: &Global, args: &RunArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let told = listen(args.metrics).await?;
    eprintln!("{} runs; Ctrl-C ends it", args.name);
    run_together(&[args.name.as_str()], &config, told, stop_asked()).await
}

/// Listens where jobs without an API are to tell how they are.
pub(super) async fn listen(address: Option<SocketAddr>) -> anyhow::Result<Option<Told>> {
    let Some(address) = address else { return Ok(None) };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with --metrics"))?;
    eprintln!("metrics on http://{}/metrics", listener.local_addr()?);
    Ok(Some(Told { listener, metrics: install_metrics()? }))
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
