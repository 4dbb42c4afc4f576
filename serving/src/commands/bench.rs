//! `bench freshness|recommend|stream|backfill`.

use std::path::PathBuf;

use chrono::Utc;
use clap::{Args, Subcommand};

use super::Global;
use super::report::{Format, ReportArgs, print};
use crate::bench::scale::{self, Crowd, Scale};
use crate::bench::{Freshness, PATIENCE, Row, Target, backfill, likes, machine, moments, recommend, stream};
use crate::config::DEVELOPMENT_KEY;
use crate::wiring::PIPELINES;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Like → different ranking; Moment posted → found by a vector source. Needs a running server with people.
    #[command(
        after_help = "Everybody who likes or posts here is new and erased afterwards. Fails when an effect does not come within 20 s.\n\nExamples:\n  hongniang bench freshness\n  hongniang bench freshness --rounds 1000 --url http://127.0.0.1:8080 --format csv"
    )]
    Freshness(FreshnessArgs),
    /// New decks and next pages under load: of a running server with people, or with --users of a node of its own with synthetic people.
    #[command(after_help = RECOMMEND_EXAMPLES)]
    Recommend(RecommendArgs),
    /// The synthetic people of `recommend --users`: into a data folder, or as CSV for a comparison with other systems.
    #[command(after_help = "Examples:\n  hongniang bench crowd --users 100000 --csv people.csv && deploy/compare/postgis.sh people.csv")]
    Crowd(CrowdArgs),
    /// The node of `recommend --users`.
    #[command(hide = true, after_help = "Example, after `bench crowd`:\n  hongniang bench node --folder D")]
    Node(NodeArgs),
    /// Events from Kafka into features and lake, in this process.
    #[command(after_help = "Example:\n  hongniang bench stream --events 5000000 --people 100000 --format json")]
    Stream(StreamArgs),
    /// Feature sets out of the lake, in this process.
    #[command(after_help = "Example:\n  hongniang bench backfill --events 5000000 --people 100000 --memory-mb 64 --format json")]
    Backfill(BackfillArgs),
}

const RECOMMEND_EXAMPLES: &str = "Examples:\n  hongniang bench recommend --clients 8                        closed loop against a running server\n  hongniang bench recommend --users 1000000 --rps 200          open loop against a node of its own with a million people\n  hongniang bench recommend --users 10000 --rps 50 --format csv";

/// The server under measurement.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Where it is; on this machine.
    #[arg(long, default_value = "http://127.0.0.1:7878")]
    url: String,
    /// A service key of it.
    #[arg(long, default_value = DEVELOPMENT_KEY)]
    key: String,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `freshness`.
#[derive(Debug, Args)]
pub(super) struct FreshnessArgs {
    /// How many likes, and how many Moments.
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `recommend`.
#[derive(Debug, Args)]
pub(super) struct RecommendArgs {
    /// Clients that ask one after the other without a pause.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Makes so many synthetic people and starts a node of its own on them, instead of asking a running server.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=20_000_000))]
    users: Option<u64>,
    /// With --users: requests per second, in an open loop.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rps: u32,
    #[command(flatten)]
    crowd: CrowdShape,
    /// With --users: pipeline jobs of the node beside the API, such as gate,features,assembler.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    jobs: Vec<String>,
    /// With --users: keep the node's data here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What synthetic people are like.
#[derive(Debug, Args)]
pub(super) struct CrowdShape {
    /// With --users: cities, of sizes by Zipf's law.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    cities: u64,
    /// With --users: dimensions of the vectors; 512 are those of the default encoder.
    #[arg(long, default_value_t = 512)]
    dim: usize,
    /// With --users: exposures each person has had, on average.
    #[arg(long, default_value_t = 20)]
    exposures: u64,
    /// With --users: for the chance in the people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Flags of `crowd`.
#[derive(Debug, Args)]
pub(super) struct CrowdArgs {
    /// How many people.
    #[arg(long)]
    users: u64,
    #[command(flatten)]
    shape: CrowdShape,
    /// The data folder for a node, which gets its portrait table and ledger.
    #[arg(long, value_name = "DIR", required_unless_present = "csv")]
    folder: Option<PathBuf>,
    /// A CSV file with what filters and the score read, without vectors.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `node`.
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// Its data folder.
    #[arg(long)]
    folder: PathBuf,
    /// Its pipeline jobs.
    #[arg(long, value_delimiter = ',')]
    jobs: Vec<String>,
    /// MiB of decks.
    #[arg(long, default_value_t = 256)]
    deck_memory_mb: u64,
}

/// Flags of `stream`.
#[derive(Debug, Args)]
pub(super) struct StreamArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    people: u64,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `backfill`.
#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    people: u64,
    /// MiB of memory for sorting and adding.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(32..=1_000_000))]
    memory_mb: u64,
    /// Days that are computed at the same time.
    #[arg(long, default_value_t = 2)]
    parallel: usize,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(_global: &Global, command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Freshness(args) => {
            let target = Target::new(&args.target.url, &args.target.key)?;
            let found = [likes(&target, args.rounds, PATIENCE).await?, moments(&target, args.rounds, PATIENCE).await?];
            tell(&found.each_ref().map(|f| f.row.clone()), args.target.report.format)?;
            found.iter().try_for_each(Freshness::judge)
        }
        BenchCommand::Recommend(args) if args.users.is_some() => {
            let format = args.target.report.format;
            tell(&scale::scale(&at_scale(args)?).await?, format)
        }
        BenchCommand::Recommend(args) => {
            let rows = recommend(&Target::new(&args.target.url, &args.target.key)?, args.clients, args.seconds).await?;
            tell(&rows, args.target.report.format)
        }
        BenchCommand::Crowd(args) => {
            let CrowdShape { cities, dim, exposures, seed } = args.shape;
            let crowd = Crowd { users: args.users, cities, dim, exposures, seed, now: Utc::now() };
            if let Some(file) = &args.csv {
                scale::write_csv(&crowd, file)?;
            }
            args.folder.map_or(Ok(()), |folder| print(&scale::make(&crowd, &folder)?, args.report.format))
        }
        BenchCommand::Node(args) => {
            let jobs: Vec<&str> = args.jobs.iter().map(String::as_str).collect();
            scale::run_node(&args.folder, &jobs, args.deck_memory_mb).await
        }
        BenchCommand::Backfill(args) => {
            let memory = usize::try_from(args.memory_mb << 20).unwrap_or(usize::MAX);
            tell(&[backfill(args.events, args.people, memory, args.parallel).await?], args.report.format)
        }
        BenchCommand::Stream(args) => tell(&[stream(args.events, args.people).await?], args.report.format),
    }
}

fn at_scale(args: RecommendArgs) -> anyhow::Result<Scale> {
    let CrowdShape { cities, dim, exposures, seed } = args.crowd;
    if let Some(unknown) = args.jobs.iter().find(|name| !PIPELINES.contains(&name.as_str())) {
        anyhow::bail!("--jobs: there is no job `{unknown}`; there are {}", PIPELINES.join(", "));
    }
    anyhow::ensure!((1..=8_192).contains(&dim), "--dim: {dim} is out of range, use 1 to 8192");
    anyhow::ensure!(args.seconds > 0, "--seconds: must be at least 1");
    let users = args.users.unwrap_or_default();
    Ok(Scale { users, cities, dim, exposures, seed, rps: args.rps, seconds: args.seconds, jobs: args.jobs, folder: args.keep })
}

fn tell(rows: &[Row], format: Format) -> anyhow::Result<()> {
    if format == Format::Table {
        println!("{}", machine());
    }
    print(rows, format)
}
