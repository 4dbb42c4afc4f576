//! `bench freshness|recommend|login|stream|runtimes|backfill|parity|query`.

use std::path::PathBuf;

use chrono::Utc;
use clap::{Args, Subcommand};
use features::topic::Topic;

use super::Global;
use super::arroyo::{ClusterArgs, ShapeArgs, Told, shaped};
use super::report::{Format, ReportArgs, print, render};
use super::verify::VerifyRow;
use crate::arroyo::Operator;
use crate::bench::scale::{self, Crowd, Scale};
use crate::bench::{
    Freshness, Logins, PATIENCE, Parity, Row, Runtimes, Target, backfill, likes, machine, moments, parity, query, recommend, stream,
};
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
    /// Logins by phone and by an OpenID provider under load, into a node in this process with tables of its own.
    #[command(
        after_help = "A login by phone is two requests, the code and its use; CPU time and memory are those of node and clients together.\n\nExamples:\n  hongniang bench login\n  hongniang bench login --logins 100000 --clients 256 --format json"
    )]
    Login(LoginArgs),
    /// Events from Kafka into features and lake, in this process.
    #[command(after_help = "Example:\n  hongniang bench stream --events 5000000 --people 100000 --format json")]
    Stream(StreamArgs),
    /// The same feature sets over the same events in the embedded runner and on an Arroyo cluster; every key must agree with the lake.
    #[command(after_help = RUNTIMES_EXAMPLES)]
    Runtimes(RuntimesArgs),
    /// Feature sets out of the lake, in this process.
    #[command(after_help = "Example:\n  hongniang bench backfill --events 5000000 --people 100000 --memory-mb 64 --format json")]
    Backfill(BackfillArgs),
    /// Five typical questions of analysts, over a lake, in this process.
    #[command(
        after_help = "deploy/compare/duckdb.py asks the same of DuckDB and compares.\n\nExamples:\n  hongniang bench query\n  hongniang bench query --lake /var/lib/hongniang/lake --rounds 20 --format csv"
    )]
    Query(QueryArgs),
    /// Stream against batch: recorded events through jobs that are killed again and again; every key must agree.
    #[command(after_help = PARITY_EXAMPLES)]
    Parity(ParityArgs),
}

const PARITY_EXAMPLES: &str = "Events come twice, late, out of order, with wrong clocks and garbage between. Gate, feature runner and lake writer run in a process of their own\n(with --brokers in one each), which gets SIGKILL. In the end every event must be stored once, and every feature set be the same on the stream\nas over the lake. Ends with 1 where it is not; the same seed sends the same events.\n\nExamples:\n  hongniang bench parity\n  hongniang bench parity --events 10000000 --people 200000 --kills 30 --keep /tmp/parity --format json\n  hongniang bench parity --events 200000 --brokers 127.0.0.1:9092      on an empty event log of its own";

/// Flags of `parity`.
#[derive(Debug, Args)]
pub(super) struct ParityArgs {
    /// Valid events; repeats and garbage come on top.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: u64,
    /// Among how many people.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    people: u64,
    /// How often a process is killed.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// For the chance in everything; without it the clock.
    #[arg(long)]
    seed: Option<u64>,
    /// Partitions of a topic.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// Keeps log, state and lake here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
}

const RUNTIMES_EXAMPLES: &str = "CPU time is that of this process, with the embedded event log in it, and of the cluster; memory is the runtime's alone. The pipelines are deleted afterwards.\nEnds with 1 where rows differ from those of a computation over the lake.\n\nExamples:\n  deploy/arroyo/arroyo.sh run /tmp/arroyo &\n  hongniang bench runtimes --arroyo http://127.0.0.1:5115 --group $(cat /tmp/arroyo/group)\n  hongniang bench runtimes --arroyo http://127.0.0.1:5115 --events 5000000 --features popularity --brokers 127.0.0.1:9092";

/// Flags of `runtimes`.
#[derive(Debug, Args)]
pub(super) struct RuntimesArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    people: u64,
    /// The process group of a cluster on this machine, whose CPU time and memory are told; `deploy/arroyo/arroyo.sh` leaves it in FOLDER/group.
    #[arg(long, value_name = "PID")]
    group: Option<u32>,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
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

