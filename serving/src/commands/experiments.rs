//! `experiments list|assign|report`.

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use features::ids::UserId;
use ranker::RankerConfig;
use ranker::experiments::assign::BUCKETS;
use ranker::experiments::{ExperimentConfig, Plans, SUSPICIOUS, bucket};
use ranker::strategy::Strategies;
use serde::Serialize;

use super::Global;
use super::report::{Format, ReportArgs, print, say};
use crate::experiments::{Metric, ReportOptions, ReportRow, Trial, report, tables};

/// What can be asked about experiments.
#[derive(Debug, Subcommand)]
pub(super) enum ExperimentsCommand {
    /// The experiments of the configuration.
    List(ListArgs),
    /// In which arms somebody is.
    Assign(AssignArgs),
    /// What came of them, from the lake: intervals, the check of the split, and what may be concluded.
    Report(ResultArgs),
}

/// Flags of `list`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongniang experiments list --at 2026-12-01T00:00:00Z")]
pub(super) struct ListArgs {
    /// The state at this time, RFC 3339; now, when left out.
    #[arg(long)]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `assign`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hongniang experiments assign --user 42 --at 2026-12-01T00:00:00Z")]
pub(super) struct AssignArgs {
    /// Whom.
    #[arg(long)]
    user: u64,
    /// At this time, RFC 3339; now, when left out.
    #[arg(long)]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `report`.
#[derive(Debug, Args)]
#[command(
    after_help = "like_rate and match_rate are per impression, matches, likes and impressions per user. Users are counted from their first impression in an arm.\n\
                  Examples:\n  hongniang experiments report\n  hongniang experiments report closer --metric like_rate --metric matches --days 7\n  \
                  hongniang experiments report --format csv > report.csv"
)]
pub(super) struct ResultArgs {
    /// Experiments of the configuration, or `holdout`; all of them, when left out.
    names: Vec<String>,
    /// What is compared; everything, when left out.
    #[arg(long, value_enum)]
    metric: Vec<Metric>,
    /// Each user counts for so many days from the first impression on, and only once those are over.
    #[arg(long)]
    days: Option<u32>,
    /// The chance to err that is accepted.
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    #[command(flatten)]
    report: ReportArgs,
}

/// An experiment of the configuration.
#[derive(Debug, Serialize)]
struct Listed {
    experiment: String,
    layer: String,
    state: &'static str,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    buckets: String,
    control: String,
    planned_users: u64,
    arm: String,
    arm_share: f64,
    changes: String,
}

/// Somebody's arm in an experiment.
#[derive(Debug, Serialize)]
struct Assigned {
    experiment: String,
    layer: String,
    bucket: u64,
    buckets: String,
    arm: Option<String>,
    why: String,
}

pub(super) async fn run(global: &Global, command: ExperimentsCommand) -> anyhow::Result<()> {
    let config = global.load()?;
    // Finds what a validation of single values cannot: arms that clash, strategies that nobody knows.
    let plans = Plans::new(&config.ranker, &Strategies::default())?;
    match command {
        ExperimentsCommand::List(args) => print(&listed(&config.ranker, args.at.unwrap_or_else(Utc::now)), args.report.format),
        ExperimentsCommand::Assign(args) => {
            let rows = assigned(&config.ranker, &plans, UserId(args.user), args.at.unwrap_or_else(Utc::now));
            print(&rows, args.report.format)
        }
        ExperimentsCommand::Report(args) => results(&config.ranker, &config.lake_place(), args).await,
    }
}

fn buckets(experiment: &ExperimentConfig) -> String {
    #[expect(clippy::cast_precision_loss, reason = "10,000")]
    let of = |share: f64| (share * BUCKETS as f64).round();
    format!("{} to {}", of(experiment.offset), of(experiment.offset) + of(experiment.share))
}

