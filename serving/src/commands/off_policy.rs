//! `eval off-policy`: what other policies would have earned.

use std::path::PathBuf;

use clap::Args;
use ranker::eval::off_policy::{JudgeOptions, judge};
use ranker::eval::{Bootstrap, Row};

use super::report::{ReportArgs, print};
use crate::eval::off_policy::{Columns, logs, read};

/// Flags of `off-policy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Policies are learned from the first rows and judged on the rest: uniform, proportional (to the smoothed mean reward), greedy.\n\
                  `logged` is what the log itself earned.\n\
                  Examples:\n  hongniang eval off-policy open_bandit/random_men.parquet\n  \
                  hongniang eval off-policy open_bandit --clip 20 --format csv"
)]
pub(super) struct OffPolicyArgs {
    /// A Parquet or CSV file of decisions, or a folder of such files; what lacks the columns is passed over in a folder.
    path: PathBuf,
    /// Column of the time, by which rows are sorted; rows stand as they are when there is none.
    #[arg(long, default_value = "timestamp")]
    time: String,
    /// Column of what was shown: a whole number.
    #[arg(long, default_value = "item_id")]
    action: String,
    /// Column of where it was shown: a whole number.
    #[arg(long, default_value = "position")]
    position: String,
    /// Column of what came of it.
    #[arg(long, default_value = "click")]
    reward: String,
    /// Column of the chance with which it was shown, above 0, at most 1.
    #[arg(long, default_value = "propensity_score")]
    propensity: String,
    /// Share of the rows, the earliest, from which policies are learned.
    #[arg(long, default_value_t = 0.5)]
    history: f64,
    /// The largest weight of a row.
    #[arg(long, default_value_t = 100.0)]
    clip: f64,
    /// How many rows a wider mean counts as in the reward model.
    #[arg(long, default_value_t = 200.0)]
    strength: f64,
    /// How often the greedy policy shows anything at all.
    #[arg(long, default_value_t = 0.1)]
    explore: f64,
    /// How often rows are drawn again for an interval.
    #[arg(long, default_value_t = 1_000)]
    replicates: u32,
    /// The seed of those draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(args: OffPolicyArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.history > 0.0 && args.history < 1.0, "--history must be above 0 and below 1");
    anyhow::ensure!(args.clip > 0.0, "--clip must be above 0");
    anyhow::ensure!(args.strength > 0.0, "--strength must be above 0");
    anyhow::ensure!((0.0..=1.0).contains(&args.explore), "--explore must be 0 to 1");
    anyhow::ensure!(args.replicates > 0, "--replicates must be at least 1");
    let bootstrap = Bootstrap { replicates: args.replicates, seed: args.seed, ..Bootstrap::default() };
    let options = JudgeOptions { history: args.history, clip: args.clip, strength: args.strength, explore: args.explore, bootstrap };
    let columns =
        Columns { time: args.time, action: args.action, position: args.position, reward: args.reward, propensity: args.propensity };
    let logs = logs(&args.path, &columns).await?;
    let many = logs.len() > 1;
    let mut rows: Vec<Row> = Vec::new();
    for path in logs {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let decisions = read(&path, &columns).await?;
        anyhow::ensure!(decisions.len() > 1, "{}: fewer than two rows, there is nothing to learn from and judge", path.display());
        eprintln!("{}: {} rows", path.display(), decisions.len());
        let judged = tokio::task::spawn_blocking(move || judge(&decisions, &options)).await?;
        rows.extend(judged.into_iter().map(|row| Row { slice: if many { format!("{name} {}", row.slice) } else { row.slice }, ..row }));
    }
    print(&rows, args.report.format)
}