/// Flags of `login`.
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// How many people log in by phone, and how many by a provider.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    logins: u64,
    /// Clients who log in one after the other without a pause.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    clients: u64,
    /// Keeps the tables here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
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

/// Flags of `query`.
#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// The lake: a folder or a URL; that of the data folder by default.
    #[arg(long, value_name = "URL")]
    lake: Option<String>,
    /// How often each question is asked.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(global: &Global, command: BenchCommand) -> anyhow::Result<()> {
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
        BenchCommand::Login(args) => {
            let LoginArgs { logins, clients, keep, report } = args;
            tell(&Logins { logins, clients, folder: keep }.measure().await?, report.format)
        }
        BenchCommand::Stream(args) => tell(&[stream(args.events, args.people).await?], args.report.format),
        BenchCommand::Query(args) => {
            let config = global.load()?;
            let lake = args.lake.unwrap_or_else(|| config.lake_place());
            tell(&query(&lake, &config.query.limits(None), args.rounds as usize).await?, args.report.format)
        }
        BenchCommand::Parity(args) => hold(global, args).await,
        BenchCommand::Runtimes(args) => runtimes(global, args).await,
    }
}

/// `bench runtimes`.
async fn runtimes(global: &Global, args: RuntimesArgs) -> anyhow::Result<()> {
    let brokers = Some(global.load()?.kafka.brokers).filter(|brokers| !brokers.is_empty());
    let told = Told::new();
    let RuntimesArgs { events, people, group, shape, cluster } = args;
    let mut sets = Operator::sets(cluster.features())?;
    if let Some(other) = sets.iter().find(|set| set.source != Topic::Interactions && !cluster.features().is_empty()) {
        anyhow::bail!("--features: `{}` reads {}, and the events are interactions", other.name, other.source.name());
    }
    sets.retain(|set| set.source == Topic::Interactions);
    let format = cluster.format();
    let operator = shaped(&cluster, &shape, &told)?;
    let (rows, per_set) = Runtimes { events, people, sets, brokers, operator, group }.measure().await?;
    let sets: Vec<VerifyRow> = per_set.iter().map(|(set, judged)| VerifyRow::of(set, judged)).collect();
    eprintln!("the embedded runner, then Arroyo, against the lake:\n{}", render(&sets, Format::Table)?);
    tell(&rows, format)?;
    let differ: usize = per_set.iter().map(|(_, judged)| judged.mismatches()).sum();
    anyhow::ensure!(differ == 0, "stream and batch differ on {differ} keys");
    Ok(())
}

/// `bench parity`.
async fn hold(global: &Global, args: ParityArgs) -> anyhow::Result<()> {
    let brokers = global.load()?.kafka.brokers;
    let seed = args.seed.unwrap_or_else(|| Utc::now().timestamp_micros().unsigned_abs());
    let of_its_own = if args.keep.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = args.keep.or_else(|| of_its_own.as_ref().map(|dir| dir.path().to_path_buf())).unwrap_or_default();
    let empty = !folder.exists() || std::fs::read_dir(&folder)?.next().is_none();
    anyhow::ensure!(empty, "--keep: {} is not empty; give a new folder", folder.display());
    eprintln!("parity: --seed {seed} brings this back");
    let ParityArgs { events, people, kills, partitions, report, .. } = args;
    let brokers = (!brokers.is_empty()).then_some(brokers);
    let (row, per_set) = parity(&Parity { events, people, kills, seed, brokers, partitions, folder }).await?;
    let sets: Vec<VerifyRow> = per_set.iter().map(|(set, judged)| VerifyRow::of(set, judged)).collect();
    eprintln!("{}", render(&sets, Format::Table)?);
    print(std::slice::from_ref(&row), report.format)?;
    anyhow::ensure!(row.misfiled.is_empty(), "not every event is stored exactly once: {}", row.misfiled);
    anyhow::ensure!(row.mismatches == 0, "stream and batch differ on {} keys", row.mismatches);
    Ok(())
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
