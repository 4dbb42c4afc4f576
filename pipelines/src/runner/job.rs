//! The job: read, process, emit, checkpoint.

use std::time::Duration;

use features::generation;
use features::sets::{FeatureSet, feature_sets};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::engine::{Engine, Lane, Refused};
use super::plan::FeaturePlan;
use super::state::{JOIN, KeyedState};
use super::store::StateStore;
use super::swap::Swaps;
use super::takeover::Takeover;
use crate::bus::{Bus, BusError, EventProducer, Offsets, OutRecord, Reader, Record};
use crate::claim::Claim;
use crate::dead_letters;
use crate::forget::{Wish, Wishes};
use crate::generations;
use crate::ownership::owned;
use crate::snapshots::SnapshotStore;
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "features";

/// The `[features]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunnerConfig {
    /// Events of a micro-batch at most.
    pub batch: usize,
    /// How long a micro-batch waits for more after its first event, in milliseconds.
    pub linger_ms: u64,
    /// How often state and offsets are made durable, in milliseconds. What came after is replayed when the process dies.
    pub checkpoint_ms: u64,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self { batch: 20_000, linger_ms: 5, checkpoint_ms: 2_000 }
    }
}

/// The feature runner.
pub struct FeatureRunner {
    bus: Bus,
    snapshots: SnapshotStore,
    swaps: Swaps,
    wishes: Wishes,
    sets: Vec<FeatureSet>,
    config: RunnerConfig,
}

/// Why a run came to its end.
enum End {
    Shutdown,
    /// A backfill has computed other state: begin again from there.
    Swap,
}

impl FeatureRunner {
    /// A runner of every feature set; its state lives below `features` in `snapshots`.
    pub fn new(bus: Bus, snapshots: &SnapshotStore, config: RunnerConfig) -> Self {
        let (swaps, wishes) = (Swaps::new(snapshots), Wishes::new(snapshots, NAME));
        Self { bus, snapshots: snapshots.below(NAME), swaps, wishes, sets: feature_sets().to_vec(), config }
    }

    /// The same with other feature sets.
    #[must_use]
    pub fn with_sets(mut self, sets: Vec<FeatureSet>) -> Self {
        self.sets = sets;
        self
    }

    /// Runs until shutdown, or stands by while another process runs.
    ///
    /// # Errors
    /// When the event log or the state store fails, or another process has taken over; what was not checkpointed is replayed by the
    /// next start.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let mut topics: Vec<String> = self.sets.iter().map(|set| set.source.name().to_owned()).collect();
        topics.sort_unstable();
        topics.dedup();
        context.progress.reads(&topics);
        let bus = self.bus.clone();
        owned(&bus, NAME, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        loop {
            let mut run = self.begin(context.clone()).await?;
            let end = run.until_shutdown().await?;
            run.checkpoint().await?;
            match end {
                End::Shutdown => return Ok(()),
                End::Swap => tracing::info!("a backfill has computed other state: beginning again from there"),
            }
        }
    }

    async fn begin(&self, context: JobContext) -> Result<Run, JobError> {
        let claim = Claim::take(&self.snapshots).await?;
        let mut takeover = Takeover::look(&self.swaps, &self.sets, &self.bus).await?;
        let engine = self.restore(claim.number(), &mut takeover).await?;
        let topics: Vec<String> = engine.sources().iter().map(|topic| topic.name().to_owned()).collect();
        let from = starting_points(&engine, &self.bus.beginning_offsets(&topics).await?);
        let reader = self.bus.reader(NAME, &topics, &from).await?;
        let producer = self.bus.own_producer()?;
        context.progress.running();
        Ok(Run {
            claim,
            engine: Some(engine),
            reader,
            producer,
            sending: None,
            config: self.config.clone(),
            context,
            last_checkpoint: Instant::now(),
            unsaved: 0,
            swaps: self.swaps.clone(),
            wishes: self.wishes.clone(),
            takeover,
        })
    }

