//! The parts of a node, in groups: the log, the indexes, the jobs, the application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use features::embed::{HashingEncoder, TextEncoder};
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::{EdgeVectors, ServerVectors, VectorIndex};
use pipelines::broker::{BrokerConfig, BrokerError, EmbeddedBroker};
use pipelines::bus::Bus;
use pipelines::snapshots::SnapshotStore;
use pipelines::supervisor::{Supervisor, watch_lag};
use ranker::{Parts, Recommender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::jobs;
use super::quotas::Quotas;
use crate::auth::{Auth, system_chance};
use crate::config::Config;
use crate::db::{self, Db};
use crate::entitlements::Entitlements;
use crate::flight;
use crate::http::Answers;
use crate::models::ModelStore;
use crate::moderation::Moderator;
use crate::recommend::{Decks, KeptRates, make_ahead};
use crate::relations::Relations;
use crate::sink::EventSink;
use crate::state::{App, AppParts, Erased, Indexes, Readiness, Withheld};
use crate::users::People;
use crate::{reviews, rights};

/// Where a node with an embedded broker tells other processes its address.
const BROKER_ADDRESS: &str = "broker.address";

/// The event log: outside, or embedded in this process.
pub struct Log {
    /// The client.
    pub bus: Bus,
    broker: Option<EmbeddedBroker>,
}

impl Log {
    /// Connects to `kafka.brokers`, or starts the embedded broker (or finds the one of a node that runs on the same data folder), and makes
    /// the topics.
    ///
    /// # Errors
    /// When no broker answers or the embedded one cannot start.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let mut kafka = config.kafka.clone();
        let broker = if kafka.brokers.is_empty() {
            let mut settings = BrokerConfig::new(config.data_dir.join("log"));
            settings.listen = config.broker.listen;
            settings.default_partitions = kafka.partitions;
            settings.segment_bytes = config.broker.segment_bytes;
            settings.cleanup_interval = Duration::from_secs_f64(config.broker.cleanup_s);
            settings.sync_interval = Duration::from_millis(config.broker.sync_ms);
            let known = config.data_dir.join(BROKER_ADDRESS);
            match EmbeddedBroker::start(settings).await {
                Ok(broker) => {
                    kafka.brokers = broker.bootstrap();
                    std::fs::write(&known, &kafka.brokers).with_context(|| format!("{} cannot be written", known.display()))?;
                    Some(broker)
                }
                // A node runs on this data folder: commands beside it use its broker.
                Err(BrokerError::InUse(folder)) => {
                    kafka.brokers = std::fs::read_to_string(&known).map_err(|_| BrokerError::InUse(folder))?;
                    None
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            None
        };
        let bus = Bus::new(kafka)?;
        bus.ensure_topics().await?;
        Ok(Self { bus, broker })
    }

    /// Whether the broker is a part of this process, and ends with it: then no node runs on the data folder.
    pub fn is_own(&self) -> bool {
        self.broker.is_some()
    }

    /// Stops the embedded broker, if there is one.
    pub async fn close(self) {
        drop(self.bus);
        if let Some(broker) = self.broker {
            broker.shutdown().await;
        }
    }
}

/// A node that runs.
pub struct Platform {
    /// What handlers share.
    pub app: App,
    /// The event log.
    pub log: Log,
    /// Where Flight SQL is spoken, if anywhere.
    pub flight: Option<SocketAddr>,
    jobs: Arc<Supervisor>,
    stop: CancellationToken,
}

/// The encoder that the configuration names.
///
/// # Errors
/// When its files are not there.
pub fn encoder(config: &Config) -> anyhow::Result<Arc<dyn TextEncoder>> {
    if config.model.encoder == "hashing" {
        return Ok(Arc::new(HashingEncoder::new(256)));
    }
    let store = ModelStore::open()?;
    let name = if config.model.encoder.is_empty() { store.manifest().default_encoder.clone() } else { config.model.encoder.clone() };
    store.encoder(&name).with_context(|| format!("the text encoder {name} is not there; run `hongniang models pull`"))
}

async fn vectors(config: &Config, encoder: &dyn TextEncoder) -> anyhow::Result<Arc<dyn VectorIndex>> {
    if config.vectors.url.is_empty() {
        let folder = EdgeVectors::folder(&config.data_dir);
        std::fs::create_dir_all(&folder)?;
        return Ok(Arc::new(EdgeVectors::open(&folder, encoder.dim(), encoder.name())?));
    }
    Ok(Arc::new(ServerVectors::connect(&config.vectors.url, encoder.dim(), encoder.name()).await?))
}

/// The indexes of this data folder; table and ledger are filled by their jobs.
pub(super) async fn indexes(config: &Config, encoder: &dyn TextEncoder) -> anyhow::Result<Indexes> {
    Ok(Indexes {
        table: Arc::new(PortraitTable::default()),
        vectors: vectors(config, encoder).await?,
        text: Arc::new(TextIndex::open(&config.data_dir.join("text"))?),
        hot: Arc::new(HotPool::default()),
        ledger: Arc::new(Ledger::default()),
    })
}

/// Where jobs of this node find what they are asked: beside the state that is this node's own.
///
/// # Errors
/// When the folder cannot be made.
pub(super) fn node_state(config: &Config) -> anyhow::Result<SnapshotStore> {
    Ok(SnapshotStore::open(&config.data_dir.join("state").display().to_string())?)
}

/// What is answered again to repeats.
fn answers(config: &Config, withheld: &Withheld) -> Answers {
    Answers::new(config.http.idempotency_hours, config.auth.retry_s.unsigned_abs(), config.http.body_limit, withheld.clone())
}

/// Who is shown to nobody from the first answer on.
async fn withheld(db: &Db) -> anyhow::Result<Withheld> {
    let withheld = Withheld::default();
    rights::look(db, &withheld).await?;
    reviews::look(db, &withheld, Utc::now()).await?;
    Ok(withheld)
}

/// What the recommender looks at.
fn parts(indexes: &Indexes) -> Parts {
    Parts {
        table: Arc::clone(&indexes.table),
        vectors: Arc::clone(&indexes.vectors),
        ledger: Arc::clone(&indexes.ledger),
        hot: Arc::clone(&indexes.hot),
        rates: Arc::default(),
    }
}

impl Platform {
    /// Starts everything that `config` asks for, and those of [`super::PIPELINES`] that are named.
    ///
    /// # Errors
    /// When a part cannot start; the message says which and what to do.
    pub async fn start(config: Config, pipelines: &[&str], metrics: metrics_exporter_prometheus::PrometheusHandle) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data_dir).with_context(|| format!("data_dir {} cannot be made", config.data_dir.display()))?;
        let encoder = encoder(&config)?;
        let log = Log::open(&config).await?;
        super::put_in_place(&config.data_dir)?;
        let indexes = indexes(&config, &*encoder).await?;
        let sink = Arc::new(EventSink::new(&log.bus, &config.data_dir)?);
        let db = Db::open(&config.database, &config.data_dir).await?;
        db::prepare(&db, &config.database, Utc::now()).await?;
        let auth = Auth::open(db.clone(), &config.auth, &config.data_dir, system_chance(), Utc::now())?;
        let withheld = withheld(&db).await?;
        let auth = auth.heed(withheld.clone());
        // What was acknowledged before the start is in the log, or in the file beside it, before the ledger is read from there.
        db::outbox::relay(&db, &sink, Utc::now()).await?;
        let stop = CancellationToken::new();
        let supervisor = Arc::new(Supervisor::new(stop.clone(), Utc::now));
        let (table_done, table) = watch::channel(false);
        let (ledger_done, ledger) = watch::channel(false);
        let snapshots = SnapshotStore::open(&config.state_place())?;
        let node = node_state(&config)?;
        let shared = jobs::Shared { config: config.clone(), bus: log.bus.clone(), snapshots, node, encoder: Some(Arc::clone(&encoder)) };
        jobs::spawn_node(&supervisor, &shared, &indexes, Arc::clone(&sink), (table_done, ledger_done));
        jobs::spawn_relay(&supervisor, &db, &sink);
        jobs::spawn_pipelines(&supervisor, &shared, pipelines);
        tokio::spawn(watch_lag(&supervisor, log.bus.clone(), jobs::LAG_EVERY));
        let parts = parts(&indexes);
        let kept = KeptRates { table: Arc::clone(&parts.table), rates: Arc::clone(&parts.rates), caught_up: table.clone() };
        let every = Duration::from_secs(config.recommend.rates_s);
        let erased = Erased::default();
        let people = Arc::new(People::new(db.clone(), Arc::clone(&indexes.table), erased.clone()));
        let profiles = jobs::bring_profiles(&people, table.clone(), stop.clone());
        let entitlements = Arc::new(Entitlements::new(db.clone(), &config.entitlements));
        let relations = Relations::new(db.clone(), Arc::clone(&indexes.ledger), &config.relations);
        let app = App::new(AppParts {
            answers: answers(&config, &withheld),
            people,
            relations: Arc::new(relations.with_allowance(Arc::new(Quotas(Arc::clone(&entitlements))))),
            entitlements,
            recommender: Arc::new(Recommender::new(parts, &config.ranker)?),
            decks: Arc::new(Decks::new(&config.recommend)),
            moderator: Arc::new(Moderator::new(&config.moderation, Utc::now)?),
            config: Arc::new(config),
            indexes,
            encoder,
            db,
            auth: Arc::new(auth),
            sink,
            erased,
            readiness: Readiness { table, ledger, profiles, jobs: Arc::clone(&supervisor) },
            withheld,
            metrics,
            clock: Utc::now,
        });
        jobs::spawn_rights(&supervisor, &shared, &app, log.broker.as_ref());
        jobs::spawn_reviews(&supervisor, &shared, &app);
        let flight = flight::start(&app.config, stop.clone()).await?;
        tokio::spawn(make_ahead(app.clone(), stop.clone()));
        tokio::spawn(kept.keep(every, app.clock, stop.clone()));
        Ok(Self { app, log, flight, jobs: supervisor, stop })
    }

    /// Ends the jobs, each saving its state, then the log.
    pub async fn stop(self) {
        self.stop.cancel();
        let late = self.jobs.shut_down(Duration::from_secs(20)).await;
        if !late.is_empty() {
            tracing::warn!(jobs = ?late, "did not end in time; they go on from their last snapshot next time");
        }
        let Self { app, log, .. } = self;
        app.db.close().await;
        drop(app);
        log.close().await;
    }
}
