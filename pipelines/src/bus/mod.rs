//! The event log, spoken to with `rdkafka`: topics, producers, readers and the gate's transactions.
//!
//! What an `Ok` means: [`EventProducer::send`] and [`EventProducer::send_all`] return when every in-sync replica has the
//! records (`acks=all`, idempotent: a retry inside the client never doubles a record). A [`Reader`] reads committed records
//! only and keeps its own position: a job starts it at the offsets of its own durable state, so that group commits
//! are a convenience for whoever watches, except where a job says otherwise. Jobs with state of their own have one owner at a time
//! ([`Ownership`]); jobs without share their partitions in a consumer group ([`GroupReader`]).

mod admin;
mod config;
mod group;
mod offsets;
mod ownership;
mod producer;
mod reader;
mod settle;
mod sweep;
mod transaction;

pub use config::{BusConfig, BusError};
pub use group::GroupReader;
pub use offsets::Offsets;
pub use ownership::{Ownership, SESSION};
pub use producer::{EventProducer, OutRecord};
pub use reader::{Reader, Record};
pub use sweep::Sweep;
pub use transaction::TransactionalProducer;

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;

/// A handle on the event log; cheap to clone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    config: BusConfig,
    /// One client without a group for metadata and watermarks, made when first needed.
    probe: Mutex<Option<Arc<BaseConsumer>>>,
    /// One shared idempotent producer, made when first needed.
    producer: Mutex<Option<EventProducer>>,
}

impl Bus {
    /// Makes a handle; connects to nothing yet.
    ///
    /// # Errors
    /// When the configuration cannot be right.
    pub fn new(config: BusConfig) -> Result<Self, BusError> {
        config.check()?;
        Ok(Self { inner: Arc::new(Inner { config, probe: Mutex::new(None), producer: Mutex::new(None) }) })
    }

    /// The configuration.
    pub fn config(&self) -> &BusConfig {
        &self.inner.config
    }

    /// The shared idempotent producer.
    ///
    /// # Errors
    /// When the client refuses its configuration.
    pub fn producer(&self) -> Result<EventProducer, BusError> {
        let mut slot = self.inner.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = slot.as_ref() {
            return Ok(producer.clone());
        }
        let producer = EventProducer::new(self.config())?;
        *slot = Some(producer.clone());
        Ok(producer)
    }

    /// A producer of its own for a job that must not share queues with others.
    ///
    /// # Errors
    /// When the client refuses its configuration.
    pub fn own_producer(&self) -> Result<EventProducer, BusError> {
        EventProducer::new(self.config())
    }

    /// A producer of its own for writes that somebody waits for: records do not wait for company.
    ///
    /// # Errors
    /// When the client refuses its configuration.
    pub fn prompt_producer(&self) -> Result<EventProducer, BusError> {
        EventProducer::prompt(self.config())
    }

    /// A transactional producer; fences off an older one of the same `id` and finishes what that left open.
    ///
    /// # Errors
    /// When the broker does not answer or refuses transactions.
    pub async fn transactional(&self, id: &str) -> Result<TransactionalProducer, BusError> {
        TransactionalProducer::begin_life(self.config().clone(), id.to_owned()).await
    }

    pub(crate) fn probe(&self) -> Result<Arc<BaseConsumer>, BusError> {
        let mut slot = self.inner.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = slot.as_ref() {
            return Ok(Arc::clone(probe));
        }
        let mut config = self.config().client();
        config.set("allow.auto.create.topics", "false").set("isolation.level", "read_committed");
        let probe: BaseConsumer = self.create(&config)?;
        let probe = Arc::new(probe);
        *slot = Some(Arc::clone(&probe));
        Ok(probe)
    }

    pub(crate) fn create<T: rdkafka::config::FromClientConfig>(&self, config: &ClientConfig) -> Result<T, BusError> {
        config.create().map_err(|source| self.config().error("make a client", source))
    }
}

/// Runs a blocking client call beside the async world.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T, BusError> + Send + 'static) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(_) => Err(BusError::Closed),
    }
}
