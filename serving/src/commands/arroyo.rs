//! `pipeline render|deploy|diff|stop|recycle`, and `pipeline list --arroyo`: feature pipelines on an Arroyo cluster.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::arroyo::{Rendered, Surroundings};
use serde::Serialize;

use super::Global;
use super::report::{Format, ReportArgs, print, say};
use crate::arroyo::{Action, Client, Known, Operator, Settings, Source, Step, Tell};
use crate::config::{Config, FeatureRuntime};
use crate::wiring::Log;

/// How often the progress is told where there is no terminal.
const TELL: Duration = Duration::from_secs(5);

/// The file in which a node with an embedded broker tells its address.
const BROKER_ADDRESS: &str = "broker.address";

/// Which cluster, and how it is asked.
#[derive(Debug, Clone, Args)]
pub(super) struct ClusterArgs {
    /// Address of the cluster's API, such as http://127.0.0.1:5115.
    #[arg(long, value_name = "URL")]
    arroyo: String,
    /// Key of the cluster's API, where it asks for one.
    #[arg(long, value_name = "KEY", env = "HONGNIANG_ARROYO_KEY", hide_env_values = true)]
    arroyo_key: Option<String>,
    /// Feature sets; all by default.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    features: Vec<String>,
    /// Seconds that a pipeline may take to come to another state, or to make any progress.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    report: ReportArgs,
}

impl ClusterArgs {
    /// The feature sets that are named.
    pub(super) fn features(&self) -> &[String] {
        &self.features
    }

    pub(super) fn format(&self) -> Format {
        self.report.format
    }

    fn operator<'a>(&self, tell: &'a Told) -> anyhow::Result<Operator<'a>> {
        let settings = Settings { patience: Duration::from_secs(self.wait), ..Settings::default() };
        Ok(Operator { client: Client::new(&self.arroyo, self.arroyo_key.clone())?, settings, tell })
    }
}

/// Where Arroyo finds the events.
#[derive(Debug, Clone, Args)]
struct BootstrapArgs {
    /// Brokers as Arroyo reaches them, host:port,host:port; as hongniang reaches them by default.
    #[arg(long, value_name = "HOSTS")]
    bootstrap: Option<String>,
}

/// How pipelines are to run.
#[derive(Debug, Clone, Args)]
pub(super) struct ShapeArgs {
    /// Tasks that share each operator of a pipeline; more than a topic has partitions rest.
    #[arg(long, default_value_t = 1, value_name = "TASKS", value_parser = clap::value_parser!(u64).range(1..=1024))]
    parallelism: u64,
    /// Seconds between checkpoints: what is counted again after a crash.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    checkpoint_interval: u64,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Address of an Arroyo cluster's API, whose pipelines are listed instead.
    #[arg(long, value_name = "URL")]
    arroyo: Option<String>,
    /// Key of the cluster's API, where it asks for one.
    #[arg(long, value_name = "KEY", env = "HONGNIANG_ARROYO_KEY", hide_env_values = true)]
    arroyo_key: Option<String>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

impl ListArgs {
    pub(super) fn has_cluster(&self) -> bool {
        self.arroyo.is_some()
    }
}

/// Flags of `render`.
#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// Feature sets; all by default.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    features: Vec<String>,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    /// What the rows carry: larger than that of any row that is there, or readers keep those.
    #[arg(long, default_value_t = features::generation::FIRST, value_name = "NUMBER")]
    generation: u32,
    #[command(flatten)]
    report: ReportArgs,
}

/// Flags of `deploy`.
#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Replaces pipelines although nothing changed, by others that count from the beginning and take over once they have caught up.
    #[arg(long)]
    anew: bool,
    /// Only says what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Replaces pipelines although nothing changed, by others that count from the beginning and take over once they have caught up.
    #[arg(long)]
    anew: bool,
}

/// Flags of `stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Deletes them as well, with their state.
    #[arg(long)]
    delete: bool,
}

