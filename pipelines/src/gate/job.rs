//! The job: read, judge, file, commit, all in one transaction.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::EventId;
use features::topic::Topic;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::dedup::{Dedup, Tail};
use super::sort::{EVENT_ID_HEADER, Verdict, judge};
use crate::bus::{Bus, BusError, Offsets, OutRecord, Reader, Record, TransactionalProducer};
use crate::dead_letters;
use crate::forget::Wishes;
use crate::ownership::owned;
use crate::snapshots::SnapshotStore;
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "gate";

const SNAPSHOT: &str = "ids";

/// The `[gate]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// Records of a transaction at most.
    pub batch: usize,
    /// How long a transaction waits for more after its first record, in milliseconds.
    pub linger_ms: u64,
    /// How many days an event id is remembered; a repeat that comes later is filed again.
    pub dedup_days: u32,
    /// How many event ids are remembered at most, at about 45 bytes each.
    pub dedup_most: usize,
    /// How often the ids are saved, in seconds; what came after is read again from the filed topics.
    pub snapshot_s: u64,
    /// Name of the transactions. Two gates of one name fence each other off: exactly one files.
    pub transactional_id: String,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            batch: 10_000,
            linger_ms: 5,
            dedup_days: 7,
            dedup_most: 2_000_000,
            snapshot_s: 60,
            transactional_id: "hongniang-gate".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    ids: Vec<(i64, Vec<u128>)>,
    filed: Vec<(String, i32, i64)>,
}

/// The gate.
pub struct Gate {
    bus: Bus,
    state: SnapshotStore,
    snapshots: SnapshotStore,
    config: GateConfig,
}

impl Gate {
    /// A gate whose memory lives below `gate` in `snapshots`.
    pub fn new(bus: Bus, snapshots: &SnapshotStore, config: GateConfig) -> Self {
        Self { bus, state: snapshots.clone(), snapshots: snapshots.below(NAME), config }
    }

    /// Runs until shutdown, or stands by while another process runs.
    ///
    /// # Errors
    /// When the event log fails, or another process has taken over. Nothing of an unfinished transaction is visible; the next start fences this one off, reads
    /// again which ids are filed, and goes on at the committed offsets.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        context.progress.reads(&[Topic::Inbox.name().to_owned()]);
        let bus = self.bus.clone();
        owned(&bus, NAME, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        // First of all: from here on no older gate can file anything, and its open transaction is decided.
        let producer = self.bus.transactional(&self.config.transactional_id).await?;
        let (dedup, filed) = self.restore(&context).await?;
        let inbox = [Topic::Inbox.name().to_owned()];
        let mut from = self.bus.beginning_offsets(&inbox).await?;
        from.merge(&self.bus.committed(NAME, &inbox).await?);
        let reader = self.bus.reader(NAME, &inbox, &from).await?;
        context.progress.running();
        let (saved_at, wishes) = (Instant::now(), Wishes::new(&self.state, NAME));
        let mut run = Run { gate: self, producer, reader, dedup, filed, context, wishes, saved_at, unsaved: false, told: false };
        run.until_shutdown().await?;
        run.save().await
    }

    /// The ids that are filed: from the snapshot, and from the filed topics behind it.
    async fn restore(&self, context: &JobContext) -> Result<(Dedup, Offsets), JobError> {
        let mut dedup = Dedup::new(TimeDelta::days(i64::from(self.config.dedup_days)), self.config.dedup_most);
        let topics: Vec<String> = Topic::FILED.iter().map(|topic| topic.name().to_owned()).collect();
        let mut known = Offsets::default();
        if let Some(bytes) = self.snapshots.get(SNAPSHOT).await? {
            let saved: Saved = postcard::from_bytes(&bytes).map_err(|e| JobError::failed("read the saved event ids", e))?;
            dedup.refill(saved.ids);
            known = Offsets(saved.filed.into_iter().map(|(topic, partition, next)| ((topic, partition), next)).collect());
        }
        let mut tail = Tail::new(self.config.dedup_most);
        let mut behind = self.bus.sweep("gate-ids", &topics, &known).await?;
        while let Some(records) = behind.next().await? {
            for record in records {
                if let Some(id) = filed_id(&record) {
                    tail.push(id.as_u128(), written_at(&record, (context.clock)()));
                }
            }
        }
        tail.pour(&mut dedup);
        Ok((dedup, behind.position().clone()))
    }
}

/// When a record was filed, by the broker's word.
fn written_at(record: &Record, now: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(record.timestamp_ms).filter(|at| record.timestamp_ms > 0 && *at <= now).unwrap_or(now)
}

/// The event id of a filed record.
fn filed_id(record: &Record) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Head {
        event_id: EventId,
    }
    match record.value.as_deref() {
        Some(value) => serde_json::from_slice::<Head>(value).ok().map(|head| head.event_id),
        None => record.header(EVENT_ID_HEADER).and_then(|bytes| EventId::from_slice(bytes).ok()),
    }
}

