//! `eval lake`: the ranking against what people did after a split in time.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ranker::eval::Bootstrap;

use super::super::Global;
use super::super::report::{Format, say};
use super::Output;
use crate::eval::lake::{LakeFindings, LakeProtocol, evaluate};
use crate::wiring::encoder;

/// Flags of `eval lake`.
#[derive(Debug, Args)]
#[command(
    after_help = "docs/SCORE.md says what each strategy and metric is.\n\nExamples:\n  hongniang eval lake --split 2026-11-10T00:00:00Z\n  hongniang eval lake --split 2026-11-10T00:00:00Z --fit-from 2026-11-03T00:00:00Z --html lake.html\n  hongniang eval lake --split 2004-01-01T00:00:00Z --until 2004-06-01T00:00:00Z --step 0 --format csv"
)]
pub(in crate::commands) struct LakeArgs {
    /// Everything strictly before is history; impressions at or after it are judged. RFC 3339.
    #[arg(long, value_name = "TIME")]
    split: DateTime<Utc>,
    /// Nothing at or after this counts; now, when left out.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Fits the weights of the strategy `warm` to the impressions from here to the split, prints them as a section of the configuration, and judges them
    /// after the split beside the configured ones.
    #[arg(long, value_name = "TIME")]
    fit_from: Option<DateTime<Utc>>,
    /// An impression may be scored by what was known up to so many seconds before it: more is faster.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    step: u32,
    /// Viewers whose recall is measured at most.
    #[arg(long, value_name = "N", default_value_t = 500)]
    recall_viewers: usize,
    /// How often viewers are drawn again for the intervals.
    #[arg(long, value_name = "N", default_value_t = 200)]
    replicates: u32,
    /// The seed of every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Encodes no texts: faster, and the terms that rest on them are not known.
    #[arg(long)]
    no_embeddings: bool,
    #[command(flatten)]
    output: Output,
}

pub(in crate::commands) async fn run(global: &Global, args: LakeArgs) -> anyhow::Result<()> {
    let LakeFindings { findings, fitted } = found(global, &args).await?;
    // A picture of every city would hide the rest.
    let plots = findings.plots_of(|row| !row.slice.contains('='));
    args.output.tell_with("The ranking against what people did 排序与真实行为", &findings, &plots)?;
    match fitted {
        Some(fitted) if args.output.report.format == Format::Table => say(fitted.toml()),
        Some(fitted) => {
            eprintln!("{}", fitted.toml());
            Ok(())
        }
        None => Ok(()),
    }
}

async fn found(global: &Global, args: &LakeArgs) -> anyhow::Result<LakeFindings> {
    let mut config = global.load()?;
    config.ranker.deck.reasons = 0;
    let protocol = LakeProtocol {
        split: args.split,
        fit_from: args.fit_from,
        until: args.until.unwrap_or_else(Utc::now),
        step: TimeDelta::seconds(args.step.into()),
        recall_viewers: args.recall_viewers,
        bootstrap: Bootstrap { replicates: args.replicates, seed: args.seed, ..Bootstrap::default() },
    };
    let encoder = if args.no_embeddings { None } else { Some(encoder(&config)?) };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("eval {bar:40} {pos}/{len} impressions, {eta} left") {
        bar.set_style(style);
    }
    let found = evaluate(&config, encoder, &protocol, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    let found = found.await?;
    bar.finish_and_clear();
    Ok(found)
}