#[derive(Serialize)]
struct RenderedRow {
    feature_set: String,
    pipeline: String,
    generation: u32,
    sql: String,
}

#[derive(Serialize)]
struct StepRow {
    feature_set: String,
    action: Action,
    pipeline: String,
    reason: String,
}

#[derive(Serialize)]
struct KnownRow {
    feature_set: String,
    pipeline: String,
    id: String,
    generation: u32,
    state: String,
    tasks: u64,
    parallelism: u64,
    checkpoint_s: u64,
    starts: u64,
    started_at: String,
    failure: String,
}

impl From<&Known> for KnownRow {
    fn from(known: &Known) -> Self {
        let job = known.job.as_ref();
        let started =
            job.and_then(|job| job.start_time).and_then(|at| i64::try_from(at).ok()).and_then(DateTime::<Utc>::from_timestamp_micros);
        Self {
            feature_set: known.name.set.clone(),
            pipeline: known.name.to_string(),
            id: known.id.clone(),
            generation: known.name.generation,
            state: known.state().to_owned(),
            tasks: job.and_then(|job| job.tasks).unwrap_or(0),
            parallelism: known.parallelism,
            checkpoint_s: known.checkpoint_micros / 1_000_000,
            starts: job.map_or(0, |job| job.run_id),
            started_at: started.map(|at| at.to_rfc3339()).unwrap_or_default(),
            failure: job.and_then(|job| job.failure()).unwrap_or_default().to_owned(),
        }
    }
}

/// Lines on standard error, and a bar on a terminal.
pub(super) struct Told {
    bar: ProgressBar,
    told: Mutex<Option<Instant>>,
}

impl Told {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} records, {per_sec}, {eta} left") {
            bar.set_style(style);
        }
        Self { bar, told: Mutex::new(None) }
    }
}

impl Tell for Told {
    fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn progress(&self, what: &str, done: u64, all: u64) {
        if done >= all {
            self.bar.finish_and_clear();
        } else {
            self.bar.set_length(all);
            self.bar.set_message(what.to_owned());
            self.bar.set_position(done);
        }
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.bar.is_hidden() && told.is_none_or(|at| at.elapsed() >= TELL) {
            eprintln!("{what}: {done} of {all} records");
            *told = Some(Instant::now());
        }
    }
}

/// The event log as Arroyo reaches it.
fn around(config: &Config, args: &BootstrapArgs) -> anyhow::Result<Surroundings> {
    let known = || std::fs::read_to_string(config.data_dir.join(BROKER_ADDRESS)).ok();
    let given = args.bootstrap.clone().or_else(|| Some(config.kafka.brokers.clone()).filter(|b| !b.is_empty())).or_else(known);
    let bootstrap = given.context("where does Arroyo reach the brokers? Give --bootstrap host:port, or set kafka.brokers")?;
    Ok(Surroundings::new(&config.kafka, &bootstrap))
}

/// The event log, which must outlive this command.
async fn log(config: &Config) -> anyhow::Result<Log> {
    let log = Log::open(config).await?;
    if log.is_own() {
        log.close().await;
        anyhow::bail!(
            "no node runs on {}: Arroyo reads from a broker that stays; start `hongniang up` there (with broker.listen on a port of its own), \
             or give --brokers",
            config.data_dir.display()
        );
    }
    Ok(log)
}

pub(super) fn render(global: &Global, args: &RenderArgs) -> anyhow::Result<()> {
    let around = around(&global.load()?, &args.bootstrap)?;
    let mut rows = Vec::new();
    for set in Operator::sets(&args.features)? {
        let Rendered { name, sql, .. } = Rendered::new(set, args.generation, &around)?;
        rows.push(RenderedRow { feature_set: set.name.clone(), pipeline: name.to_string(), generation: name.generation, sql });
    }
    if args.report.format == Format::Table {
        // As it would be sent: into a file, or to another tool.
        return rows.iter().try_for_each(|row| say(format_args!("-- Pipeline {}\n{}", row.pipeline, row.sql)));
    }
    print(&rows, args.report.format)
}

