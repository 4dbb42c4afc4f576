//! The job: read, apply, flush, commit.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use features::ids::UserId;
use features::portrait::Portrait;
use features::topic::Topic;
use index::IndexError;
use index::hot::HotPool;
use index::snapshot::OffsetMap;
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::{Collection, VectorIndex, VectorPoint};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::apply::{Round, moment_point, user_point};
use super::stand;
use crate::bus::{Bus, EventProducer, Offsets, Reader, Record};
use crate::dead_letters;
use crate::forget::Wishes;
use crate::snapshots::SnapshotStore;
use crate::supervisor::{JobContext, JobError};

mod forget;

/// The name of the job and of its group.
pub const NAME: &str = "indexer";

/// How often files are made anew of which people were taken out, where nobody asks for it: on the nodes that do not drive an erasure.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);

/// The `[indexer]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexerConfig {
    /// Records of a round at most.
    pub batch: usize,
    /// How long a round waits for more after its first record, in milliseconds.
    pub linger_ms: u64,
    /// How often indexes are flushed and offsets committed, in milliseconds: searches find a new text after at most that.
    pub flush_ms: u64,
    /// How often the portrait table is saved, in seconds.
    pub snapshot_s: u64,
    /// How often the hot pool is computed, in seconds.
    pub hot_s: u64,
    /// People of a list of the hot pool.
    pub hot_size: usize,
    /// Graphs over vectors are built when so many points have come since the last time.
    pub optimize_after: usize,
}

impl Default for IndexerConfig {
    fn default() -> Self {
        Self { batch: 2_000, linger_ms: 5, flush_ms: 500, snapshot_s: 60, hot_s: 30, hot_size: 300, optimize_after: 20_000 }
    }
}

/// What is kept up to date.
#[derive(Clone)]
pub struct Indexes {
    /// The portrait table.
    pub table: Arc<PortraitTable>,
    /// Vectors, all of one model.
    pub vectors: Arc<dyn VectorIndex>,
    /// Text.
    pub text: Arc<TextIndex>,
    /// Ready-made lists.
    pub hot: Arc<HotPool>,
    /// The model of the vectors.
    pub model: String,
    /// Their number of dimensions.
    pub dim: usize,
    /// Where the table is saved.
    pub snapshot: PathBuf,
    /// Where it is written up to which offsets the indexes are.
    pub offsets: PathBuf,
    /// The state of this node, in which the indexer is asked to forget people.
    pub node: SnapshotStore,
}

/// The indexer.
pub struct Indexer {
    bus: Bus,
    indexes: Indexes,
    config: IndexerConfig,
    caught_up: watch::Sender<bool>,
}

fn failed(what: &'static str) -> impl FnOnce(IndexError) -> JobError {
    move |error| JobError::failed(what, error)
}

impl Indexer {
    /// An indexer; `caught_up` turns true when everything that was there at the start is applied.
    pub fn new(bus: Bus, indexes: Indexes, config: IndexerConfig, caught_up: watch::Sender<bool>) -> Self {
        Self { bus, indexes, config, caught_up }
    }

    /// Runs until shutdown; everything is flushed and saved then.
    ///
    /// # Errors
    /// When the event log or an index fails; what was not committed is applied again.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let topics: Vec<String> = [Topic::Portraits, Topic::Moments, Topic::Embeddings].iter().map(|t| t.name().to_owned()).collect();
        context.progress.reads(&topics);
        let from = self.start(&topics).await?;
        context.progress.durable(&from);
        let end = self.bus.end_offsets(&topics).await?;
        let reader = self.bus.reader(NAME, &topics, &from).await?;
        let producer = self.bus.producer()?;
        context.progress.running();
        let (now, wishes) = (Instant::now(), Wishes::new(&self.indexes.node, NAME));
        let mut run = Run {
            job: self,
            reader,
            producer,
            context,
            end,
            written: HashMap::new(),
            dirty: false,
            flushed: now,
            saved: now,
            saved_at: None,
            saving: None,
            hot: None,
            hot_done: None,
            unoptimized: 0,
            wishes,
            left: false,
            purged: now,
        };
        run.until_shutdown().await?;
        run.flush().await?;
        run.save().await?;
        run.saved().await
    }

    /// Loads the table where it is empty, and finds where to begin reading.
    async fn start(&self, topics: &[String]) -> Result<Offsets, JobError> {
        let mut saved = Offsets::default();
        if self.indexes.table.is_empty() {
            let path = self.indexes.snapshot.clone();
            let loaded =
                spawn_blocking(move || PortraitTable::load(&path)).await.map_err(|e| JobError::failed("load the portrait table", e))?;
            match loaded {
                Ok((table, offsets)) => {
                    saved = Offsets::from_named(&offsets);
                    self.indexes.table.replace(table);
                }
                Err(error) => tracing::warn!(%error, "reading the portraits from the beginning"),
            }
        }
        let mut from = self.bus.beginning_offsets(topics).await?;
        let vectors_lost = self.indexes.vectors.len(Collection::Users).await.map_err(failed("count vectors"))? == 0;
        if !vectors_lost && !self.indexes.text.is_empty() {
            go_on(&mut from, &stand::load(&self.indexes.offsets), &saved);
        }
        Ok(from)
    }
}

