//! The gate's transactions: records and the offsets that led to them become visible together or not at all.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;

use super::blocking;
use super::config::{BusConfig, BusError};
use super::offsets::Offsets;
use super::producer::{Client, OutRecord, Reports, deliver, settle};
use super::reader::Reader;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A producer that writes in transactions. After an error it is of no further use: make a new one, which fences this one off.
pub struct TransactionalProducer {
    client: Client,
    config: Arc<BusConfig>,
    id: Arc<str>,
}

impl TransactionalProducer {
    pub(crate) async fn begin_life(config: BusConfig, id: String) -> Result<Self, BusError> {
        let mut client_config = config.produce();
        client_config.set("transactional.id", &id).set("transaction.timeout.ms", "60000").set("linger.ms", "1");
        let (config, id): (Arc<BusConfig>, Arc<str>) = (Arc::new(config), Arc::from(id));
        let (at, name) = (Arc::clone(&config), Arc::clone(&id));
        let client = blocking(move || {
            let client: Client = client_config.create_with_context(Reports).map_err(|e| at.error("make a producer", e))?;
            client.init_transactions(TIMEOUT).map_err(|e| failed(&at, &name, "starting", e))?;
            Ok(client)
        })
        .await?;
        Ok(Self { client, config, id })
    }

    /// Writes `records` and commits the offsets `read` of `reader`'s group in one transaction. Returns where each written
    /// partition ended after its last record.
    ///
    /// # Errors
    /// When the transaction failed; it has been aborted then, or will be when the next producer of this id starts. Nothing of it is
    /// visible, unless only the answer to the commit was lost: the committed offsets of the group tell.
    pub async fn write(&self, records: Vec<OutRecord>, read: &Offsets, reader: &Reader) -> Result<Offsets, BusError> {
        let client = self.client.clone();
        self.call("beginning", move |_| client.begin_transaction()).await?;
        let mut written = self.fill(&records, read, reader).await;
        if written.is_err() {
            if let Some((code, reason)) = self.client.client().fatal_error() {
                // Deliveries only say that they were purged; this says why, mostly that a newer producer of this id is at work.
                tracing::warn!(id = %self.id, reason, "the transactional producer is of no further use");
                written = Err(failed(&self.config, &self.id, "writing", KafkaError::Global(code)));
            }
            let client = self.client.clone();
            if let Err(error) = self.call("aborting", move |_| client.abort_transaction(TIMEOUT)).await {
                tracing::warn!(%error, "the next start of this transactional id aborts it");
            }
        }
        written
    }

    async fn fill(&self, records: &[OutRecord], read: &Offsets, reader: &Reader) -> Result<Offsets, BusError> {
        let ends = deliver(&self.client, &self.config, records).await?;
        let (client, list, group) = (self.client.clone(), read.to_list(), reader.consumer());
        self.call("adding offsets", move |_| {
            let group = group.group_metadata().ok_or(KafkaError::Canceled)?;
            client.send_offsets_to_transaction(&list, &group, TIMEOUT)
        })
        .await?;
        settle(&self.client).await;
        let client = self.client.clone();
        self.call("committing", move |_| client.commit_transaction(TIMEOUT)).await?;
        Ok(ends)
    }

    async fn call(&self, what: &'static str, call: impl FnOnce(()) -> Result<(), KafkaError> + Send + 'static) -> Result<(), BusError> {
        let (config, id) = (Arc::clone(&self.config), Arc::clone(&self.id));
        blocking(move || call(()).map_err(|e| failed(&config, &id, what, e))).await
    }
}

fn failed(config: &BusConfig, id: &str, what: &str, source: KafkaError) -> BusError {
    BusError::Transaction { id: id.to_owned(), what: what.to_owned(), brokers: config.brokers.clone(), source: Box::new(source) }
}
