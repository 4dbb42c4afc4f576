//! `bench freshness|recommend|stream`.

use clap::{Args, Subcommand};

use super::Global;
use super::report::{Format, ReportArgs, print};
use crate::bench::{Freshness, PATIENCE, Row, Target, likes, machine, moments, recommend, stream};
use crate::config::DEVELOPMENT_KEY;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Like → different ranking; Moment posted → found by a vector source. Needs a running server with people.
    #[command(
        after_help = "Everybody who likes or posts here is new and erased afterwards. Fails when an effect does not come within 20 s.\n\nExamples:\n  hongniang bench freshness\n  hongniang bench freshness --rounds 1000 --url http://127.0.0.1:8080 --format csv"
    )]
    Freshness(FreshnessArgs),
    /// New decks and next pages under load. Needs a running server with people.
    #[command(after_help = "Example:\n  hongniang bench recommend --clients 8 --seconds 30")]
    Recommend(RecommendArgs),
    /// Events from Kafka into features and lake, in this process.
    #[command(after_help = "Example:\n  hongniang bench stream --events 5000000 --people 100000 --format json")]
    Stream(StreamArgs),
}

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
    #[command(flatten)]
    target: TargetArgs,
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

pub(super) async fn run(_global: &Global, command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Freshness(args) => {
            let target = Target::new(&args.target.url, &args.target.key)?;
            let found = [likes(&target, args.rounds, PATIENCE).await?, moments(&target, args.rounds, PATIENCE).await?];
            tell(&found.each_ref().map(|f| f.row.clone()), args.target.report.format)?;
            found.iter().try_for_each(Freshness::judge)
        }
        BenchCommand::Recommend(args) => {
            let rows = recommend(&Target::new(&args.target.url, &args.target.key)?, args.clients, args.seconds).await?;
            tell(&rows, args.target.report.format)
        }
        BenchCommand::Stream(args) => tell(&[stream(args.events, args.people).await?], args.report.format),
    }
}

fn tell(rows: &[Row], format: Format) -> anyhow::Result<()> {
    if format == Format::Table {
        println!("{}", machine());
    }
    print(rows, format)
}