/// Moves on from the beginning to where the indexes stand; with portraits to the older of that and what the table was saved with.
fn go_on(from: &mut Offsets, stand: &Offsets, saved: &Offsets) {
    for ((topic, partition), at) in &mut from.0 {
        let stands = stand.get(topic, *partition);
        let may = if topic == Topic::Portraits.name() { stands.zip(saved.get(topic, *partition)).map(|(a, b)| a.min(b)) } else { stands };
        *at = may.unwrap_or(*at);
    }
}

struct Run {
    job: Indexer,
    reader: Reader,
    producer: EventProducer,
    context: JobContext,
    end: Offsets,
    /// What of each portrait Qdrant and tantivy hold, as hashes.
    written: HashMap<UserId, (u64, u64)>,
    dirty: bool,
    flushed: Instant,
    saved: Instant,
    /// The position the newest snapshot begins at.
    saved_at: Option<OffsetMap>,
    saving: Option<JoinHandle<Result<(), IndexError>>>,
    hot: Option<JoinHandle<()>>,
    hot_done: Option<Instant>,
    unoptimized: usize,
    wishes: Wishes,
    /// Whether files may have somebody who was taken out.
    left: bool,
    purged: Instant,
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn vector_hash(p: &Portrait) -> u64 {
    let codes = (p.content.as_ref().map(|v| &v.codes), p.taste.as_ref().map(|v| &v.codes), &p.model);
    let place = p.profile.position.map(|at| (at.lat.to_bits(), at.lon.to_bits()));
    hash(&(codes, place, p.profile.gender, p.profile.birth_date, p.profile.visible()))
}

fn text_hash(p: &Portrait) -> u64 {
    hash(&(&p.profile.nickname, &p.profile.city, p.profile.text(), p.profile.visible()))
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<(), JobError> {
        let linger = Duration::from_millis(self.job.config.linger_ms);
        loop {
            self.tell_caught_up();
            let shutdown = self.context.shutdown.clone();
            let records = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                records = timeout(Duration::from_millis(100), self.reader.batch(self.job.config.batch, linger)) => records.unwrap_or_else(|_| Ok(Vec::new()))?,
            };
            if !records.is_empty() {
                self.apply(&records).await?;
            }
            self.context.progress.advance(records.len() as u64, self.reader.lag(), (self.context.clock)());
            self.housekeeping().await?;
        }
    }

    fn tell_caught_up(&mut self) {
        // Positions may stop short of the end: the markers of transactions take offsets that no reader sees.
        let done = || self.reader.position().reached(&self.end) || self.reader.caught_up();
        if !*self.job.caught_up.borrow() && done() {
            self.job.caught_up.send_replace(true);
        }
    }

    async fn housekeeping(&mut self) -> Result<(), JobError> {
        if self.dirty && self.flushed.elapsed() >= Duration::from_millis(self.job.config.flush_ms) {
            self.flush().await?;
        }
        if self.saved.elapsed() >= Duration::from_secs(self.job.config.snapshot_s) {
            self.save().await?;
        }
        self.refresh_hot().await?;
        if let Some(wish) = self.wishes.due(self.reader.caught_up()).await? {
            self.forget(&wish.people).await?;
            self.wishes.done(&wish).await?;
        }
        if self.left && self.purged.elapsed() >= PURGE_EVERY {
            self.purge().await?;
        }
        if self.unoptimized >= self.job.config.optimize_after {
            self.unoptimized = 0;
            let vectors = Arc::clone(&self.job.indexes.vectors);
            tokio::spawn(async move {
                if let Err(error) = vectors.optimize().await {
                    tracing::error!(%error, "building the vector graphs failed");
                }
            });
        }
        Ok(())
    }

