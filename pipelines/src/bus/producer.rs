//! Writing: an idempotent producer whose sends return when the record is durable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::Notify;

use super::config::{BusConfig, BusError};
use super::offsets::Offsets;

/// One record to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutRecord {
    /// Where to.
    pub topic: String,
    /// The key, which chooses the partition.
    pub key: Vec<u8>,
    /// The value; none erases the key on a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Header names and values; mostly empty.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl OutRecord {
    /// A record without headers.
    pub fn new(topic: impl Into<String>, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) -> Self {
        Self { topic: topic.into(), key: key.into(), value, headers: Vec::new() }
    }
}

/// Counts delivery reports of records that were sent together.
pub(crate) struct Tally {
    open: AtomicUsize,
    done: Notify,
    result: Mutex<TallyResult>,
}

#[derive(Default)]
struct TallyResult {
    error: Option<KafkaError>,
    last: Option<(i32, i64)>,
    ends: Offsets,
}

impl Tally {
    /// Expects `records` reports, and one more `arrive` by whoever sends.
    fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(1), done: Notify::new(), result: Mutex::default() })
    }

    fn arrive(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    async fn wait(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.done.notified().await;
        }
    }

    fn take(&self) -> TallyResult {
        std::mem::take(&mut self.result.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The client's callbacks: delivery reports go to the tally of their send.
pub(crate) struct Reports;

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "event log client");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Tally>;

    fn delivery(&self, report: &DeliveryResult<'_>, tally: Self::DeliveryOpaque) {
        {
            let mut result = tally.result.lock().unwrap_or_else(PoisonError::into_inner);
            match report {
                Ok(message) => {
                    result.last = Some((message.partition(), message.offset()));
                    result.ends.advance(message.topic(), message.partition(), message.offset() + 1);
                }
                Err((error, _)) => {
                    result.error.get_or_insert_with(|| error.clone());
                }
            }
        }
        tally.arrive();
    }
}

pub(crate) type Client = ThreadedProducer<Reports>;

/// An idempotent producer; clones share one connection and queue.
#[derive(Clone)]
pub struct EventProducer {
    client: Client,
    config: Arc<BusConfig>,
}

impl EventProducer {
    pub(crate) fn new(config: &BusConfig) -> Result<Self, BusError> {
        Self::with(config, &config.produce())
    }

    pub(crate) fn prompt(config: &BusConfig) -> Result<Self, BusError> {
        Self::with(config, &config.produce_promptly())
    }

    fn with(config: &BusConfig, settings: &ClientConfig) -> Result<Self, BusError> {
        let client = settings.create_with_context(Reports).map_err(|e| config.error("make a producer", e))?;
        Ok(Self { client, config: Arc::new(config.clone()) })
    }

    /// Writes one record; returns its partition and offset once it is durable.
    ///
    /// # Errors
    /// When it could not be made durable within the delivery timeout (30 s); it may or may not be there then.
    pub async fn send(&self, topic: &str, key: &[u8], value: Option<&[u8]>) -> Result<(i32, i64), BusError> {
        let record = OutRecord::new(topic, key, value.map(<[u8]>::to_vec));
        let result = send_and_wait(&self.client, &self.config, std::slice::from_ref(&record)).await?;
        result.last.ok_or(BusError::Closed)
    }

    /// Writes records; returns once all of them are durable. Records of one key keep their order.
    ///
    /// # Errors
    /// When one could not be made durable; others may be there then.
    pub async fn send_all(&self, records: Vec<OutRecord>) -> Result<(), BusError> {
        send_and_wait(&self.client, &self.config, &records).await.map(drop)
    }

    /// Like [`EventProducer::send_all`], and tells where each partition now ends.
    ///
    /// # Errors
    /// When one could not be made durable; others may be there then.
    pub async fn send_all_at(&self, records: Vec<OutRecord>) -> Result<Offsets, BusError> {
        send_and_wait(&self.client, &self.config, &records).await.map(|result| result.ends)
    }
}

/// Sends and waits for the delivery reports; the ends of the partitions come back.
pub(crate) async fn deliver(client: &Client, config: &BusConfig, records: &[OutRecord]) -> Result<Offsets, BusError> {
    send_and_wait(client, config, records).await.map(|result| result.ends)
}

async fn send_and_wait(client: &Client, config: &BusConfig, records: &[OutRecord]) -> Result<TallyResult, BusError> {
    let tally = Tally::new();
    let mut refused = None;
    for record in records {
        if let Err(error) = enqueue(client, &tally, record).await {
            refused = Some((error, record.topic.clone()));
            break;
        }
    }
    tally.arrive();
    tally.wait().await;
    let result = tally.take();
    if let Some((error, topic)) = refused {
        return Err(config.error(&format!("write to `{topic}`"), error));
    }
    match &result.error {
        Some(error) => {
            let topic = records.first().map_or("", |r| r.topic.as_str());
            Err(config.error(&format!("write {} records (first to `{topic}`)", records.len()), error.clone()))
        }
        None => Ok(result),
    }
}

async fn enqueue(client: &Client, tally: &Arc<Tally>, record: &OutRecord) -> Result<(), KafkaError> {
    loop {
        let mut out = BaseRecord::with_opaque_to(&record.topic, Arc::clone(tally)).key(record.key.as_slice());
        if let Some(value) = &record.value {
            out = out.payload(value.as_slice());
        }
        if !record.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            out = out.headers(headers);
        }
        tally.open.fetch_add(1, Ordering::AcqRel);
        match client.send(out) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                tally.open.fetch_sub(1, Ordering::AcqRel);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err((error, _)) => {
                tally.open.fetch_sub(1, Ordering::AcqRel);
                return Err(error);
            }
        }
    }
}

/// Waits until the client has nothing left in flight, so that a following flush returns at once.
pub(crate) async fn settle(client: &Client) {
    while client.in_flight_count() > 0 {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