struct Run {
    gate: Gate,
    producer: TransactionalProducer,
    reader: Reader,
    dedup: Dedup,
    /// Up to where the filed topics are contained in `dedup`.
    filed: Offsets,
    context: JobContext,
    /// Who empties the filed topics asks first that the ids in them are saved: nobody could read them there again.
    wishes: Wishes,
    saved_at: Instant,
    unsaved: bool,
    /// Whether it was told that ids are forgotten early.
    told: bool,
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<(), JobError> {
        let linger = Duration::from_millis(self.gate.config.linger_ms);
        let every = Duration::from_secs(self.gate.config.snapshot_s);
        loop {
            let shutdown = self.context.shutdown.clone();
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                batch = timeout(Duration::from_secs(1), self.reader.batch(self.gate.config.batch, linger)) => batch.ok().transpose()?,
            };
            let events = batch.as_ref().map_or(0, Vec::len);
            if let Some(records) = batch {
                self.file(records).await?;
            }
            if self.unsaved && self.saved_at.elapsed() >= every {
                self.save().await?;
            }
            if let Some(wish) = self.wishes.due(self.reader.caught_up()).await? {
                self.save().await?;
                self.wishes.done(&wish).await?;
            }
            self.context.progress.advance(events as u64, self.reader.lag(), (self.context.clock)());
        }
    }

    /// Files one batch in one transaction.
    async fn file(&mut self, records: Vec<Record>) -> Result<(), JobError> {
        let now = (self.context.clock)();
        let mut read = Offsets::default();
        read.advance_over(&records);
        let (out, ids, repeats) = self.judge_all(records, now).await?;
        let ends = self.producer.write(out, &read, &self.reader).await?;
        for id in ids {
            self.dedup.insert(id.as_u128(), now);
        }
        self.tell_forgotten();
        if repeats > 0 {
            metrics::counter!("hongniang_gate_repeats_total").increment(repeats);
        }
        self.filed.merge(&ends);
        self.unsaved = true;
        Ok(())
    }

    /// Ids that had to go before their days were over: whoever reports those events again has them filed twice.
    fn tell_forgotten(&mut self) {
        let early = self.dedup.take_early();
        if early > 0 {
            metrics::counter!("hongniang_gate_forgotten_early_total").increment(early);
        }
        if early > 0 && !self.told {
            self.told = true;
            let GateConfig { dedup_most, dedup_days, .. } = self.gate.config;
            tracing::warn!(
                dedup_most,
                dedup_days,
                "event ids are forgotten before their days are over, and late repeats are filed twice; raise gate.dedup_most (45 bytes each)"
            );
        }
    }

    async fn judge_all(&self, records: Vec<Record>, now: DateTime<Utc>) -> Result<(Vec<OutRecord>, Vec<EventId>, u64), JobError> {
        let judged = if records.len() < 200 { judge_batch(records, now) } else { aside(move || judge_batch(records, now)).await? };
        let (mut out, mut ids, mut repeats, mut refused) = (Vec::with_capacity(judged.len()), Vec::with_capacity(judged.len()), 0, 0);
        let mut here: HashSet<EventId> = HashSet::with_capacity(judged.len());
        for (record, verdict) in judged {
            match verdict {
                Verdict::File(id, _) if self.dedup.contains(&id) || !here.insert(id) => repeats += 1,
                Verdict::File(id, filed) => {
                    ids.push(id);
                    out.push(filed);
                }
                Verdict::Refuse(reason) => {
                    refused += 1;
                    out.push(dead_letters::letter(NAME, &record, &reason, now));
                }
            }
        }
        if refused > 0 {
            metrics::counter!("hongniang_gate_refused_total").increment(refused);
        }
        Ok((out, ids, repeats))
    }

    /// Saves the ids and up to where the filed topics are contained in them.
    async fn save(&mut self) -> Result<(), JobError> {
        self.saved_at = Instant::now();
        if !self.unsaved {
            return Ok(());
        }
        let filed = self.filed.0.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next)).collect();
        let saved = Saved { ids: self.dedup.dump(), filed };
        let bytes = aside(move || postcard::to_stdvec(&saved)).await?.map_err(|e| JobError::failed("save the event ids", e))?;
        self.gate.snapshots.put(SNAPSHOT, &bytes).await?;
        self.unsaved = false;
        tracing::debug!(ids = self.dedup.len(), "event ids saved");
        Ok(())
    }
}

fn judge_batch(records: Vec<Record>, now: DateTime<Utc>) -> Vec<(Record, Verdict)> {
    records.into_iter().map(|record| (judge(&record, now), record)).map(|(verdict, record)| (record, verdict)).collect()
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| JobError::Bus(BusError::Closed))
}
