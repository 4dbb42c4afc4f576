//! `pipeline verify`: stream against batch, on the log and the lake that are configured.

use std::time::{Duration, Instant};

use clap::Args;
use features::sets::{FeatureSet, feature_sets};
use index::ledger::Ledger;
use pipelines::batch::co_likes;
use pipelines::bus::Bus;
use pipelines::parity::{Judged, Rows, TOLERANCE, compare};
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::config::Config;
use crate::wiring::Log;

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Only these feature sets; without it all of them, and the likes that recall by co-likes works with.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    features: Vec<String>,
    /// The topics of their rows are named by this and the set: another runtime may write beside the first.
    #[arg(long, value_name = "TEXT", default_value = "features.")]
    topics: String,
    /// How far decayed sums may be apart, relative to their size; counts must be equal.
    #[arg(long, value_name = "SHARE", default_value_t = TOLERANCE)]
    tolerance: f64,
    /// Looks again for so long while they differ: beside running jobs, what came last is in one of them first.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    patience: u64,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) const EXAMPLES: &str = "Reads every row of features.<name> and computes the same over the lake: keys, versions and counts must be equal, decayed sums within the tolerance.\nThe likes of co-like recall are compared where this data folder has a node's snapshot of them.\nEnds with 1 when anything differs; `worst` names the row that is furthest off.\n\nExamples:\n  hongniang pipeline verify --data-dir hongniang-data\n  hongniang pipeline verify --features popularity,given --patience 120 --brokers kafka:9092\n  hongniang pipeline verify --topics arroyo. --format json";

/// A line of the report.
#[derive(Debug, Serialize)]
pub(super) struct VerifyRow {
    what: String,
    keys: usize,
    only_in_stream: usize,
    only_in_batch: usize,
    versions: usize,
    values: usize,
    worst: String,
}

impl VerifyRow {
    /// What a comparison of a feature set came to.
    pub(super) fn of(set: &FeatureSet, judged: &Judged) -> Self {
        let said = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        let worst = judged.worst.as_ref().map_or_else(String::new, |w| {
            format!("{} {}: stream {}, batch {} ({:.1e})", w.key, w.column, said(w.stream), said(w.batch), w.off)
        });
        let Judged { keys, only_in_stream, only_in_batch, versions, values, .. } = *judged;
        Self { what: set.name.clone(), keys, only_in_stream, only_in_batch, versions, values, worst }
    }

    fn differs(&self) -> usize {
        self.only_in_stream + self.only_in_batch + self.versions + self.values
    }
}

pub(super) async fn verify(global: &Global, args: &VerifyArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.tolerance >= 0.0, "--tolerance: {} is not a share; use 0 or more", args.tolerance);
    let sets = chosen(&args.features)?;
    let config = global.load()?;
    let log = Log::open(&config).await?;
    let until = Instant::now() + Duration::from_secs(args.patience);
    let rows = loop {
        let rows = look(&log.bus, &config, args, &sets).await?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || rows.iter().all(|row| row.differs() == 0) {
            break rows;
        }
        tokio::time::sleep(left.min(Duration::from_secs(2))).await;
    };
    log.close().await;
    print(&rows, args.report.format)?;
    let differ = rows.iter().map(VerifyRow::differs).sum::<usize>();
    anyhow::ensure!(
        differ == 0,
        "stream and batch differ on {differ} keys; where jobs are running, what came last is in one of them first: --patience 120 looks again. \
         Where Arroyo computes and was restarted, it may have counted events twice: `hongniang pipeline deploy --anew --features …` counts them anew"
    );
    Ok(())
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static FeatureSet>> {
    if let Some(unknown) = names.iter().find(|name| feature_sets().iter().all(|set| set.name != **name)) {
        let known: Vec<&str> = feature_sets().iter().map(|set| set.name.as_str()).collect();
        anyhow::bail!("--features: there is no feature set `{unknown}`; there are {}", known.join(", "));
    }
    Ok(feature_sets().iter().filter(|set| names.is_empty() || names.contains(&set.name)).collect())
}

async fn look(bus: &Bus, config: &Config, args: &VerifyArgs, sets: &[&'static FeatureSet]) -> anyhow::Result<Vec<VerifyRow>> {
    let place = config.lake_place();
    let mut rows = Vec::new();
    for set in sets {
        let stream = Rows::of_topic(bus, &format!("{}{}", args.topics, set.name), set).await?;
        let batch = Rows::of_lake(&place, set).await?;
        rows.push(VerifyRow::of(set, &compare(&place, set, &stream, &batch, args.tolerance).await?));
    }
    let snapshot = config.data_dir.join("state/ledger");
    if !args.features.is_empty() {
        return Ok(rows);
    }
    if !snapshot.exists() {
        eprintln!("likes are not compared: no node has saved its ledger in {}", config.data_dir.display());
        return Ok(rows);
    }
    let (ledger, _) = Ledger::load(&snapshot)?;
    for (received, what) in [(false, "likes given"), (true, "likes received")] {
        let batch = co_likes::kept(&place, received).await?;
        let differ = co_likes::compare(&ledger.co_likes(received), &batch);
        let only_in_stream = differ.iter().filter(|d| d.in_stream).count();
        let worst = |d: &co_likes::Difference| {
            format!("{} and {}: only in the {}", d.word.user, d.word.other, if d.in_stream { "stream" } else { "batch" })
        };
        rows.push(VerifyRow {
            what: what.to_owned(),
            keys: batch.len(),
            only_in_stream,
            only_in_batch: differ.len() - only_in_stream,
            versions: 0,
            values: 0,
            worst: differ.first().map_or_else(String::new, worst),
        });
    }
    Ok(rows)
}
