//! Reading as a member of a consumer group: the partitions of some topics are shared out among all members.
//!
//! What belongs together is a *share*: the partitions that this member holds between two rebalances, with a number. Records of an earlier
//! share are thrown away where they wait, and offsets are committed only as long as the share they were read in is held: what another
//! member has been given is its own business.
//!
//! Commits carry a label. Where the group's offset has another label than this member's, reading begins anew: a worker that changes
//! what it makes of the records (another model) changes its label.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::config::{BusConfig, BusError};
use super::offsets::Offsets;
use super::reader::{Names, Record, Watch, passes, record};
use super::{Bus, blocking};

/// Chunks that wait for the job, and records of one: little, because a rebalance throws them away.
const CHUNKS: usize = 2;
const CHUNK: usize = 512;

const TIMEOUT: Duration = Duration::from_secs(10);

type Chunk = (u64, Vec<Record>);

/// Reads as a member of a group. Dropping it leaves the group.
pub struct GroupReader {
    consumer: Arc<BaseConsumer<Member>>,
    config: BusConfig,
    group: String,
    chunks: mpsc::Receiver<Result<Chunk, KafkaError>>,
    left: VecDeque<Record>,
    /// The share that `left` and the last batch belong to.
    share: u64,
    read: Offsets,
    stop: Arc<AtomicBool>,
}

impl Bus {
    /// Joins `group` to share the partitions of `topics` with its other members. Each partition goes on where the group has committed with the
    /// same `label`; where it has not, from the beginning.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn group_reader(&self, group: &str, topics: &[String], label: &str) -> Result<GroupReader, BusError> {
        self.bounds(topics).await?;
        let mut client = self.config().reading(group);
        client
            .set("partition.assignment.strategy", "range,roundrobin")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "1000")
            .set("max.poll.interval.ms", "600000")
            .set("queued.min.messages", "2000");
        let (config, topics, member) = (self.config().clone(), topics.to_vec(), Member::new(label));
        let consumer = blocking(move || {
            let consumer: BaseConsumer<Member> = client.create_with_context(member).map_err(|e| config.error("make a reader", e))?;
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            consumer.subscribe(&names).map_err(|e| config.error("join a group", e))?;
            Ok(Arc::new(consumer))
        })
        .await?;
        let (stop, (out, chunks)) = (Arc::new(AtomicBool::new(false)), mpsc::channel(CHUNKS));
        let pump = Pump { consumer: Arc::clone(&consumer), out, stop: Arc::clone(&stop), names: Names::default() };
        let spawned = std::thread::Builder::new().name(format!("read {group}").chars().take(15).collect()).spawn(move || pump.run());
        spawned.map_err(|_| BusError::Closed)?;
        let (config, group) = (self.config().clone(), group.to_owned());
        Ok(GroupReader { consumer, config, group, chunks, left: VecDeque::new(), share: 0, read: Offsets::default(), stop })
    }
}

impl GroupReader {
    /// Waits for records of the partitions that are held and returns at most `max`: as soon as there are `max`, or `linger` after the first
    /// one. Waits for ever when nothing comes; safe to drop while it waits.
    ///
    /// # Errors
    /// When the client gave up. Interruptions of the connection and rebalances are not errors.
    pub async fn batch(&mut self, max: usize, linger: Duration) -> Result<Vec<Record>, BusError> {
        self.drop_foreign();
        while self.left.is_empty() {
            let chunk = self.chunks.recv().await;
            self.keep(chunk)?;
        }
        let until = Instant::now() + linger;
        while self.left.len() < max {
            match timeout_at(until, self.chunks.recv()).await {
                Ok(chunk) => self.keep(chunk)?,
                Err(_) => break,
            }
        }
        let count = self.left.len().min(max);
        let batch: Vec<Record> = self.left.drain(..count).collect();
        self.read = Offsets::default();
        self.read.advance_over(&batch);
        Ok(batch)
    }

    fn drop_foreign(&mut self) {
        if self.share != self.member().number() {
            self.left.clear();
        }
    }

    fn keep(&mut self, chunk: Option<Result<Chunk, KafkaError>>) -> Result<(), BusError> {
        match chunk {
            Some(Ok((share, records))) => {
                if share == self.member().number() {
                    if share != self.share {
                        self.left.clear();
                        self.share = share;
                    }
                    self.left.extend(records);
                }
                Ok(())
            }
            Some(Err(error)) => Err(self.config.error(&format!("read as a member of `{}`", self.group), error)),
            None => Err(BusError::Closed),
        }
    }

    fn member(&self) -> &Member {
        self.consumer.context()
    }

    /// The number of the share that the last batch belongs to: a new one with every rebalance.
    pub fn share(&self) -> u64 {
        self.share
    }

    /// Partitions held now.
    pub fn held(&self) -> usize {
        self.member().lock().held
    }

