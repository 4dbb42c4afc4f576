//! The jobs, by name.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use features::embed::TextEncoder;
use pipelines::assembler::{self, Assembler};
use pipelines::bus::Bus;
use pipelines::embedder::{self, Embedder};
use pipelines::gate::{self, Gate};
use pipelines::indexer::{self, Indexer};
use pipelines::lake::{self, LakeWriter};
use pipelines::ledger_feed::{self, LedgerFeed};
use pipelines::runner::{self, FeatureRunner};
use pipelines::snapshots::SnapshotStore;
use pipelines::supervisor::{JobContext, JobError, RestartPolicy, Supervisor};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::sink::EventSink;
use crate::state::Indexes;

/// Jobs that run anywhere, with what they do.
pub const JOBS: [(&str, &str); 6] = [
    (gate::NAME, "inbox → profiles, moments, interactions, presence, messages; refuses go to dead_letters"),
    (runner::NAME, "filed topics → features.<name>, by the SQL of features/sql"),
    (lake::NAME, "filed topics → Parquet lake"),
    (embedder::NAME, "moments, profiles → embeddings"),
    (assembler::NAME, "features, profiles, embeddings, interactions → portraits"),
    (indexer::NAME, "portraits, moments, embeddings → vectors, text and portrait table of the data folder; part of every serving node"),
];

/// What jobs are made of.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) bus: Bus,
    pub(super) snapshots: SnapshotStore,
    pub(super) encoder: Arc<dyn TextEncoder>,
}

/// What the indexer keeps up to date.
fn kept(indexes: &Indexes, config: &Config, encoder: &dyn TextEncoder) -> indexer::Indexes {
    indexer::Indexes {
        table: Arc::clone(&indexes.table),
        vectors: Arc::clone(&indexes.vectors),
        text: Arc::clone(&indexes.text),
        hot: Arc::clone(&indexes.hot),
        model: encoder.name().to_owned(),
        snapshot: config.data_dir.join("state/portraits.table"),
        offsets: config.data_dir.join("state/indexer.offsets"),
    }
}

/// The jobs that keep this node's indexes: every serving node has its own.
pub(super) fn spawn_node(
    supervisor: &Supervisor,
    shared: &Shared,
    indexes: &Indexes,
    sink: Arc<EventSink>,
    done: (watch::Sender<bool>, watch::Sender<bool>),
) {
    let (table_done, ledger_done) = done;
    let kept = kept(indexes, &shared.config, &*shared.encoder);
    let (bus, config) = (shared.bus.clone(), shared.config.indexer.clone());
    supervisor.spawn(indexer::NAME, RestartPolicy::default(), move |context| {
        Indexer::new(bus.clone(), kept.clone(), config.clone(), table_done.clone()).run(context)
    });
    let (bus, config, ledger) = (shared.bus.clone(), shared.config.ledger.clone(), Arc::clone(&indexes.ledger));
    let snapshot = shared.config.data_dir.join("state/ledger");
    let waiting = Arc::clone(&sink);
    supervisor.spawn(ledger_feed::NAME, RestartPolicy::default(), move |context| {
        // What waits in the outbox was acknowledged: it counts before anything else does.
        match waiting.waiting() {
            Ok(events) => {
                ledger.apply_all(events.iter().filter_map(|e| if let features::event::Event::Interaction(i) = e { Some(i) } else { None }));
            }
            Err(error) => tracing::error!(%error, "the outbox cannot be read"),
        }
        LedgerFeed::new(bus.clone(), Arc::clone(&ledger), snapshot.clone(), config.clone(), ledger_done.clone()).run(context)
    });
    supervisor.spawn("outbox", RestartPolicy::default(), move |context| {
        let sink = Arc::clone(&sink);
        async move { sink.drain(context).await }
    });
}

/// Jobs that need no index of a node: they may run in this process or in others.
pub const PIPELINES: [&str; 5] = [gate::NAME, runner::NAME, lake::NAME, embedder::NAME, assembler::NAME];