    async fn restore(&self, claim: u64, takeover: &mut Takeover) -> Result<Engine, JobError> {
        let mut lanes = Vec::with_capacity(self.sets.len());
        let announced = generations::announced(&self.bus).await?;
        for set in &self.sets {
            let plan = FeaturePlan::new(set).await.map_err(|e| JobError::failed(format!("plan feature set `{}`", set.name), e))?;
            let store = StateStore::new(&self.snapshots, set, claim);
            let mut saved = store.load(set).await?;
            let taken = takeover.offered(set, &mut saved).await?;
            let from_swap = taken.is_some();
            let (mut state, offsets, generation) = match (taken, saved) {
                (Some(taken), _) => taken,
                (None, Some(loaded)) if loaded.same_sql => (loaded.state, loaded.offsets, loaded.generation),
                (None, Some(old)) => {
                    tracing::info!(set = set.name, generation = old.generation + 1, "the SQL changed: computing again from the beginning");
                    (KeyedState::new(set), Offsets::default(), old.generation + 1)
                }
                (None, None) => {
                    (KeyedState::new(set), Offsets::default(), generations::newest_row(&self.bus, set).await?.saturating_add(1))
                }
            };
            // Another runtime took over since: its rows win over those of this state, until this state speaks in a later generation.
            let overtaken = announced.of(&set.name) >= generation && announced.of(&set.name) > generation::FIRST;
            let generation = if overtaken { announced.of(&set.name) + 1 } else { generation };
            if overtaken {
                state.mark_all();
            }
            let saved = offsets.clone();
            lanes.push(Lane { set: set.clone(), plan, state, saved, offsets, generation, store, held: from_swap, anew: from_swap });
        }
        Ok(Engine { lanes })
    }
}

/// Where to read from: for each partition where the set that is furthest behind stands.
fn starting_points(engine: &Engine, beginning: &Offsets) -> Offsets {
    let mut from = Offsets::default();
    for ((topic, partition), first) in &beginning.0 {
        let readers = engine.lanes.iter().filter(|lane| lane.set.source.name() == topic);
        let least = readers.map(|lane| lane.offsets.get(topic, *partition).unwrap_or(*first)).min();
        from.set(topic, *partition, least.unwrap_or(*first));
    }
    from
}