    async fn apply(&mut self, records: &[Record]) -> Result<(), JobError> {
        let round = Round::of(records, (&self.job.indexes.model, self.job.indexes.dim));
        let refused = round.refused.iter().map(|(i, reason)| dead_letters::letter(NAME, &records[*i], reason, (self.context.clock)()));
        self.producer.send_all(refused.collect()).await?;
        let (mut users, mut gone) = (Vec::new(), Vec::new());
        let portraits: Vec<&Portrait> = round.portraits.values().flatten().collect();
        for (portrait, taken) in portraits.iter().zip(self.job.indexes.table.apply_all(&portraits)) {
            if taken {
                users.extend(self.index_portrait(portrait)?);
            }
        }
        for (user, _) in round.portraits.iter().filter(|(_, portrait)| portrait.is_none()) {
            self.job.indexes.table.remove(*user);
            self.job.indexes.text.delete_user(*user).map_err(failed("take a person out of the text index"))?;
            self.written.remove(user);
            self.left = true;
            gone.push(user.0);
        }
        for (id, moment) in &round.moments {
            let done = match moment {
                Some(moment) => self.job.indexes.text.put_moment(moment),
                None => self.job.indexes.text.delete_moment(*id),
            };
            done.map_err(failed("index a Moment's text"))?;
        }
        let model = &self.job.indexes.model;
        let moments = round.vectors.iter().filter_map(|(id, v)| moment_point(*id, v.as_ref()?, model)).collect();
        let dropped = round.vectors.iter().filter(|(_, v)| v.is_none()).map(|(id, _)| id.0).collect();
        if !gone.is_empty() {
            let theirs = gone.iter().map(|user| UserId(*user)).collect();
            self.job.indexes.vectors.delete_of(theirs).await.map_err(failed("remove vectors"))?;
        }
        self.write_vectors(Collection::Users, users, gone).await?;
        self.write_vectors(Collection::Moments, moments, dropped).await?;
        self.dirty = true;
        Ok(())
    }

    /// What of a portrait the table has taken over belongs into the other indexes.
    fn index_portrait(&mut self, portrait: &Portrait) -> Result<Option<VectorPoint>, JobError> {
        let hashes = (vector_hash(portrait), text_hash(portrait));
        let old = self.written.insert(portrait.user_id, hashes);
        if old.is_none_or(|old| old.1 != hashes.1) {
            self.job.indexes.text.put_profile(portrait.user_id, &portrait.profile).map_err(failed("index a profile's text"))?;
        }
        let moved = old.is_none_or(|old| old.0 != hashes.0);
        Ok(if moved { user_point(portrait, &self.job.indexes.model) } else { None })
    }

    async fn write_vectors(&mut self, collection: Collection, points: Vec<VectorPoint>, gone: Vec<u64>) -> Result<(), JobError> {
        self.unoptimized += points.len();
        if !points.is_empty() {
            self.job.indexes.vectors.upsert(collection, points).await.map_err(failed("write vectors"))?;
        }
        if !gone.is_empty() {
            self.job.indexes.vectors.delete(collection, gone).await.map_err(failed("remove vectors"))?;
        }
        Ok(())
    }

    /// Makes the indexes durable, then the position.
    async fn flush(&mut self) -> Result<(), JobError> {
        let text = Arc::clone(&self.job.indexes.text);
        let committed = spawn_blocking(move || text.commit()).await.map_err(|e| JobError::failed("commit the text index", e))?;
        committed.map_err(failed("commit the text index"))?;
        self.job.indexes.vectors.flush().await.map_err(failed("flush vectors"))?;
        stand::save(&self.job.indexes.offsets, self.reader.position()).map_err(|e| JobError::failed("write where the indexes stand", e))?;
        self.context.progress.durable(self.reader.position());
        (self.flushed, self.dirty) = (Instant::now(), false);
        Ok(())
    }

    /// Computes the hot pool beside everything else, `hot_s` after the last time.
    async fn refresh_hot(&mut self) -> Result<(), JobError> {
        if let Some(done) = self.hot.take_if(|running| running.is_finished()) {
            done.await.map_err(|e| JobError::failed("compute the hot pool", e))?;
            self.hot_done = Some(Instant::now());
        }
        let due = self.hot_done.is_none_or(|at| at.elapsed() >= Duration::from_secs(self.job.config.hot_s));
        if self.hot.is_none() && due {
            let (hot, table) = (Arc::clone(&self.job.indexes.hot), Arc::clone(&self.job.indexes.table));
            let (now, size) = ((self.context.clock)(), self.job.config.hot_size);
            self.hot = Some(spawn_blocking(move || hot.refresh(&table, now, size)));
        }
        Ok(())
    }

    /// Begins to save the table beside everything else, once the last saving is done and if there is anything new. What is applied meanwhile may
    /// or may not be in the snapshot; its offsets are those of now, so that it is read again.
    async fn save(&mut self) -> Result<(), JobError> {
        self.saved().await?;
        self.saved = Instant::now();
        let offsets = self.reader.position().of_topic(Topic::Portraits.name()).to_named();
        if self.saved_at.as_ref() == Some(&offsets) {
            return Ok(());
        }
        self.saved_at = Some(offsets.clone());
        let (table, path) = (Arc::clone(&self.job.indexes.table), self.job.indexes.snapshot.clone());
        self.saving = Some(spawn_blocking(move || table.save(&path, &offsets)));
        Ok(())
    }

    /// Waits until no saving is under way.
    async fn saved(&mut self) -> Result<(), JobError> {
        match self.saving.take() {
            Some(saving) => {
                saving.await.map_err(|e| JobError::failed("save the portrait table", e))?.map_err(failed("save the portrait table"))
            }
            None => Ok(()),
        }
    }
}
