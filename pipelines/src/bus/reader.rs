//! Reading: every partition of some topics from given offsets, in batches, committed records only.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::statistics::Statistics;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::config::{BusConfig, BusError};
use super::offsets::Offsets;
use super::{Bus, blocking};

/// One record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was written, in Unix milliseconds; 0 when unknown.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Header names and values.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

/// Chunks that wait between the client's thread and the job; with [`CHUNK`] the bound on what is held in memory.
const CHUNKS: usize = 8;
const CHUNK: usize = 4096;

/// Reads every partition of its topics. Dropping it stops it.
pub struct Reader {
    consumer: Arc<BaseConsumer<Watch>>,
    config: BusConfig,
    group: String,
    chunks: mpsc::Receiver<Result<Vec<Record>, KafkaError>>,
    left: VecDeque<Record>,
    position: Offsets,
    stop: Arc<AtomicBool>,
    buffered: Arc<AtomicI64>,
}

impl Bus {
    /// Opens a reader of every partition of `topics` from the offsets in `from`; where that says nothing, from what `group` has
    /// committed, and where that says nothing either, from the beginning. The reader does not join the group (nothing is
    /// rebalanced); `group` only names its commits.
    ///
    /// # Errors
    /// When the broker does not answer, a topic is missing, or `from` lies beyond the end of a partition.
    pub async fn reader(&self, group: &str, topics: &[String], from: &Offsets) -> Result<Reader, BusError> {
        let (low, high) = self.bounds(topics).await?;
        let known = high.0.keys().all(|(topic, partition)| from.get(topic, *partition).is_some());
        let committed = if known { Offsets::default() } else { self.committed(group, topics).await? };
        let mut position = Offsets::default();
        for ((topic, partition), end) in &high.0 {
            let first = low.get(topic, *partition).unwrap_or(0);
            let asked = from.get(topic, *partition).or_else(|| committed.get(topic, *partition)).unwrap_or(first);
            if asked > *end {
                let (topic, brokers) = (topic.as_str().into(), self.config().brokers.as_str().into());
                return Err(BusError::BeyondEnd { topic, partition: *partition, asked, end: *end, group: group.into(), brokers });
            }
            if asked < first {
                tracing::warn!(
                    group,
                    topic,
                    partition,
                    asked,
                    first,
                    "retention removed records before this job read them; it goes on at the first one left"
                );
                metrics::counter!("hongniang_job_lost_to_retention_total", "job" => group.to_owned())
                    .increment((first - asked).unsigned_abs());
            }
            position.set(topic, *partition, asked.max(first));
        }
        let behind = position.0.iter().map(|(at, next)| high.0.get(at).map_or(0, |end| end - next)).sum();
        Reader::open(self.config().clone(), group.to_owned(), position, behind).await
    }
}

impl Reader {
    async fn open(config: BusConfig, group: String, position: Offsets, behind: i64) -> Result<Self, BusError> {
        let client = config.reading(&group);
        let (list, at) = (position.to_list(), config.clone());
        let consumer = blocking(move || {
            let consumer: BaseConsumer<Watch> = client.create_with_context(Watch::new(behind)).map_err(|e| at.error("make a reader", e))?;
            consumer.assign(&list).map_err(|e| at.error("read partitions", e))?;
            Ok(Arc::new(consumer))
        })
        .await?;
        let (stop, buffered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (chunks_in, chunks) = mpsc::channel(CHUNKS);
        let pump = Pump {
            consumer: Arc::clone(&consumer),
            out: chunks_in,
            stop: Arc::clone(&stop),
            buffered: Arc::clone(&buffered),
            names: Names::default(),
        };
        let spawned = std::thread::Builder::new().name(format!("read {group}").chars().take(15).collect()).spawn(move || pump.run());
        spawned.map_err(|_| BusError::Closed)?;
        Ok(Self { consumer, config, group, chunks, left: VecDeque::new(), position, stop, buffered })
    }

    /// Waits for records and returns at most `max`: as soon as there are `max`, or `linger` after the first one. Waits for ever when
    /// nothing comes; safe to drop while it waits.
    ///
    /// # Errors
    /// When the client gave up: an offset is gone, a topic was deleted, or access is refused. Interruptions of the
    /// connection are not errors: the client reconnects.
    pub async fn batch(&mut self, max: usize, linger: Duration) -> Result<Vec<Record>, BusError> {
        if self.left.is_empty() {
            let first = self.chunks.recv().await;
            self.keep(first)?;
        }
        let until = Instant::now() + linger;
        while self.left.len() < max {
            match timeout_at(until, self.chunks.recv()).await {
                Ok(chunk) => self.keep(chunk)?,
                Err(_) => break,
            }
        }
        let batch: Vec<Record> = if self.left.len() <= max { self.left.drain(..).collect() } else { self.left.drain(..max).collect() };
        self.position.advance_over(&batch);
        Ok(batch)
    }

    fn keep(&mut self, chunk: Option<Result<Vec<Record>, KafkaError>>) -> Result<(), BusError> {
        match chunk {
            Some(Ok(records)) => {
                let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
                self.left.extend(records);
                self.buffered.fetch_sub(count, Ordering::AcqRel);
                Ok(())
            }
            Some(Err(error)) => Err(self.config.error(&format!("read as `{}`", self.group), error)),
            None => Err(BusError::Closed),
        }
    }

    /// The next offset to read of each partition, after the last batch.
    pub fn position(&self) -> &Offsets {
        &self.position
    }

    /// How many records are still to come, as of about half a second ago.
    pub fn lag(&self) -> i64 {
        let behind = self.consumer.context().behind();
        behind + self.buffered.load(Ordering::Relaxed) + i64::try_from(self.left.len()).unwrap_or(i64::MAX)
    }

    /// Whether every record that was there when the reader was opened has come out of [`Reader::batch`]. Positions alone do not tell:
    /// the markers of transactions take offsets that no reader sees. It becomes true within about half a second.
    pub fn caught_up(&self) -> bool {
        // In this order: what is counted as fetched has been counted as buffered before.
        let watch = self.consumer.context();
        watch.known.load(Ordering::Acquire)
            && watch.behind.load(Ordering::Acquire) == 0
            && self.buffered.load(Ordering::Acquire) == 0
            && self.left.is_empty()
    }

    /// Commits offsets to the group.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn commit(&self, offsets: &Offsets) -> Result<(), BusError> {
        if offsets.0.is_empty() {
            return Ok(());
        }
        let (consumer, list, config) = (Arc::clone(&self.consumer), offsets.to_list(), self.config.clone());
        let what = format!("commit offsets of `{}`", self.group);
        blocking(move || consumer.commit(&list, CommitMode::Sync).map_err(|e| config.error(&what, e))).await
    }

