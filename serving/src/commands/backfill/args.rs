//! Flags of `backfill`.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::super::report::ReportArgs;

/// Flags of `backfill`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without --features, --embeddings, --portraits and --index: every feature set.\nA feature set is a sum over all of the past, so all of the lake goes into it. Sums of days are kept; --from and --to say which days are read again although their sums are known. With --embeddings they choose texts by their day.\nA backfill that was interrupted goes on when the same command is given again.\n\nExamples:\n  hongniang backfill --dry-run                                      what would change\n  hongniang backfill --from 2026-01-01 --to 2026-02-01              every set, January read again\n  hongniang backfill --features popularity,given                    two sets\n  hongniang backfill --embeddings --texts-per-second 50             texts of another model, slowly\n  hongniang backfill --features --embeddings --portraits --index    everything\n  hongniang backfill status"
)]
pub(in crate::commands) struct BackfillArgs {
    #[command(subcommand)]
    pub(super) command: Option<BackfillCommand>,
    /// The first day (UTC) that is read again.
    #[arg(long, value_name = "DAY")]
    pub(super) from: Option<NaiveDate>,
    /// The first day after those that are read again.
    #[arg(long, value_name = "DAY")]
    pub(super) to: Option<NaiveDate>,
    /// Feature sets, comma-separated; all of them when none is named.
    #[arg(long, value_delimiter = ',', value_name = "SETS", num_args = 0.., default_missing_value = "all")]
    pub(super) features: Option<Vec<String>>,
    /// Embeds texts whose vector is of another model than the configured one, or missing.
    #[arg(long)]
    pub(super) embeddings: bool,
    /// Computes what the assembler knows, and writes every portrait anew.
    #[arg(long)]
    pub(super) portraits: bool,
    /// Builds the indexes of this data folder anew.
    #[arg(long)]
    pub(super) index: bool,
    /// Only tells what differs between the stream and the lake.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// MiB of memory for sorting and adding; what does not fit goes through the disk.
    #[arg(long, default_value_t = 512, value_parser = memory)]
    pub(super) memory_mb: usize,
    /// Days that are computed at the same time [default: one for each core, at most 8].
    #[arg(long, value_name = "N")]
    pub(super) parallel: Option<usize>,
    /// Texts a second at most.
    #[arg(long, value_name = "N", value_parser = pace)]
    pub(super) texts_per_second: Option<f64>,
    /// Seconds to wait until running jobs have taken over.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(super) wait_s: u64,
    /// Takes back keys that the lake does not have, even where they are more than one in a hundred.
    #[arg(long)]
    pub(super) accept_gone: bool,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// What else can be asked.
#[derive(Debug, Subcommand)]
pub(super) enum BackfillCommand {
    /// Backfills, how far they are and how they ended.
    #[command(after_help = "Example:\n  hongniang backfill status --format json")]
    Status(ReportArgs),
}

/// Less than this and sorts make no progress.
const LEAST_MB: usize = 32;

fn memory(text: &str) -> Result<usize, String> {
    let mb: usize = text.parse().map_err(|e| format!("{e}"))?;
    if mb < LEAST_MB { Err(format!("must be at least {LEAST_MB}")) } else { Ok(mb) }
}

fn pace(text: &str) -> Result<f64, String> {
    let pace: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if pace.is_finite() && pace > 0.0 { Ok(pace) } else { Err("must be more than 0".to_owned()) }
}
