//! The flags of `bench`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::arroyo::{ClusterArgs, ShapeArgs};
use crate::commands::report::ReportArgs;
use crate::config::DEVELOPMENT_KEY;

pub(super) const PARITY_EXAMPLES: &str = "Events come twice, late, out of order, with wrong clocks and garbage between. Gate, feature runner and lake writer run in a process of their own\n(with --brokers in one each), which gets SIGKILL. In the end every event must be stored once, and every feature set be the same on the stream\nas over the lake. Ends with 1 where it is not; the same seed sends the same events.\n\nExamples:\n  hongniang bench parity\n  hongniang bench parity --events 10000000 --people 200000 --kills 30 --keep /tmp/parity --format json\n  hongniang bench parity --events 200000 --brokers 127.0.0.1:9092      on an empty event log of its own";

/// Flags of `parity`.
#[derive(Debug, Args)]
pub(in crate::commands) struct ParityArgs {
    /// Valid events; repeats and garbage come on top.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) events: u64,
    /// Among how many people.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    pub(super) people: u64,
    /// How often a process is killed.
    #[arg(long, default_value_t = 10)]
    pub(super) kills: u32,
    /// For the chance in everything; without it the clock.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Partitions of a topic.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    pub(super) partitions: i32,
    /// Keeps log, state and lake here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

pub(super) const RUNTIMES_EXAMPLES: &str = "CPU time is that of this process, with the embedded event log in it, and of the cluster; memory is the runtime's alone. The pipelines are deleted afterwards.\nEnds with 1 where rows differ from those of a computation over the lake.\n\nExamples:\n  deploy/arroyo/arroyo.sh run /tmp/arroyo &\n  hongniang bench runtimes --arroyo http://127.0.0.1:5115 --group $(cat /tmp/arroyo/group)\n  hongniang bench runtimes --arroyo http://127.0.0.1:5115 --events 5000000 --features popularity --brokers 127.0.0.1:9092";

/// Flags of `runtimes`.
#[derive(Debug, Args)]
pub(in crate::commands) struct RuntimesArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    pub(super) people: u64,
    /// The process group of a cluster on this machine, whose CPU time and memory are told; `deploy/arroyo/arroyo.sh` leaves it in FOLDER/group.
    #[arg(long, value_name = "PID")]
    pub(super) group: Option<u32>,
    #[command(flatten)]
    pub(super) shape: ShapeArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

pub(super) const RECOMMEND_EXAMPLES: &str = "Examples:\n  hongniang bench recommend --clients 8                        closed loop against a running server\n  hongniang bench recommend --users 1000000 --rps 200          open loop against a node of its own with a million people\n  hongniang bench recommend --users 10000 --rps 50 --format csv";

/// The server under measurement.
#[derive(Debug, Args)]
pub(in crate::commands) struct TargetArgs {
    /// Where it is; on this machine.
    #[arg(long, default_value = "http://127.0.0.1:7878")]
    pub(super) url: String,
    /// A service key of it.
    #[arg(long, default_value = DEVELOPMENT_KEY)]
    pub(super) key: String,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `freshness`.
#[derive(Debug, Args)]
pub(in crate::commands) struct FreshnessArgs {
    /// How many likes, and how many Moments.
    #[arg(long, default_value_t = 100)]
    pub(super) rounds: usize,
    #[command(flatten)]
    pub(super) target: TargetArgs,
}

/// Flags of `recommend`.
#[derive(Debug, Args)]
pub(in crate::commands) struct RecommendArgs {
    /// Clients that ask one after the other without a pause.
    #[arg(long, default_value_t = 4)]
    pub(super) clients: usize,
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 10)]
    pub(super) seconds: u64,
    /// Makes so many synthetic people and starts a node of its own on them, instead of asking a running server.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=20_000_000))]
    pub(super) users: Option<u64>,
    /// With --users: requests per second, in an open loop.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rps: u32,
    #[command(flatten)]
    pub(super) crowd: CrowdShape,
    /// With --users: pipeline jobs of the node beside the API, such as gate,features,assembler.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(super) jobs: Vec<String>,
    /// With --users: keep the node's data here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(super) target: TargetArgs,
}

/// What synthetic people are like.
#[derive(Debug, Args)]
pub(in crate::commands) struct CrowdShape {
    /// With --users: cities, of sizes by Zipf's law.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) cities: u64,
    /// With --users: dimensions of the vectors; 512 are those of the default encoder.
    #[arg(long, default_value_t = 512)]
    pub(super) dim: usize,
    /// With --users: exposures each person has had, on average.
    #[arg(long, default_value_t = 20)]
    pub(super) exposures: u64,
    /// With --users: for the chance in the people.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

/// Flags of `crowd`.
#[derive(Debug, Args)]
pub(in crate::commands) struct CrowdArgs {
    /// How many people.
    #[arg(long)]
    pub(super) users: u64,
    #[command(flatten)]
    pub(super) shape: CrowdShape,
    /// The data folder for a node, which gets its portrait table and ledger.
    #[arg(long, value_name = "DIR", required_unless_present = "csv")]
    pub(super) folder: Option<PathBuf>,
    /// A CSV file with what filters and the score read, without vectors.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `node`.
#[derive(Debug, Args)]
pub(in crate::commands) struct NodeArgs {
    /// Its data folder.
    #[arg(long)]
    pub(super) folder: PathBuf,
    /// Its pipeline jobs.
    #[arg(long, value_delimiter = ',')]
    pub(super) jobs: Vec<String>,
    /// MiB of decks.
    #[arg(long, default_value_t = 256)]
    pub(super) deck_memory_mb: u64,
}

/// Flags of `login`.
#[derive(Debug, Args)]
pub(in crate::commands) struct LoginArgs {
    /// How many people log in by phone, and how many by a provider.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) logins: u64,
    /// Clients who log in one after the other without a pause.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) clients: u64,
    /// Keeps the tables here; without it they go afterwards.
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `stream`.
#[derive(Debug, Args)]
pub(in crate::commands) struct StreamArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    pub(super) people: u64,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `backfill`.
#[derive(Debug, Args)]
pub(in crate::commands) struct BackfillArgs {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: usize,
    /// Among how many people.
    #[arg(long, default_value_t = 20_000)]
    pub(super) people: u64,
    /// MiB of memory for sorting and adding.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(32..=1_000_000))]
    pub(super) memory_mb: u64,
    /// Days that are computed at the same time.
    #[arg(long, default_value_t = 2)]
    pub(super) parallel: usize,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `relations`.
#[derive(Debug, Args)]
pub(in crate::commands) struct RelationsArgs {
    /// Friends of the one whose list is read.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(51..=1_000_000))]
    pub(super) friends: u64,
    /// Clients that ask one after the other without a pause.
    #[arg(long, default_value_t = 4)]
    pub(super) clients: usize,
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 10)]
    pub(super) seconds: u64,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of `query`.
#[derive(Debug, Args)]
pub(in crate::commands) struct QueryArgs {
    /// The lake: a folder or a URL; that of the data folder by default.
    #[arg(long, value_name = "URL")]
    pub(super) lake: Option<String>,
    /// How often each question is asked.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rounds: u32,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}