    /// How many records of the partitions held are still to come, as of about half a second ago.
    pub fn lag(&self) -> i64 {
        self.member().watch.behind() + i64::try_from(self.left.len()).unwrap_or(i64::MAX)
    }

    /// Commits the offsets behind the last batch. False, and nothing is committed, when its partitions have been given to another member
    /// meanwhile: that one does the work again.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn commit(&self) -> Result<bool, BusError> {
        let (consumer, config, share) = (Arc::clone(&self.consumer), self.config.clone(), self.share);
        let (read, group) = (self.read.clone(), self.group.clone());
        blocking(move || {
            // Held until the broker has answered: a rebalance waits so long, and finds the offsets committed.
            let now = consumer.context().lock();
            if now.number != share {
                return Ok(false);
            }
            match consumer.commit(&labelled(&read, &consumer.context().label)?, CommitMode::Sync) {
                Ok(()) => Ok(true),
                Err(error) if is_rebalance(&error) => Ok(false),
                Err(error) => Err(config.error(&format!("commit offsets of `{group}`"), error)),
            }
        })
        .await
    }
}

impl Drop for GroupReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn labelled(read: &Offsets, label: &str) -> Result<TopicPartitionList, BusError> {
    let mut list = TopicPartitionList::with_capacity(read.0.len());
    for ((topic, partition), next) in &read.0 {
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(*next)).map_err(|_| BusError::Closed)?;
        element.set_metadata(label);
    }
    Ok(list)
}

fn is_rebalance(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let codes = [Code::RebalanceInProgress, Code::IllegalGeneration, Code::UnknownMemberId, Code::AssignmentLost, Code::FencedInstanceId];
    error.rdkafka_error_code().is_some_and(|code| codes.contains(&code))
}

/// What this member holds.
struct Share {
    number: u64,
    held: usize,
}

/// Hears what the group decides, and where the client stands.
struct Member {
    label: String,
    share: Mutex<Share>,
    /// A copy of the share's number for who must not wait.
    number: AtomicU64,
    failed: Mutex<Option<KafkaError>>,
    watch: Watch,
}

impl Member {
    fn new(label: &str) -> Self {
        let share = Mutex::new(Share { number: 0, held: 0 });
        Self { label: label.to_owned(), share, number: AtomicU64::new(0), failed: Mutex::new(None), watch: Watch::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    fn holds(&self, partitions: usize) {
        let mut share = self.lock();
        share.number += 1;
        share.held = partitions;
        self.number.store(share.number, Ordering::Release);
        self.watch.at(0);
    }

    /// Where each partition goes on.
    fn beginnings(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        let list = consumer.committed_offsets(given.clone(), TIMEOUT)?;
        let mut anew = 0;
        for mut element in list.elements() {
            element.error()?;
            let known = matches!(element.offset(), Offset::Offset(_));
            if !known || element.metadata() != self.label {
                anew += usize::from(known);
                element.set_offset(Offset::Beginning)?;
            }
        }
        if anew > 0 {
            tracing::info!(label = self.label, partitions = anew, "the group has worked with another label: reading from the beginning");
        }
        Ok(list)
    }
}

impl ClientContext for Member {
    fn stats(&self, statistics: Statistics) {
        self.watch.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "event log client");
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let given = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        self.holds(if given { list.count() } else { 0 });
        let done = if given { self.beginnings(consumer, list).and_then(|from| consumer.assign(&from)) } else { consumer.unassign() };
        if let Err(error) = done {
            // The job ends with it, leaves the group, and comes back.
            drop(consumer.unassign());
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

/// The thread between the client and the job.
struct Pump {
    consumer: Arc<BaseConsumer<Member>>,
    out: mpsc::Sender<Result<Chunk, KafkaError>>,
    stop: Arc<AtomicBool>,
    names: Names,
}

impl Pump {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            let mut chunk = Vec::new();
            let mut wait = Duration::from_millis(100);
            let mut share = self.consumer.context().number();
            let mut failed = None;
            while chunk.len() < CHUNK {
                let polled = self.consumer.poll(wait);
                // A rebalance happens within a poll: what was read before it is another's now.
                let now = self.consumer.context().number();
                if now != share {
                    chunk.clear();
                    share = now;
                }
                match polled {
                    Some(Ok(message)) => chunk.push(record(&message, &mut self.names)),
                    Some(Err(error)) if passes(&error) => self.consumer.context().watch.complain(&error),
                    Some(Err(error)) => failed = Some(error),
                    None => break,
                }
                if failed.is_some() {
                    break;
                }
                wait = Duration::ZERO;
            }
            failed = failed.or_else(|| self.consumer.context().failed.lock().unwrap_or_else(PoisonError::into_inner).take());
            if !chunk.is_empty() && self.out.blocking_send(Ok((share, chunk))).is_err() {
                return;
            }
            if let Some(error) = failed {
                drop(self.out.blocking_send(Err(error)));
                return;
            }
        }
    }
}
