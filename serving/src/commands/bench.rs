//! `bench freshness|recommend|login|stream|runtimes|backfill|relations|parity|query`.

mod args;

use chrono::Utc;
use clap::Subcommand;
use features::topic::Topic;

use self::args::{
    BackfillArgs, CrowdArgs, CrowdShape, FreshnessArgs, LoginArgs, NodeArgs, PARITY_EXAMPLES, ParityArgs, QueryArgs, RECOMMEND_EXAMPLES,
    RUNTIMES_EXAMPLES, RecommendArgs, RelationsArgs, RuntimesArgs, StreamArgs,
};
use super::Global;
use super::arroyo::{Told, shaped};
use super::report::{Format, print, render};
use super::verify::VerifyRow;
use crate::arroyo::Operator;
use crate::bench::scale::{self, Crowd, Scale};
use crate::bench::{
    Freshness, Logins, PATIENCE, Parity, Row, Runtimes, Target, backfill, likes, machine, moments, parity, query, recommend, relations,
    stream,
};
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
    /// Lists of friends and acts, of a node of its own.
    #[command(
        after_help = "Examples:\n  hongniang bench relations\n  hongniang bench relations --friends 20000 --clients 8 --seconds 30 --format csv"
    )]
    Relations(RelationsArgs),
    /// Stream against batch: recorded events through jobs that are killed again and again; every key must agree.
    #[command(after_help = PARITY_EXAMPLES)]
    Parity(ParityArgs),
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
        BenchCommand::Relations(args) => tell(&relations(args.friends, args.clients, args.seconds).await?, args.report.format),
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