    pub(crate) fn consumer(&self) -> Arc<BaseConsumer<Watch>> {
        Arc::clone(&self.consumer)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Watches how far the client's fetching is behind the end.
pub(crate) struct Watch {
    behind: AtomicI64,
    /// Whether `behind` comes from the client, which knows about markers.
    known: AtomicBool,
    complained: Mutex<Option<String>>,
}

impl Watch {
    pub(super) fn new(behind: i64) -> Self {
        Self { behind: AtomicI64::new(behind), known: AtomicBool::new(false), complained: Mutex::new(None) }
    }

    /// How many records are still to come.
    pub(super) fn behind(&self) -> i64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// Says how far behind it is, until the client says so.
    pub(super) fn at(&self, behind: i64) {
        self.behind.store(behind, Ordering::Release);
    }

    pub(super) fn complain(&self, error: &KafkaError) {
        let text = error.to_string();
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&text) {
            tracing::warn!(error = text, "the event log is interrupted; the client keeps trying");
            *last = Some(text);
        }
    }
}

impl ClientContext for Watch {
    fn stats(&self, statistics: Statistics) {
        let partitions =
            || statistics.topics.values().flat_map(|topic| topic.partitions.values()).filter(|p| p.desired && p.partition >= 0);
        if partitions().any(|p| p.next_offset < 0 || p.ls_offset < 0) {
            // Some partition has not answered yet.
            return;
        }
        let behind: i64 = partitions().map(|p| (p.ls_offset - p.next_offset).max(0)).sum();
        // All partitions share one queue, and each reports its whole length.
        let queued = partitions().map(|p| p.fetchq_cnt.max(0)).max().unwrap_or(0);
        self.behind.store(behind + queued, Ordering::Release);
        self.known.store(true, Ordering::Release);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "event log client");
    }
}

impl ConsumerContext for Watch {}

/// The thread between the client and the job.
struct Pump {
    consumer: Arc<BaseConsumer<Watch>>,
    out: mpsc::Sender<Result<Vec<Record>, KafkaError>>,
    stop: Arc<AtomicBool>,
    buffered: Arc<AtomicI64>,
    names: Names,
}

impl Pump {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            let mut chunk = Vec::new();
            let mut failed = self.take(Duration::from_millis(100), &mut chunk);
            while failed.is_none() && !chunk.is_empty() && chunk.len() < CHUNK {
                let before = chunk.len();
                failed = self.take(Duration::ZERO, &mut chunk);
                if chunk.len() == before {
                    break;
                }
            }
            if !chunk.is_empty() && self.out.blocking_send(Ok(chunk)).is_err() {
                return;
            }
            if let Some(error) = failed {
                // The job ends with it and opens a new reader.
                drop(self.out.blocking_send(Err(error)));
                return;
            }
        }
    }

    /// Polls once; a record is added to `chunk`, an error that does not pass by itself comes back.
    fn take(&mut self, wait: Duration, chunk: &mut Vec<Record>) -> Option<KafkaError> {
        match self.consumer.poll(wait)? {
            Ok(message) => {
                chunk.push(record(&message, &mut self.names));
                self.buffered.fetch_add(1, Ordering::AcqRel);
                None
            }
            Err(error) if passes(&error) => {
                self.consumer.context().complain(&error);
                None
            }
            Err(error) => Some(error),
        }
    }
}

/// Names of topics, each held once.
pub(super) type Names = HashMap<String, Arc<str>>;

pub(super) fn record(message: &BorrowedMessage<'_>, topics: &mut Names) -> Record {
    let topic = match topics.get(message.topic()) {
        Some(topic) => Arc::clone(topic),
        None => Arc::clone(topics.entry(message.topic().to_owned()).or_insert_with(|| Arc::from(message.topic()))),
    };
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// Errors that the client heals by itself.
pub(super) fn passes(error: &KafkaError) -> bool {
    let transient = |code: &RDKafkaErrorCode| {
        use RDKafkaErrorCode as Code;
        matches!(
            code,
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
        )
    };
    match error {
        KafkaError::MessageConsumption(code) => transient(code),
        KafkaError::PartitionEOF(_) => true,
        _ => false,
    }
}