/// An operator of pipelines of this shape.
pub(super) fn shaped<'a>(cluster: &ClusterArgs, shape: &ShapeArgs, told: &'a Told) -> anyhow::Result<Operator<'a>> {
    // Names that are wrong are told before anybody is asked.
    Operator::sets(&cluster.features)?;
    let mut operator = cluster.operator(told)?;
    operator.settings.parallelism = shape.parallelism;
    operator.settings.checkpoint_s = shape.checkpoint_interval;
    Ok(operator)
}

pub(super) async fn deploy(global: &Global, args: DeployArgs) -> anyhow::Result<()> {
    let DeployArgs { cluster, bootstrap, shape, anew, dry_run } = args;
    if dry_run {
        return diff(global, DiffArgs { cluster, bootstrap, shape, anew }).await;
    }
    let (config, told) = (global.load()?, Told::new());
    let mut operator = shaped(&cluster, &shape, &told)?;
    operator.settings.anew = anew;
    let runtime = config.features.runtime;
    let log = log(&config).await?;
    let around = around(&Config { kafka: log.bus.config().clone(), ..config }, &bootstrap)?;
    let outcomes = operator.deploy(&Operator::sets(&cluster.features)?, &Source { bus: &log.bus, around: &around }).await?;
    print(&outcomes, cluster.report.format)?;
    remind(runtime);
    log.close().await;
    Ok(())
}

/// Both runtimes at once take turns at winning with every restart.
fn remind(runtime: FeatureRuntime) {
    if runtime.instead().is_none() {
        eprintln!(
            "features.runtime is \"{}\" here: set it to \"arroyo\" where hongniang runs, so that the embedded runner rests",
            runtime.name()
        );
    }
}

pub(super) async fn diff(global: &Global, args: DiffArgs) -> anyhow::Result<()> {
    let (config, told) = (global.load()?, Told::new());
    let mut operator = shaped(&args.cluster, &args.shape, &told)?;
    operator.settings.anew = args.anew;
    let log = log(&config).await?;
    let around = around(&Config { kafka: log.bus.config().clone(), ..config }, &args.bootstrap)?;
    let steps = operator.diff(&Operator::sets(&args.cluster.features)?, &Source { bus: &log.bus, around: &around }).await?;
    let row = |step: &Step| StepRow {
        feature_set: step.set.clone(),
        action: step.action,
        pipeline: step.stays.as_ref().map(|known| known.name.to_string()).unwrap_or_default(),
        reason: step.reason.clone(),
    };
    print(&steps.iter().map(row).collect::<Vec<_>>(), args.cluster.report.format)?;
    log.close().await;
    Ok(())
}

pub(super) async fn list(global: &Global, args: ListArgs) -> anyhow::Result<()> {
    let runtime = global.load()?.features.runtime;
    let known = Client::new(args.arroyo.as_deref().unwrap_or_default(), args.arroyo_key)?.known().await?;
    if known.is_empty() {
        eprintln!("no feature pipelines there; `hongniang pipeline deploy` makes them");
    }
    if !known.is_empty() {
        remind(runtime);
    }
    print(&known.iter().map(KnownRow::from).collect::<Vec<_>>(), args.report.format)
}

pub(super) async fn stop(global: &Global, args: StopArgs) -> anyhow::Result<()> {
    global.load()?;
    let told = Told::new();
    let stopped = args.cluster.operator(&told)?.stop(&args.cluster.features, args.delete).await?;
    print(&stopped.iter().map(KnownRow::from).collect::<Vec<_>>(), args.cluster.report.format)
}

pub(super) async fn recycle(global: &Global, args: ClusterArgs) -> anyhow::Result<()> {
    global.load()?;
    let told = Told::new();
    let all = args.operator(&told)?.recycle(&args.features).await?;
    print(&all.iter().map(KnownRow::from).collect::<Vec<_>>(), args.report.format)
}
