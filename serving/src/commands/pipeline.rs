//! `pipeline run|list|dead-letters|verify`.

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Global;
use super::dead_letters::{ListArgs, list};
use super::report::{ReportArgs, print};
use super::run::stop_asked;
use super::verify::{self, VerifyArgs, verify};
use crate::wiring::{JOBS, Told, install_metrics, run_together};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum PipelineCommand {
    /// Runs jobs in this process until Ctrl-C; one that fails is started again, and stands by while another process runs it.
    #[command(
        after_help = "Examples:\n  hongniang pipeline run features --brokers kafka:9092\n  hongniang pipeline run gate features lake --data-dir hongniang-data\n  hongniang pipeline run lake --brokers kafka:9092 --metrics 127.0.0.1:9100"
    )]
    Run(RunArgs),
    /// The jobs and what they do.
    #[command(after_help = "Example:\n  hongniang pipeline list --format json")]
    List(ReportArgs),
    /// What the gate or a job refused: the same as `hongniang dead-letters list`.
    #[command(after_help = "Example:\n  hongniang pipeline dead-letters --reason birth_date --brokers 127.0.0.1:9092")]
    DeadLetters(ListArgs),
    /// Whether the stream says what a batch over the lake says, key by key.
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
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
    does: &'static str,
}

pub(super) async fn run(global: &Global, command: PipelineCommand) -> anyhow::Result<()> {
    match command {
        PipelineCommand::List(report) => print(&JOBS.map(|(name, does)| JobRow { name, does }), report.format),
        PipelineCommand::Run(args) => run_job(global, &args).await,
        PipelineCommand::DeadLetters(args) => list(global, args).await,
        PipelineCommand::Verify(args) => verify(global, &args).await,
    }
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
