//! The jobs, by name.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use features::embed::TextEncoder;
use features::ids::UserId;
use features::topic::Topic;
use metrics_exporter_prometheus::PrometheusHandle;
use pipelines::assembler::{self, Assembler};
use pipelines::broker::EmbeddedBroker;
use pipelines::bus::Bus;
use pipelines::embedder::{self, Embedder};
use pipelines::gate::{self, Gate};
use pipelines::indexer::{self, Indexer};
use pipelines::lake::{self, LakeKeeper, LakeWriter};
use pipelines::ledger_feed::{self, LedgerFeed};
use pipelines::runner::{self, FeatureRunner};
use pipelines::snapshots::SnapshotStore;
use pipelines::supervisor::{RestartPolicy, Supervisor, watch_lag};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::db::{Db, outbox};
use crate::recommend;
use crate::reviews::{self, Watcher};
use crate::rights::{self, Eraser, Places};
use crate::sink::EventSink;
use crate::state::{App, Indexes};
use crate::users::People;

/// Jobs that run anywhere, with what they do.
pub const JOBS: [(&str, &str); 7] = [
    (gate::NAME, "inbox → profiles, moments, interactions, presence, messages, decks, pages; refuses go to dead_letters"),
    (runner::NAME, "filed topics → features.<name>, by the SQL of features/sql"),
    (lake::NAME, "filed topics, embeddings, portraits, dead_letters → Parquet lake"),
    (lake::KEEPER, "lake → lake: merges the files of past days, applies the retention, takes the daily snapshot of portraits"),
    (embedder::NAME, "moments, profiles → embeddings"),
    (assembler::NAME, "features, profiles, embeddings, interactions → portraits"),
    (indexer::NAME, "portraits, moments, embeddings → vectors, text and portrait table of the data folder; part of every serving node"),
];

/// How often the lag of jobs is asked for that are not at work.
pub(super) const LAG_EVERY: Duration = Duration::from_secs(5);

/// What jobs are made of.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) bus: Bus,
    pub(super) snapshots: SnapshotStore,
    /// The state of this node.
    pub(super) node: SnapshotStore,
    /// None where no job needs one.
    pub(super) encoder: Option<Arc<dyn TextEncoder>>,
}

/// What the indexer keeps up to date.
pub(super) fn kept(indexes: &Indexes, config: &Config, (model, dim): (&str, usize), node: &SnapshotStore) -> indexer::Indexes {
    indexer::Indexes {
        table: Arc::clone(&indexes.table),
        vectors: Arc::clone(&indexes.vectors),
        text: Arc::clone(&indexes.text),
        hot: Arc::clone(&indexes.hot),
        model: model.to_owned(),
        dim,
        snapshot: config.data_dir.join("state/portraits.table"),
        offsets: config.data_dir.join("state/indexer.offsets"),
        node: node.clone(),
    }
}

fn spawn_indexer(supervisor: &Supervisor, shared: &Shared, indexes: &Indexes, done: watch::Sender<bool>) {
    let model = shared.encoder.as_ref().map_or(("", 0), |encoder| (encoder.name(), encoder.dim()));
    let kept = kept(indexes, &shared.config, model, &shared.node);
    let (bus, config) = (shared.bus.clone(), shared.config.indexer.clone());
    supervisor.spawn(indexer::NAME, RestartPolicy::default(), move |context| {
        Indexer::new(bus.clone(), kept.clone(), config.clone(), done.clone()).run(context)
    });
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
    spawn_indexer(supervisor, shared, indexes, table_done);
    let (bus, config, ledger) = (shared.bus.clone(), shared.config.ledger.clone(), Arc::clone(&indexes.ledger));
    let snapshot = shared.config.data_dir.join("state/ledger");
    let (waiting, node) = (Arc::clone(&sink), shared.node.clone());
    supervisor.spawn(ledger_feed::NAME, RestartPolicy::default(), move |context| {
        // What waits in the outbox was acknowledged: it counts before anything else does.
        match waiting.waiting() {
            Ok(events) => {
                ledger.apply_all(events.iter().filter_map(|e| if let features::event::Event::Interaction(i) = e { Some(i) } else { None }));
            }
            Err(error) => tracing::error!(%error, "the outbox cannot be read"),
        }
        LedgerFeed::new(bus.clone(), Arc::clone(&ledger), snapshot.clone(), config.clone(), ledger_done.clone(), &node).run(context)
    });
    supervisor.spawn("outbox", RestartPolicy::default(), move |context| {
        let sink = Arc::clone(&sink);
        async move { sink.drain(context).await }
    });
}

