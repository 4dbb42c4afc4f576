//! The job: read, fold, write, save.

use std::time::Duration;

use features::generation;
use features::sets::feature_sets;
use features::topic::Topic;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::people::{Change, People};
use crate::bus::{Bus, EventProducer, Offsets, OutRecord, Reader, Record};
use crate::claim::Claim;
use crate::dead_letters;
use crate::ownership::owned;
use crate::snapshots::{SnapshotError, SnapshotStore};
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "assembler";

/// Another name wherever what is in it has another shape.
const SNAPSHOT: &str = "people-2";
/// What earlier programs left; it must not keep people that were erased since.
const OLD_SNAPSHOT: &str = "people";

/// The `[assembler]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssemblerConfig {
    /// Records of a round at most.
    pub batch: usize,
    /// How long a round waits for more after its first record, in milliseconds: a like touches several topics.
    pub linger_ms: u64,
    /// How often the state is saved, in seconds.
    pub snapshot_s: u64,
    /// People of a round whose taste is refreshed because somebody they like changed.
    pub stale_at_once: usize,
}

impl Default for AssemblerConfig {
    fn default() -> Self {
        Self { batch: 5_000, linger_ms: 10, snapshot_s: 30, stale_at_once: 100 }
    }
}

/// The assembler.
pub struct Assembler {
    bus: Bus,
    snapshots: SnapshotStore,
    config: AssemblerConfig,
}

fn topics() -> Vec<String> {
    let fixed = [Topic::Profiles, Topic::Embeddings, Topic::Interactions].map(|t| t.name().to_owned());
    fixed.into_iter().chain([generation::TOPIC.to_owned()]).chain(feature_sets().iter().map(features::sets::FeatureSet::topic)).collect()
}

impl Assembler {
    /// An assembler whose state lives below `assembler` in `snapshots`.
    pub fn new(bus: Bus, snapshots: &SnapshotStore, config: AssemblerConfig) -> Self {
        Self { bus, snapshots: snapshots.below(NAME), config }
    }

    /// Runs until shutdown, or stands by while another process runs; the state is saved in the end.
    ///
    /// # Errors
    /// When the event log or the store fails, or another process has taken over; the next start goes on from the last snapshot.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        context.progress.reads(&topics());
        let bus = self.bus.clone();
        owned(&bus, NAME, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        let claim = Claim::take(&self.snapshots).await?;
        let (people, from) = self.restore().await?;
        let reader = self.bus.reader(NAME, &topics(), &from).await?;
        let producer = self.bus.producer()?;
        context.progress.running();
        let mut run = Run { claim, people, reader, producer, job: self, context, saved: Instant::now(), unsaved: false };
        run.until_shutdown().await?;
        run.save().await
    }

    async fn restore(&self) -> Result<(People, Offsets), JobError> {
        self.snapshots.delete(OLD_SNAPSHOT).await.map_err(|e| JobError::failed("remove the snapshot of an earlier program", e))?;
        let found = match self.snapshots.get(SNAPSHOT).await {
            Ok(found) => found,
            Err(SnapshotError::Damaged { name, reason }) => {
                tracing::warn!(name, reason, "the snapshot is damaged: reading the topics from the beginning");
                None
            }
            Err(error) => return Err(JobError::failed("read the snapshot", error)),
        };
        let Some(bytes) = found else { return Ok((People::default(), Offsets::default())) };
        let unpacked = zstd::stream::decode_all(bytes.as_ref()).map_err(|e| e.to_string());
        match unpacked.and_then(|b| postcard::from_bytes::<(People, Vec<(String, i32, i64)>)>(&b).map_err(|e| e.to_string())) {
            Ok((mut people, offsets)) => {
                people.rebuild();
                Ok((people, Offsets(offsets.into_iter().map(|(t, p, o)| ((t, p), o)).collect())))
            }
            Err(reason) => {
                tracing::warn!(reason, "the snapshot is of another version: reading the topics from the beginning");
                Ok((People::default(), Offsets::default()))
            }
        }
    }
}

struct Run {
    claim: Claim,
    people: People,
    reader: Reader,
    producer: EventProducer,
    job: Assembler,
    context: JobContext,
    saved: Instant,
    unsaved: bool,
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<(), JobError> {
        loop {
            let linger = Duration::from_millis(self.job.config.linger_ms);
            let idle = if self.people.has_work() { Duration::from_millis(1) } else { Duration::from_secs(1) };
            let shutdown = self.context.shutdown.clone();
            let records = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                records = timeout(idle, self.reader.batch(self.job.config.batch, linger)) => records.unwrap_or_else(|_| Ok(Vec::new()))?,
            };
            self.fold(&records).await?;
            self.write().await?;
            self.context.progress.advance(records.len() as u64, self.reader.lag(), (self.context.clock)());
            if self.unsaved && self.saved.elapsed() >= Duration::from_secs(self.job.config.snapshot_s) {
                self.save().await?;
            }
        }
    }

    async fn fold(&mut self, records: &[Record]) -> Result<(), JobError> {
        let mut refused = Vec::new();
        for record in records {
            if let Err(reason) = self.people.apply(record) {
                refused.push(dead_letters::letter(NAME, record, &reason, (self.context.clock)()));
            }
        }
        self.unsaved |= !records.is_empty();
        self.producer.send_all(refused).await?;
        Ok(())
    }

    async fn write(&mut self) -> Result<(), JobError> {
        if !self.people.has_work() {
            return Ok(());
        }
        let now = u64::try_from((self.context.clock)().timestamp_millis()).unwrap_or(0);
        let changes = self.people.take_changes(now, self.job.config.stale_at_once);
        let out = changes.into_iter().map(|change| match change {
            Change::Erased(user) => Ok(OutRecord::new(Topic::Portraits.name(), user.to_string(), None)),
            Change::Portrait(p) => {
                let value = serde_json::to_vec(&*p).map_err(|e| JobError::failed("encode a portrait", e))?;
                Ok(OutRecord::new(Topic::Portraits.name(), p.user_id.to_string(), Some(value)))
            }
        });
        self.producer.send_all(out.collect::<Result<_, JobError>>()?).await?;
        Ok(())
    }

    /// Saves state and offsets as one, then tells the group where it stands.
    async fn save(&mut self) -> Result<(), JobError> {
        while self.people.has_fresh() {
            self.write().await?;
        }
        let position = self.reader.position().clone();
        let offsets: Vec<(&str, i32, i64)> = position.0.iter().map(|((t, p), o)| (t.as_str(), *p, *o)).collect();
        let bytes = postcard::to_stdvec(&(&self.people, offsets)).map_err(|e| JobError::failed("encode the snapshot", e))?;
        let packed = zstd::stream::encode_all(bytes.as_slice(), 1).map_err(|e| JobError::failed("pack the snapshot", e))?;
        self.claim.check().await?;
        self.job.snapshots.put(SNAPSHOT, &packed).await.map_err(|e| JobError::failed("save the snapshot", e))?;
        self.reader.commit(&position).await?;
        (self.saved, self.unsaved) = (Instant::now(), false);
        Ok(())
    }
}