struct Run {
    claim: Claim,
    engine: Option<Engine>,
    reader: Reader,
    producer: EventProducer,
    sending: Option<JoinHandle<Result<(), BusError>>>,
    config: RunnerConfig,
    context: JobContext,
    last_checkpoint: Instant,
    unsaved: u64,
    swaps: Swaps,
    wishes: Wishes,
    takeover: Takeover,
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<End, JobError> {
        let linger = Duration::from_millis(self.config.linger_ms);
        loop {
            let due = self.last_checkpoint + Duration::from_millis(self.config.checkpoint_ms);
            let shutdown = self.context.shutdown.clone();
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(End::Shutdown),
                batch = timeout_at(due, self.reader.batch(self.config.batch, linger)) => batch.ok().transpose()?,
            };
            let events = batch.as_ref().map_or(0, Vec::len);
            if let Some(records) = batch {
                self.process(records).await?;
                self.unsaved += events as u64;
                // Rows that change again at once are not worth sending while there is a backlog: the checkpoint sends them.
                if self.reader.lag() <= self.config.batch as i64 {
                    self.emit().await?;
                }
            }
            if Instant::now() >= due {
                self.checkpoint().await?;
                if !self.takeover.is_open() && self.swaps.any().await? {
                    return Ok(End::Swap);
                }
                if !self.takeover.is_open()
                    && let Some(wish) = self.wishes.due(self.reader.caught_up()).await?
                {
                    self.forget(&wish).await?;
                }
            }
            self.context.progress.advance(events as u64, self.reader.lag(), (self.context.clock)());
        }
    }

    /// Computes on a thread for blocking work: a batch is milliseconds of pure CPU.
    async fn process(&mut self, records: Vec<Record>) -> Result<(), JobError> {
        let mut engine = self.engine.take().expect("only a failed run has no engine, and it has ended");
        let runtime = tokio::runtime::Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let refused = runtime.block_on(engine.process(records));
            (engine, refused)
        });
        let (engine, refused) = work.await.map_err(|e| JobError::failed("compute features", e))?;
        self.engine = Some(engine);
        let refused = refused?;
        if !refused.is_empty() {
            self.refuse(refused).await?;
        }
        Ok(())
    }

    async fn refuse(&self, refused: Vec<Refused>) -> Result<(), JobError> {
        let now = (self.context.clock)();
        let letters = refused.iter().map(|r| dead_letters::letter(NAME, &r.record, &r.reason, now)).collect();
        Ok(self.producer.send_all(letters).await?)
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("only a failed run has no engine, and it has ended")
    }

    /// Sends changed rows while the next batch is computed; at most one such send is under way.
    async fn emit(&mut self) -> Result<(), JobError> {
        self.sent().await?;
        let rows = self.engine().take_rows();
        if !rows.is_empty() {
            let producer = self.producer.clone();
            self.sending = Some(tokio::spawn(async move { producer.send_all(rows).await }));
        }
        Ok(())
    }

    async fn sent(&mut self) -> Result<(), JobError> {
        match self.sending.take() {
            Some(task) => Ok(task.await.map_err(|e| JobError::failed("send feature rows", e))??),
            None => Ok(()),
        }
    }

    /// Sends what a takeover held back, once the state is where it was before; true when everything of it is in the topics.
    async fn release(&mut self) -> Result<bool, JobError> {
        if !self.takeover.is_open() {
            return Ok(false);
        }
        let (position, caught_up) = (self.reader.position().clone(), self.reader.caught_up());
        let engine = self.engine.as_mut().expect("only a failed run has no engine, and it has ended");
        if !self.takeover.release(engine, &position, caught_up) {
            return Ok(false);
        }
        while self.engine().waiting() > 0 {
            self.emit().await?;
        }
        self.sent().await?;
        let engine = self.engine.as_ref().expect("only a failed run has no engine, and it has ended");
        for rows in self.takeover.retractions(engine).await? {
            self.producer.send_all(rows).await?;
        }
        Ok(true)
    }

    /// Drops the rows of some people, here, in their topics, and in everything that was saved.
    async fn forget(&mut self, wish: &Wish) -> Result<(), JobError> {
        let people: Vec<String> = wish.people.iter().map(ToString::to_string).collect();
        let mut tombstones = Vec::new();
        for lane in &mut self.engine().lanes {
            let topic = lane.set.topic();
            let gone = lane.state.forget(&people);
            tombstones.extend(gone.iter().map(|key| OutRecord::new(topic.clone(), key.replace(JOIN, "|"), None)));
            lane.store.begin_anew();
            lane.anew = true;
        }
        self.producer.send_all(tombstones).await?;
        self.unsaved += 1;
        self.checkpoint().await?;
        Ok(self.wishes.done(wish).await?)
    }

    /// Makes rows durable in their topics, then state and offsets in the store.
    async fn checkpoint(&mut self) -> Result<(), JobError> {
        let released = self.release().await?;
        while self.engine().waiting() > 0 {
            self.emit().await?;
        }
        self.sent().await?;
        self.last_checkpoint = Instant::now();
        if self.unsaved == 0 && !self.takeover.is_open() {
            return Ok(());
        }
        self.claim.check().await?;
        self.unsaved = 0;
        let mut read = Offsets::default();
        for lane in &mut self.engine().lanes {
            if lane.anew || lane.offsets != lane.saved {
                lane.store.save(&mut lane.state, &lane.offsets, lane.generation).await?;
                lane.saved = lane.offsets.clone();
                lane.anew = false;
            }
            read.merge(&lane.offsets);
        }
        if released {
            self.takeover.close().await?;
        }
        Ok(self.reader.commit(&read).await?)
    }
}