/// The job that sends what was written together with rows.
pub(super) fn spawn_relay(supervisor: &Supervisor, db: &Db, sink: &Arc<EventSink>) {
    let (db, sink) = (db.clone(), Arc::clone(sink));
    supervisor.spawn(outbox::NAME, RestartPolicy::default(), move |context| {
        let (db, sink) = (db.clone(), Arc::clone(&sink));
        async move { outbox::run(db, &sink, context).await }
    });
}

/// How long to wait for a database that fails at a start.
const AGAIN: Duration = Duration::from_secs(1);

/// Once the portraits of before the start are in the table, brings it to what was answered since: turns true then.
pub(super) fn bring_profiles(people: &Arc<People>, mut table: watch::Receiver<bool>, stop: CancellationToken) -> watch::Receiver<bool> {
    let (done, told) = watch::channel(false);
    let people = Arc::clone(people);
    let bring = async move {
        if table.wait_for(|filled| *filled).await.is_err() {
            return;
        }
        loop {
            match people.catch_up().await {
                Ok(newer) => {
                    tracing::debug!(newer, "profiles are as they were answered");
                    done.send_replace(true);
                    return;
                }
                Err(error) => tracing::error!(%error, "profiles cannot be read; nothing is answered until they are"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = bring => {}
            () = stop.cancelled() => {}
        }
    });
    told
}

/// The jobs that erase people, and that know on this node who is withheld.
pub(super) fn spawn_rights(supervisor: &Supervisor, shared: &Shared, app: &App, broker: Option<&EmbeddedBroker>) {
    let places = Places {
        config: Arc::clone(&app.config),
        db: app.db.clone(),
        bus: shared.bus.clone(),
        state: shared.snapshots.clone(),
        node: shared.node.clone(),
        scrubber: broker.map(EmbeddedBroker::scrubber),
        indexes: Some(app.indexes.clone()),
        deck: recommend::names,
        row_makers: &[(reviews::NAME, &[Topic::Interactions, Topic::Moments, Topic::Profiles])],
        pseudonym: {
            let auth = Arc::clone(&app.auth);
            Arc::new(move |user| auth.pseudonym(user))
        },
    };
    let eraser = Eraser { places, sink: Arc::clone(&app.sink) };
    supervisor.spawn(rights::NAME, RestartPolicy::default(), move |context| eraser.clone().run(context));
    let (db, withheld, decks, answers) = (app.db.clone(), app.withheld.clone(), Arc::clone(&app.decks), app.answers.clone());
    supervisor.spawn(rights::WITHHELD, RestartPolicy::default(), move |context| {
        let (decks, answers) = (Arc::clone(&decks), answers.clone());
        let came = move |people: Vec<UserId>| {
            decks.clear();
            let answers = answers.clone();
            tokio::spawn(async move {
                for user in people {
                    answers.forget(user).await;
                }
            });
        };
        rights::keep_withheld(db.clone(), withheld.clone(), came, context)
    });
}

/// The jobs that raise reviews, and that know on this node who is banned.
pub(super) fn spawn_reviews(supervisor: &Supervisor, shared: &Shared, app: &App) {
    let watcher = Watcher { bus: shared.bus.clone(), db: app.db.clone(), moderator: Arc::clone(&app.moderator) };
    supervisor.spawn(reviews::NAME, RestartPolicy::default(), move |context| watcher.clone().run(context));
    let (db, withheld) = (app.db.clone(), app.withheld.clone());
    supervisor.spawn(reviews::BANS, RestartPolicy::default(), move |context| reviews::keep_bans(db.clone(), withheld.clone(), context));
}

/// Jobs that need no index of a node: they may run in this process or in others.
pub const PIPELINES: [&str; 6] = [gate::NAME, runner::NAME, lake::NAME, lake::KEEPER, embedder::NAME, assembler::NAME];

/// Starts those of [`PIPELINES`] that are named.
pub(super) fn spawn_pipelines(supervisor: &Supervisor, shared: &Shared, names: &[&str]) {
    let s = shared;
    let instead = s.config.features.runtime.instead();
    let wanted = |name| names.contains(&name) && (name != runner::NAME || instead.is_none());
    if let Some(why) = instead.filter(|_| names.contains(&runner::NAME)) {
        tracing::info!("{why}");
    }
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
    if wanted(lake::KEEPER) {
        let (bus, place, config) = (s.bus.clone(), s.config.lake_place(), s.config.lake.clone());
        supervisor.spawn(lake::KEEPER, RestartPolicy::default(), move |c| LakeKeeper::new(bus.clone(), &place, config.clone()).run(c));
    }
    if wanted(embedder::NAME)
        && let Some(encoder) = s.encoder.clone()
    {
        let (bus, config) = (s.bus.clone(), s.config.embedder.clone());
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

/// Where jobs without an API tell how they are.
pub struct Told {
    /// Where `/healthz`, `/readyz` and `/metrics` are answered.
    pub listener: TcpListener,
    /// Renders metrics.
    pub metrics: PrometheusHandle,
}

/// Runs those of [`JOBS`] that are named, supervised, without a node, until `until` comes.
///
/// # Errors
/// When there is no such job, or the event log, the state folder or the encoder is not there.
pub async fn run_together(names: &[&str], config: &Config, told: Option<Told>, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    if let Some(unknown) = names.iter().find(|name| JOBS.iter().all(|(job, _)| job != *name)) {
        anyhow::bail!("there is no job `{unknown}`; `hongniang pipeline list` shows them");
    }
    if let ([runner::NAME], Some(why)) = (names, config.features.runtime.instead()) {
        anyhow::bail!("{why}");
    }
    let log = super::Log::open(config).await?;
    let snapshots = SnapshotStore::open(&config.state_place())?;
    let texts = names.iter().any(|name| [embedder::NAME, indexer::NAME].contains(name));
    let encoder = if texts { Some(super::platform::encoder(config)?) } else { None };
    let node = super::platform::node_state(config)?;
    let shared = Shared { config: config.clone(), bus: log.bus.clone(), snapshots, node, encoder };
    let stop = CancellationToken::new();
    let supervisor = Arc::new(Supervisor::new(stop.clone(), Utc::now));
    spawn_pipelines(&supervisor, &shared, names);
    if names.contains(&indexer::NAME)
        && let Some(encoder) = &shared.encoder
    {
        super::put_in_place(&config.data_dir)?;
        let indexes = super::platform::indexes(config, &**encoder).await?;
        spawn_indexer(&supervisor, &shared, &indexes, watch::channel(false).0);
    }
    tokio::spawn(watch_lag(&supervisor, log.bus.clone(), LAG_EVERY));
    if let Some(Told { listener, metrics }) = told {
        let router = crate::ops::worker(Arc::clone(&supervisor), metrics, config.features.runtime);
        let ended = async move { stop.cancelled().await };
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(ended).await {
                tracing::error!(%error, "health and metrics are not told any more");
            }
        });
    }
    until.await;
    let late = supervisor.shut_down(Duration::from_secs(20)).await;
    anyhow::ensure!(late.is_empty(), "{} did not end in time; they go on from their last snapshot next time", late.join(", "));
    log.close().await;
    Ok(())
}
