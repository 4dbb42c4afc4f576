//! The job: read, fold, write, save.

use std::time::Duration;

use features::generation;
use features::ids::UserId;
use features::sets::feature_sets;
use features::topic::Topic;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::people::{Change, People};
use super::rebuild::Handed;
use crate::bus::{Bus, EventProducer, Offsets, OutRecord, Reader, Record};
use crate::claim::Claim;
use crate::dead_letters;
use crate::forget::Wishes;
use crate::ownership::owned;
use crate::snapshots::{SnapshotError, SnapshotStore};
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "assembler";

/// Another name wherever what is in it has another shape.
const SNAPSHOT: &str = "people-2";
/// What earlier programs left; it must not keep people that were erased since.
const OLD_SNAPSHOT: &str = "people";

/// How often it is looked whether a backfill has handed a state over.
const LOOK: Duration = Duration::from_secs(2);

/// People of a round whose portraits are written anew after that.
const ANEW_AT_ONCE: usize = 2_000;

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
    handed: Handed,
    wishes: Wishes,
    config: AssemblerConfig,
}

pub(super) fn topics() -> Vec<String> {
    let fixed = [Topic::Profiles, Topic::Embeddings, Topic::Interactions].map(|t| t.name().to_owned());
    fixed.into_iter().chain([generation::TOPIC.to_owned()]).chain(feature_sets().iter().map(features::sets::FeatureSet::topic)).collect()
}

impl Assembler {
    /// An assembler whose state lives below `assembler` in `snapshots`.
    pub fn new(bus: Bus, snapshots: &SnapshotStore, config: AssemblerConfig) -> Self {
        let (handed, wishes) = (Handed::new(snapshots), Wishes::new(snapshots, NAME));
        Self { bus, snapshots: snapshots.below(NAME), handed, wishes, config }
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
        let now = Instant::now();
        let mut run = Run { claim, people, reader, producer, job: self, context, saved: now, unsaved: false, looked: None, takeover: None };
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
        match unpack(&bytes) {
            Ok(restored) => Ok(restored),
            Err(reason) => {
                tracing::warn!(reason, "the snapshot is of another version: reading the topics from the beginning");
                Ok((People::default(), Offsets::default()))
            }
        }
    }
}

/// State and offsets as they are saved.
pub(super) fn pack(people: &People, position: &Offsets) -> Result<Vec<u8>, JobError> {
    let offsets: Vec<(&str, i32, i64)> = position.0.iter().map(|((t, p), o)| (t.as_str(), *p, *o)).collect();
    let bytes = postcard::to_stdvec(&(people, offsets)).map_err(|e| JobError::failed("encode the snapshot", e))?;
    zstd::stream::encode_all(bytes.as_slice(), 1).map_err(|e| JobError::failed("pack the snapshot", e))
}

/// Undoes [`pack`].
pub(super) fn unpack(packed: &[u8]) -> Result<(People, Offsets), String> {
    let bytes = zstd::stream::decode_all(packed).map_err(|e| e.to_string())?;
    let (mut people, offsets) = postcard::from_bytes::<(People, Vec<(String, i32, i64)>)>(&bytes).map_err(|e| e.to_string())?;
    people.rebuild();
    Ok((people, Offsets(offsets.into_iter().map(|(t, p, o)| ((t, p), o)).collect())))
}

/// How much the saved state has of some people and about them; `all` holds the state of the jobs. Nothing where nothing usable is saved.
///
/// # Errors
/// When the store fails.
pub async fn saved_of(all: &SnapshotStore, people: &[UserId]) -> Result<u64, SnapshotError> {
    let saved = all.below(NAME).get(SNAPSHOT).await?;
    Ok(saved.and_then(|bytes| unpack(&bytes).ok()).map_or(0, |(known, _)| known.known_of(people)))
}

/// A state of a backfill that is being taken over: who waits to be written anew.
struct Takeover {
    number: u64,
    users: std::vec::IntoIter<UserId>,
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
    /// When it was looked last whether a backfill has handed a state over.
    looked: Option<Instant>,
    takeover: Option<Takeover>,
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<(), JobError> {
        loop {
            let linger = Duration::from_millis(self.job.config.linger_ms);
            let idle = if self.people.has_work() || self.takeover.is_some() { Duration::from_millis(1) } else { Duration::from_secs(1) };
            let shutdown = self.context.shutdown.clone();
            let records = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                records = timeout(idle, self.reader.batch(self.job.config.batch, linger)) => records.unwrap_or_else(|_| Ok(Vec::new()))?,
            };
            self.fold(&records).await?;
            self.write().await?;
            self.take_over().await?;
            self.forget().await?;
            self.context.progress.advance(records.len() as u64, self.reader.lag(), (self.context.clock)());
            if self.unsaved && self.saved.elapsed() >= Duration::from_secs(self.job.config.snapshot_s) {
                self.save().await?;
            }
        }
    }

    /// Begins again from a state that a backfill has handed over, if there is one, and writes everybody's portrait anew, some in each round.
    async fn take_over(&mut self) -> Result<(), JobError> {
        if let Some(takeover) = &mut self.takeover {
            let some: Vec<UserId> = takeover.users.by_ref().take(ANEW_AT_ONCE).collect();
            if some.is_empty() {
                let number = takeover.number;
                self.save().await?;
                self.job.handed.done(number).await?;
                self.takeover = None;
                tracing::info!(number, "taken over from a backfill: every portrait is written anew");
            } else {
                self.people.touch(some);
            }
            return Ok(());
        }
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        if let Some((number, people, offsets)) = self.job.handed.newest().await? {
            tracing::info!(number, "a backfill has computed other state: going on from there");
            let users = self.people.exchange(people).into_iter();
            self.reader = self.job.bus.reader(NAME, &topics(), &offsets).await?;
            self.takeover = Some(Takeover { number, users });
            self.unsaved = true;
        }
        Ok(())
    }

    /// Forgets people as it is asked to: here, in `portraits`, and in what is saved.
    async fn forget(&mut self) -> Result<(), JobError> {
        let ready = self.takeover.is_none() && self.reader.caught_up();
        if let Some(wish) = self.job.wishes.due(ready).await? {
            self.people.forget(&wish.people);
            self.save().await?;
            self.job.wishes.done(&wish).await?;
        }
        Ok(())
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
        let packed = pack(&self.people, &position)?;
        self.claim.check().await?;
        self.job.snapshots.put(SNAPSHOT, &packed).await.map_err(|e| JobError::failed("save the snapshot", e))?;
        self.reader.commit(&position).await?;
        (self.saved, self.unsaved) = (Instant::now(), false);
        Ok(())
    }
}
