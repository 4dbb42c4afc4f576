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
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::{Collection, VectorIndex, VectorPoint};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::apply::{Round, moment_point, user_point};
use super::stand;
use crate::bus::{Bus, EventProducer, Offsets, Reader, Record};
use crate::dead_letters;
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "indexer";

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
    /// Where the table is saved.
    pub snapshot: PathBuf,
    /// Where it is written up to which offsets the indexes are.
    pub offsets: PathBuf,
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
        let now = Instant::now();
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
            hot: None,
            unoptimized: 0,
        };
        run.until_shutdown().await?;
        run.flush().await?;
        run.save()
    }

    /// Loads the table where it is empty, and finds where to begin reading.
    async fn start(&self, topics: &[String]) -> Result<Offsets, JobError> {
        let mut saved = Offsets::default();
        if self.indexes.table.is_empty() {
            match PortraitTable::load(&self.indexes.snapshot) {
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
    hot: Option<Instant>,
    unoptimized: usize,
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
            self.save()?;
        }
        let hot_due = self.hot.is_none_or(|at| at.elapsed() >= Duration::from_secs(self.job.config.hot_s));
        if hot_due {
            self.job.indexes.hot.refresh(&self.job.indexes.table, (self.context.clock)(), self.job.config.hot_size);
            self.hot = Some(Instant::now());
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
        let round = Round::of(records);
        let refused = round.refused.iter().map(|(i, reason)| dead_letters::letter(NAME, &records[*i], reason, (self.context.clock)()));
        self.producer.send_all(refused.collect()).await?;
        let (mut users, mut gone) = (Vec::new(), Vec::new());
        for (user, portrait) in &round.portraits {
            match portrait {
                Some(portrait) => users.extend(self.apply_portrait(portrait)?),
                None => {
                    self.job.indexes.table.remove(*user);
                    self.job.indexes.text.delete_user(*user).map_err(failed("take a person out of the text index"))?;
                    self.written.remove(user);
                    gone.push(user.0);
                }
            }
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
        self.write_vectors(Collection::Users, users, gone).await?;
        self.write_vectors(Collection::Moments, moments, dropped).await?;
        self.dirty = true;
        Ok(())
    }

    fn apply_portrait(&mut self, portrait: &Portrait) -> Result<Option<VectorPoint>, JobError> {
        if !self.job.indexes.table.apply(portrait) {
            return Ok(None);
        }
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
        let committed =
            tokio::task::spawn_blocking(move || text.commit()).await.map_err(|e| JobError::failed("commit the text index", e))?;
        committed.map_err(failed("commit the text index"))?;
        self.job.indexes.vectors.flush().await.map_err(failed("flush vectors"))?;
        stand::save(&self.job.indexes.offsets, self.reader.position()).map_err(|e| JobError::failed("write where the indexes stand", e))?;
        self.context.progress.durable(self.reader.position());
        (self.flushed, self.dirty) = (Instant::now(), false);
        Ok(())
    }

    fn save(&mut self) -> Result<(), JobError> {
        let offsets = self.reader.position().of_topic(Topic::Portraits.name()).to_named();
        self.job.indexes.table.save(&self.job.indexes.snapshot, &offsets).map_err(failed("save the portrait table"))?;
        self.saved = Instant::now();
        Ok(())
    }
}
