//! `pipeline run|list|dead-letters|verify`; the commands about a cluster are in [`super::arroyo`].

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::dead_letters::{ListArgs, list as list_letters};
use super::report::{ReportArgs, print};
use super::run::stop_asked;
use super::verify::{self, VerifyArgs, verify};
use super::{Global, arroyo};
use crate::config::FeatureRuntime;
use crate::wiring::{JOBS, Told, install_metrics, run_together};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum PipelineCommand {
    /// Runs jobs in this process until Ctrl-C; one that fails is started again, and stands by while another process runs it.
    #[command(
        after_help = "Examples:\n  hongniang pipeline run features --brokers kafka:9092\n  hongniang pipeline run gate features lake --data-dir hongniang-data\n  hongniang pipeline run lake --brokers kafka:9092 --metrics 127.0.0.1:9100"
    )]
    Run(RunArgs),
    /// The jobs and what they do; with --arroyo the feature pipelines of a cluster and how they are.
    #[command(after_help = "Examples:\n  hongniang pipeline list --format json\n  hongniang pipeline list --arroyo http://127.0.0.1:5115")]
    List(arroyo::ListArgs),
    /// What the gate or a job refused: the same as `hongniang dead-letters list`.
    #[command(after_help = "Example:\n  hongniang pipeline dead-letters --reason birth_date --brokers 127.0.0.1:9092")]
    DeadLetters(ListArgs),
    /// Whether the stream says what a batch over the lake says, key by key.
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
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
    /// Names of jobs; `pipeline list` shows them.
    #[arg(required = true, value_name = "NAMES")]
    names: Vec<String>,
    /// Answers /healthz, /readyz and /metrics here.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

#[derive(Serialize)]
struct JobRow {
    name: &'static str,
    /// Who does it, by the configuration.
    runs: &'static str,
    does: &'static str,
}

pub(super) async fn run(global: &Global, command: PipelineCommand) -> anyhow::Result<()> {
    match command {
        PipelineCommand::List(args) if args.has_cluster() => arroyo::list(global, args).await,
        PipelineCommand::List(args) => list(global, &args.report),
        PipelineCommand::Run(args) => run_job(global, &args).await,
        PipelineCommand::DeadLetters(args) => list_letters(global, args).await,
        PipelineCommand::Verify(args) => verify(global, &args).await,
        PipelineCommand::Render(args) => arroyo::render(global, &args),
        PipelineCommand::Deploy(args) => arroyo::deploy(global, args).await,
        PipelineCommand::Diff(args) => arroyo::diff(global, args).await,
        PipelineCommand::Stop(args) => arroyo::stop(global, args).await,
        PipelineCommand::Recycle(args) => arroyo::recycle(global, args).await,
    }
}

fn list(global: &Global, report: &ReportArgs) -> anyhow::Result<()> {
    let runtime = global.load()?.features.runtime;
    let runs = |name| if name == pipelines::runner::NAME && runtime != FeatureRuntime::Embedded { runtime.name() } else { "here" };
    print(&JOBS.map(|(name, does)| JobRow { name, runs: runs(name), does }), report.format)
}

async fn run_job(global: &Global, args: &RunArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let told = listen(args.metrics).await?;
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    eprintln!("{}; Ctrl-C ends", names.join(", "));
    run_together(&names, &config, told, stop_asked()).await
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