fn state(experiment: &ExperimentConfig, at: DateTime<Utc>) -> &'static str {
    match experiment {
        e if e.runs_at(at) => "running",
        e if e.from.is_some_and(|from| at < from) => "not begun",
        _ => "ended",
    }
}

fn listed(config: &RankerConfig, at: DateTime<Utc>) -> Vec<Listed> {
    let mut rows = Vec::new();
    for (name, experiment) in &config.experiments {
        let total: f64 = experiment.arms.values().map(|arm| arm.weight).sum();
        for (arm, of) in &experiment.arms {
            rows.push(Listed {
                experiment: name.clone(),
                layer: experiment.layer.clone(),
                state: state(experiment, at),
                from: experiment.from,
                until: experiment.until,
                buckets: buckets(experiment),
                control: experiment.control.clone(),
                planned_users: experiment.planned_users,
                arm: arm.clone(),
                arm_share: of.weight / total,
                changes: serde_json::Value::Object(of.overrides()).to_string(),
            });
        }
    }
    rows
}

fn assigned(config: &RankerConfig, plans: &Plans, user: UserId, at: DateTime<Utc>) -> Vec<Assigned> {
    let assigned = plans.experiments().assign(user, at);
    let held = assigned.iter().any(|a| a.label() == "holdout:in");
    let row = |(name, experiment): (&String, &ExperimentConfig)| {
        let arm = assigned.iter().find(|a| &a.experiment == name).map(|a| a.arm.clone());
        let why = match (&arm, state(experiment, at)) {
            (Some(_), _) => "in",
            (None, "running") if held => "held out",
            (None, "running") => "outside its buckets",
            (None, other) => other,
        };
        Assigned {
            experiment: name.clone(),
            layer: experiment.layer.clone(),
            bucket: bucket(&format!("layer:{}", experiment.layer), user),
            buckets: buckets(experiment),
            arm,
            why: why.to_owned(),
        }
    };
    config.experiments.iter().map(row).collect()
}

async fn results(config: &RankerConfig, lake: &str, args: ResultArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.alpha > 0.0 && args.alpha < 1.0, "--alpha must be above 0 and below 1");
    anyhow::ensure!(args.days != Some(0), "--days must be at least 1");
    let known = Trial::all(config);
    anyhow::ensure!(!known.is_empty(), "there are no experiments; see [ranker.experiments] in docs/EXPERIMENTS.md");
    let mut trials = Vec::new();
    for name in &args.names {
        let names = || known.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = known.iter().find(|t| &t.name == name);
        trials
            .push(found.cloned().with_context(|| format!("there is no experiment `{name}` in the configuration; there are {}", names()))?);
    }
    let trials = if trials.is_empty() { known } else { trials };
    let metrics = if args.metric.is_empty() { Metric::ALL.to_vec() } else { args.metric };
    let options = ReportOptions { metrics, days: args.days, alpha: args.alpha, now: Utc::now() };
    let rows = report(lake, &trials, &options).await?;
    warn(&rows);
    if args.report.format == Format::Table { say(tables(&rows, options.alpha)?) } else { print(&rows, args.report.format) }
}

/// Says loudly what must not be overlooked.
fn warn(rows: &[ReportRow]) {
    let mut said: Vec<&str> = Vec::new();
    for row in rows {
        if said.contains(&row.experiment.as_str()) {
            continue;
        }
        said.push(&row.experiment);
        if let Some(p) = row.split_p.filter(|p| *p < SUSPICIOUS) {
            eprintln!(
                "!! {}: THE SPLIT IS BROKEN (chi-square p = {p:.1e}). Users are missing or too many in an arm, and whoever is missing is",
                row.experiment
            );
            eprintln!("!! not missing by chance: no figure of this experiment means anything until the cause is found.");
        }
        if row.in_two_arms > 0 {
            eprintln!(
                "!! {}: {} users saw more than one arm and are not counted: weights, salt or names changed while it ran",
                row.experiment, row.in_two_arms
            );
        }
    }
}
