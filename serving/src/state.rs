//! What handlers share, in small groups.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::embed::TextEncoder;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::VectorIndex;
use pipelines::supervisor::{Clock, Supervisor};
use ranker::Recommender;
use tokio::sync::watch;

use crate::config::Config;
use crate::recommend::Decks;
use crate::sink::EventSink;

/// What can be found.
#[derive(Clone)]
pub struct Indexes {
    /// Portraits.
    pub table: Arc<PortraitTable>,
    /// Vectors.
    pub vectors: Arc<dyn VectorIndex>,
    /// Text.
    pub text: Arc<TextIndex>,
    /// Ready-made lists.
    pub hot: Arc<HotPool>,
    /// Relations and exposures.
    pub ledger: Arc<Ledger>,
}

/// How far the node has come.
#[derive(Clone)]
pub struct Readiness {
    /// Whether the portraits of before the start are in the table.
    pub table: watch::Receiver<bool>,
    /// Whether the interactions of before the start are in the ledger.
    pub ledger: watch::Receiver<bool>,
    /// The jobs of this process.
    pub jobs: Arc<Supervisor>,
}

impl Readiness {
    /// Whether everything acknowledged before the start is in force here: until then blocks and exposures are not known in full, and
    /// nothing is answered that depends on them.
    pub fn is_ready(&self) -> bool {
        *self.table.borrow() && *self.ledger.borrow()
    }
}

/// Shared by all handlers.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// What can be found.
    pub indexes: Indexes,
    /// The text encoder.
    pub encoder: Arc<dyn TextEncoder>,
    /// Where events go.
    pub sink: Arc<EventSink>,
    /// Makes decks.
    pub recommender: Arc<Recommender>,
    /// Decks on the table.
    pub decks: Arc<Decks>,
    /// How far the node has come.
    pub readiness: Readiness,
    /// Renders metrics.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Takes the time.
    pub clock: Clock,
}

impl App {
    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}
