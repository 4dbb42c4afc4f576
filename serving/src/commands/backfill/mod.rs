//! `backfill`, `backfill status`.

mod args;
mod progress;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use features::embed::TextEncoder;
use features::sets::{FeatureSet, feature_set, feature_sets};
use pipelines::backfill::{Backfill, BackfillError, Effort, EmbeddingsReport, FeaturesReport, Pace, Places, Request, dry_run, texts};
use serde::Serialize;

pub(super) use self::args::BackfillArgs;
use self::progress::Bar;
use super::Global;
use super::report::{Format, print};
use crate::config::Config;
use crate::wiring::{Log, encoder, put_in_place, rebuild_indexes};

pub(super) async fn run(global: &Global, args: BackfillArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    if let Some(args::BackfillCommand::Status(report)) = &args.command {
        return status::run(&config, report).await;
    }
    let (sets, request) = asked(&args)?;
    let encoder = if request.embeddings || request.index { Some(encoder(&config)?) } else { None };
    let log = Log::open(&config).await?;
    let places = Places { bus: log.bus.clone(), lake: config.lake_place(), state: config.state_place(), spill: spill(&config) };
    let done = if args.dry_run {
        look(&places, sets, &request, &args, encoder).await
    } else {
        work(&config, &log, &places, sets, request, &args, encoder).await
    };
    // What was spilled is of no use to anybody else.
    drop(std::fs::remove_dir_all(&places.spill));
    drop(places);
    log.close().await;
    done
}

/// A folder of this process for what does not fit into memory; what killed ones left is removed.
fn spill(config: &Config) -> PathBuf {
    let all = config.data_dir.join("backfill-spill");
    for left in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(left.file_name()).exists() {
            drop(std::fs::remove_dir_all(left.path()));
        }
    }
    all.join(std::process::id().to_string())
}

/// What the flags ask for; refuses what cannot be.
fn asked(args: &BackfillArgs) -> anyhow::Result<(Vec<FeatureSet>, Request)> {
    let nothing_named = args.features.is_none() && !args.embeddings && !args.portraits && !args.index;
    let names: Vec<String> = match &args.features {
        Some(names) if !names.iter().any(|name| name == "all") => names.clone(),
        Some(_) => feature_sets().iter().map(|set| set.name.clone()).collect(),
        None if nothing_named => feature_sets().iter().map(|set| set.name.clone()).collect(),
        None => Vec::new(),
    };
    let mut sets = Vec::new();
    for name in &names {
        let all = || feature_sets().iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ");
        sets.push(feature_set(name).with_context(|| format!("--features: there is no feature set `{name}`; there are {}", all()))?.clone());
    }
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    sets.dedup_by(|a, b| a.name == b.name);
    if let (Some(from), Some(to)) = (args.from, args.to) {
        anyhow::ensure!(from < to, "--to: {to} is the first day that is left alone, so it must come after --from {from}");
    }
    let ranged = args.from.is_some() || args.to.is_some();
    anyhow::ensure!(
        !ranged || !sets.is_empty() || args.embeddings,
        "--from and --to choose days for --features and --embeddings; portraits and indexes are always built whole, so leave them out"
    );
    let names = sets.iter().map(|set| set.name.clone()).collect();
    let (embeddings, portraits, index) = (args.embeddings, args.portraits, args.index);
    Ok((sets, Request { sets: names, from: args.from, to: args.to, embeddings, portraits, index }))
}

fn effort(args: &BackfillArgs) -> Effort {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parallel = args.parallel.unwrap_or(cores.min(8)).max(1);
    Effort { memory: args.memory_mb.saturating_mul(1 << 20), parallel, accept_gone: args.accept_gone }
}

#[derive(Serialize)]
struct TextsRow {
    texts: u64,
    current: u64,
    due: u64,
    model: String,
}

