//! The command line.

mod arroyo;
mod audit;
mod auth;
mod backfill;
mod bench;
mod config;
mod dataset;
mod dead_letters;
mod doctor;
mod eval;
mod evenings;
mod experiments;
mod forget;
mod import;
mod lake;
mod migrate;
mod models;
mod moderate;
mod off_policy;
mod pipeline;
mod query;
mod relations;
mod replay;
pub mod report;
mod reviews;
mod run;
mod score;
mod send;
mod simulate;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value, json};

pub(crate) use self::run::stop_asked;
use crate::config::Config;

/// hongniang 红娘: recommends people to each other.
#[derive(Debug, Parser)]
#[command(
    name = "hongniang",
    version,
    about,
    after_help = "Examples:\n  hongniang up                    everything, embedded, on http://127.0.0.1:7878\n  hongniang dead-letters list     what was refused, and why\n  hongniang query 'SELECT kind, COUNT(*) FROM interactions GROUP BY kind'"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file; ./hongniang.toml, if it is there, by default.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything embedded is kept.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Brokers of an outside event log, host:port,host:port.
    #[arg(long, global = true, value_name = "HOSTS")]
    brokers: Option<String>,
    /// Where the API listens.
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What is logged, such as info or pipelines=debug.
    #[arg(long, global = true, default_value = "warn,serving=info,pipelines=info,qdrant_edge=error", env = "RUST_LOG")]
    log: String,
}

impl Global {
    /// The configuration with the flags on top.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn load(&self) -> anyhow::Result<Config> {
        let mut flags = Map::new();
        if let Some(dir) = &self.data_dir {
            flags.insert("data_dir".to_owned(), json!(dir));
        }
        if let Some(brokers) = &self.brokers {
            flags.insert("kafka".to_owned(), json!({"brokers": brokers}));
        }
        if let Some(listen) = &self.listen {
            flags.insert("http".to_owned(), json!({"listen": listen}));
        }
        let config = Config::load(self.config.as_deref(), Value::Object(flags))?;
        pipelines::snapshots::use_s3(&config.s3);
        Ok(config)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in this process: log, jobs, indexes, API, console.
    Up(run::UpArgs),
    /// Some modules on an outside event log; the others run elsewhere.
    Serve(run::ServeArgs),
    /// Jobs on the stream.
    #[command(subcommand)]
    Pipeline(pipeline::PipelineCommand),
    /// What was refused: which and why, corrected, sent again.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Computes again from the lake what the stream keeps, and puts it in its place while the stream goes on.
    Backfill(backfill::BackfillArgs),
    /// Text encoders: get, list.
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// What the moderation finds in texts and photos, and what would follow.
    Moderate(moderate::ModerateArgs),
    /// Lets a simulated town grow: people, Moments, likes.
    Simulate(simulate::SimulateArgs),
    /// Brings recorded data in: events as JSON lines, CSV or Parquet, and data sets of others in their own form.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Experiments: which there are, who is in which arm, what came of them.
    #[command(subcommand)]
    Experiments(experiments::ExperimentsCommand),
    /// The files of the lake: compact, verify, stats, snapshot.
    #[command(subcommand)]
    Lake(lake::LakeCommand),
    /// The tables of the database: which changes are applied; apply them, take them back.
    Migrate(migrate::MigrateArgs),
    /// Erases a person from every place, for good, and gives a receipt.
    Forget(forget::ForgetArgs),
    /// What people reported and the moderation flagged: list, decide, bans, lift.
    #[command(subcommand)]
    Reviews(reviews::ReviewsCommand),
    /// Security-relevant acts: who did what about whom.
    Audit(audit::AuditArgs),
    /// Who follows, befriends and blocks whom, in the database: rebuild.
    #[command(subcommand)]
    Relations(relations::RelationsCommand),
    /// The keys that sign access tokens.
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// SQL over the lake: one statement, a file of them, or a conversation.
    Query(query::QueryArgs),
    /// Training examples: impressions with both people as they stood before, and what followed.
    Dataset(dataset::DatasetArgs),
    /// Scores for given pairs of people, by what was known at their time.
    Score(score::ScoreArgs),
    /// Computes pages that were served again, from the log, and compares them byte for byte.
    Replay(replay::ReplayArgs),
    /// How good the matching is, on what really happened.
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Measures the whole system: freshness, recommend, relations, stream, parity, query.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// The configuration as it applies here.
    Config(config::ConfigArgs),
    /// Whether everything that is needed is there.
    Doctor(doctor::DoctorArgs),
    /// The API's description as OpenAPI JSON.
    #[command(after_help = "Example:\n  hongniang openapi > openapi.json")]
    Openapi,
}

/// Parses, runs, and tells failures with their causes.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&cli.global.log).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("hongniang: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        // Whoever read the output has enough, as with `| head`.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hongniang: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Up(args) => run::up(&global, args).await?,
        Command::Serve(args) => run::serve(&global, &args).await?,
        Command::Pipeline(command) => pipeline::run(&global, command).await?,
        Command::DeadLetters(command) => dead_letters::run(&global, command).await?,
        Command::Backfill(args) => backfill::run(&global, args).await?,
        Command::Models(command) => models::run(command).await?,
        Command::Moderate(args) => return moderate::run(&global, args).await,
        Command::Simulate(args) => simulate::run(&global, args).await?,
        Command::Import(command) => import::run(&global, command).await?,
        Command::Experiments(command) => experiments::run(&global, command).await?,
        Command::Lake(command) => return lake::run(&global, command).await,
        Command::Migrate(args) => migrate::run(&global, args).await?,
        Command::Reviews(command) => reviews::run(&global, command).await?,
        Command::Audit(args) => audit::run(&global, args).await?,
        Command::Forget(args) => forget::run(&global, args).await?,
        Command::Auth(command) => auth::run(&global, command).await?,
        Command::Relations(command) => relations::run(&global, command).await?,
        Command::Query(args) => query::run(&global, args).await?,
        Command::Dataset(args) => dataset::run(&global, args).await?,
        Command::Score(args) => score::run(&global, args).await?,
        Command::Replay(args) => return replay::run(&global, args).await,
        Command::Eval(command) => eval::run(&global, command).await?,
        Command::Bench(command) => bench::run(&global, command).await?,
        Command::Config(args) => config::run(&global, &args)?,
        Command::Doctor(args) => return doctor::run(&global, &args).await,
        Command::Openapi => report::say(crate::http::openapi().to_pretty_json()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
