//! `score`: what was, or would have been, thought of given pairs of people, by what was known at their time.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Global;
use super::report::ReportArgs;
use crate::import::Refused;
use crate::wiring::encoder;
use crate::world::{World, read_pairs, write_file, write_text};

/// How many left-out rows are told on the terminal.
const TOLD: usize = 20;

/// Flags of `score`.
#[derive(Debug, Args)]
#[command(
    after_help = "The file has the columns viewer, candidate and, if each row has its own, time. docs/SCORE.md has the columns of the answer.\n\nExamples:\n  hongniang score --pairs pairs.csv\n  hongniang score --pairs pairs.parquet --as-of 2026-11-01T00:00:00Z --out scores.parquet\n  hongniang score --pairs impressions.csv --step 3600 --no-embeddings --format csv"
)]
pub(super) struct ScoreArgs {
    /// Pairs as *.csv or *.parquet.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// The time of rows without one, RFC 3339; now, when left out.
    #[arg(long, value_name = "TIME")]
    as_of: Option<DateTime<Utc>>,
    /// Writes the answer to this file, *.csv or *.parquet, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A row may be judged by what was known up to so many seconds before its time: many times close together cost less.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    step: u32,
    /// Encodes no texts: faster, and the terms that rest on them are not known.
    #[arg(long)]
    no_embeddings: bool,
    /// Writes every row that was left out, as JSON lines.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(global: &Global, args: ScoreArgs) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        let known = out.extension().is_some_and(|e| e == "csv" || e == "parquet");
        anyhow::ensure!(known, "--out {}: the name must end in .csv or .parquet", out.display());
    }
    let mut config = global.load()?;
    // Reasons in words are for people; the terms say the same.
    config.ranker.deck.reasons = 0;
    let pairs = read_pairs(&args.pairs, args.as_of.unwrap_or_else(Utc::now))?;
    if !pairs.extra.is_empty() {
        eprintln!("left out columns: {}", pairs.extra.join(", "));
    }
    tell(&pairs.bad, args.errors.as_deref())?;
    let encoder = if args.no_embeddings { None } else { Some(encoder(&config)?) };
    let mut world = World::begin(&config, encoder).await?;
    anyhow::ensure!(
        world.past().days_to_come().next().is_some(),
        "the lake {} is empty; events come into it within lake.flush_s seconds ({} here), or name another --data-dir",
        config.lake_place(),
        config.lake.flush_s
    );
    let bar = bar(pairs.good.len() as u64);
    let judged = world.judge_all(pairs.good, TimeDelta::seconds(args.step.into()), |done| bar.set_position(done as u64)).await?;
    bar.finish_and_clear();
    let unknown = judged.iter().filter(|row| row.verdict.item.is_none()).count();
    eprintln!("{} pairs judged, {unknown} of them without a score; {} rows left out", judged.len(), pairs.bad.len());
    match &args.out {
        Some(out) => write_file(out, &judged),
        None => write_text(&judged, args.report.format),
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("score {bar:40} {pos}/{len} pairs, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

/// Names the rows that were left out, some on the terminal and all in the file.
fn tell(bad: &[Refused], errors: Option<&Path>) -> anyhow::Result<()> {
    for row in bad.iter().take(TOLD) {
        eprintln!("{}:{}: {}", row.file, row.line, row.reason);
    }
    if bad.len() > TOLD && errors.is_none() {
        eprintln!("… --errors FILE tells all");
    }
    let Some(file) = errors else { return Ok(()) };
    let mut out = BufWriter::new(File::create(file).with_context(|| format!("{} cannot be written", file.display()))?);
    for row in bad {
        writeln!(out, "{}", serde_json::to_string(row)?)?;
    }
    Ok(out.flush()?)
}