/// Tells what would change.
async fn look(
    places: &Places,
    sets: Vec<FeatureSet>,
    request: &Request,
    args: &BackfillArgs,
    encoder: Option<Arc<dyn TextEncoder>>,
) -> anyhow::Result<()> {
    if !sets.is_empty() {
        let bar = Bar::new();
        let rows = dry_run(places, sets, effort(args), &bar.watcher()).await?;
        bar.end();
        print(&rows, args.report.format)?;
        let differ = rows.iter().filter(|row| row.differs()).count();
        eprintln!("{differ} of {} feature sets differ; nothing was changed", rows.len());
    }
    if let (true, Some(encoder)) = (request.embeddings, encoder) {
        let EmbeddingsReport { texts, current, due, .. } = texts(places, request, Arc::clone(&encoder)).await?;
        print(&[TextsRow { texts, current, due, model: encoder.name().to_owned() }], args.report.format)?;
    }
    if request.portraits || request.index {
        eprintln!("portraits and indexes are built anew as a whole; there is nothing to compare");
    }
    Ok(())
}

async fn work(
    config: &Config,
    log: &Log,
    places: &Places,
    sets: Vec<FeatureSet>,
    request: Request,
    args: &BackfillArgs,
    encoder: Option<Arc<dyn TextEncoder>>,
) -> anyhow::Result<()> {
    let bar = Bar::new();
    let mut backfill = Backfill::begin(places, sets, request.clone(), effort(args), Utc::now, bar.watcher()).await?;
    let record = backfill.record();
    if record.starts > 1 {
        eprintln!("goes on with backfill {} of {}", record.number, record.started_at.format("%F %T"));
    }
    // Nobody takes over where no node runs: then it happens at the next start.
    let patience = if log.is_own() { Duration::ZERO } else { Duration::from_secs(args.wait_s) };
    let ended = parts(config, log, &mut backfill, &request, args, encoder, patience, &bar).await;
    bar.end();
    match ended {
        Ok(()) => {
            let record = backfill.finish().await?;
            eprintln!("backfill {} is done", record.number);
            Ok(())
        }
        Err(error) => {
            if let Some(BackfillError::Refused(reason)) = error.downcast_ref() {
                backfill.give_up(reason).await?;
            }
            Err(error)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of a command that are told apart by their types")]
async fn parts(
    config: &Config,
    log: &Log,
    backfill: &mut Backfill,
    request: &Request,
    args: &BackfillArgs,
    encoder: Option<Arc<dyn TextEncoder>>,
    patience: Duration,
    bar: &Bar,
) -> anyhow::Result<()> {
    if !request.sets.is_empty() {
        let report = backfill.features().await?;
        let taken_over = backfill.taken_over(patience).await?;
        bar.end();
        tell(&report, args.report.format)?;
        if !taken_over {
            eprintln!(
                "the new state is handed over; the feature runner goes on from it when it runs next (hongniang up, or pipeline run features)"
            );
        }
    }
    if let (true, Some(encoder)) = (request.embeddings, &encoder) {
        let report = backfill.embeddings(Arc::clone(encoder), Pace { texts_per_s: args.texts_per_second }).await?;
        bar.end();
        print(&[report], args.report.format)?;
    }
    if request.portraits {
        let report = backfill.portraits(patience).await?;
        bar.end();
        print(&[report], args.report.format)?;
        if !report.taken_over {
            eprintln!("what the assembler is to know is handed over; it goes on from it when it runs next");
        }
    }
    if let (true, Some(encoder)) = (request.index, &encoder) {
        backfill.indexing().await?;
        let people = rebuild_indexes(config, &log.bus, encoder, |done, total| bar.index(done, total)).await?;
        bar.end();
        if log.is_own() {
            put_in_place(&config.data_dir)?;
            eprintln!("indexes of {people} people are built and in their place");
        } else {
            eprintln!("indexes of {people} people are built; the node of this data folder uses them from its next start");
        }
    }
    Ok(())
}

fn tell(report: &FeaturesReport, format: Format) -> anyhow::Result<()> {
    print(&report.sets, format)?;
    if report.events == 0 {
        eprintln!("the sums of every day were known: nothing was read");
        return Ok(());
    }
    let seconds = report.took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = if seconds > 0.0 { report.events as f64 / seconds } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let spilled = report.spilled as f64 / f64::from(1 << 20);
    eprintln!("{} events read in {seconds:.1} s, {rate:.0}/s; {spilled:.1} MiB went through the disk", report.events);
    Ok(())
}