/// Starts those of [`PIPELINES`] that are named.
pub(super) fn spawn_pipelines(supervisor: &Supervisor, shared: &Shared, names: &[&str]) {
    let s = shared;
    let wanted = |name| names.contains(&name);
    if wanted(gate::NAME) {
        let (bus, snapshots, config) = (s.bus.clone(), s.snapshots.clone(), s.config.gate.clone());
        supervisor.spawn(gate::NAME, RestartPolicy::default(), move |c| Gate::new(bus.clone(), &snapshots, config.clone()).run(c));
    }
    if wanted(runner::NAME) {
        let (bus, snapshots, config) = (s.bus.clone(), s.snapshots.clone(), s.config.runner.clone());
        supervisor
            .spawn(runner::NAME, RestartPolicy::default(), move |c| FeatureRunner::new(bus.clone(), &snapshots, config.clone()).run(c));
    }
    if wanted(lake::NAME) {
        let (bus, place, config) = (s.bus.clone(), s.config.lake_place(), s.config.lake.clone());
        supervisor.spawn(lake::NAME, RestartPolicy::default(), move |c| LakeWriter::new(bus.clone(), &place, config.clone()).run(c));
    }
    if wanted(embedder::NAME) {
        let (bus, encoder, config) = (s.bus.clone(), Arc::clone(&s.encoder), s.config.embedder.clone());
        supervisor.spawn(embedder::NAME, RestartPolicy::default(), move |c| {
            Embedder::new(bus.clone(), Arc::clone(&encoder), config.clone()).run(c)
        });
    }
    if wanted(assembler::NAME) {
        let (bus, snapshots, config) = (s.bus.clone(), s.snapshots.clone(), s.config.assembler.clone());
        supervisor
            .spawn(assembler::NAME, RestartPolicy::default(), move |c| Assembler::new(bus.clone(), &snapshots, config.clone()).run(c));
    }
}

/// Runs those of [`PIPELINES`] that are named, supervised, without a node, until `until` comes.
///
/// # Errors
/// When the event log, the state folder or the encoder is not there.
pub async fn run_together(names: &[&str], config: &Config, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    let log = super::Log::open(config).await?;
    let snapshots = SnapshotStore::open(&config.state_place())?;
    let shared = Shared { config: config.clone(), bus: log.bus.clone(), snapshots, encoder: super::platform::encoder(config)? };
    let supervisor = Supervisor::new(CancellationToken::new(), Utc::now);
    spawn_pipelines(&supervisor, &shared, names);
    until.await;
    let late = supervisor.shut_down(Duration::from_secs(20)).await;
    anyhow::ensure!(late.is_empty(), "{} did not end in time; they go on from their last snapshot next time", late.join(", "));
    log.close().await;
    Ok(())
}

/// Runs one job of [`JOBS`] until its context ends.
///
/// # Errors
/// When the job fails, or there is none of that name.
pub async fn run_alone(name: &str, config: &Config, bus: Bus, context: JobContext) -> anyhow::Result<()> {
    let snapshots = SnapshotStore::open(&config.state_place())?;
    let done: Result<(), JobError> = match name {
        gate::NAME => Gate::new(bus, &snapshots, config.gate.clone()).run(context).await,
        runner::NAME => FeatureRunner::new(bus, &snapshots, config.runner.clone()).run(context).await,
        lake::NAME => LakeWriter::new(bus, &config.lake_place(), config.lake.clone()).run(context).await,
        embedder::NAME => Embedder::new(bus, super::platform::encoder(config)?, config.embedder.clone()).run(context).await,
        assembler::NAME => Assembler::new(bus, &snapshots, config.assembler.clone()).run(context).await,
        indexer::NAME => {
            let encoder = super::platform::encoder(config)?;
            let indexes = super::platform::indexes(config, &*encoder).await?;
            let (caught_up, _) = watch::channel(false);
            Indexer::new(bus, kept(&indexes, config, &*encoder), config.indexer.clone(), caught_up).run(context).await
        }
        other => anyhow::bail!("there is no job `{other}`; `hongniang pipeline list` shows them"),
    };
    Ok(done?)
}
