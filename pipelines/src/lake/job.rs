//! The job: gather records by partition, flush them as files, then move the positions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use features::topic::Topic;
use futures::StreamExt;
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::commits::{Commits, Stage};
use super::config::{CompactConfig, RetentionConfig};
use super::files::{FileName, Files, LakeError};
use super::write::{DayFile, Written, files_of};
use crate::bus::{Bus, EventProducer, Offsets, Reader, Record};
use crate::dead_letters;
use crate::ownership::owned;
use crate::snapshots::open_store;
use crate::supervisor::{JobContext, JobError};
use crate::tables::{TABLES, table_of};

/// The name of the job and of its group.
pub const NAME: &str = "lake";

/// The `[lake]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeConfig {
    /// Where the lake lies: a folder, or a URL such as s3://bucket/prefix; empty for the folder `lake` of the data folder.
    pub place: String,
    /// How long an event waits for its file at most, in seconds.
    pub flush_s: f64,
    /// A flush begins earlier when so many events have been gathered.
    pub flush_events: usize,
    /// A flush begins earlier when the gathered events take so many bytes.
    pub flush_bytes: usize,
    /// Whether every version of every portrait is kept: decks can be computed again only with the portraits they were made of.
    pub portraits: bool,
    /// Whether the vectors of Moments and profiles are kept.
    pub embeddings: bool,
    /// Whether everybody's portrait as it stood at the end of each day is kept.
    pub portrait_days: bool,
    /// Merging files.
    pub compact: CompactConfig,
    /// For how long tables are kept.
    pub retention: RetentionConfig,
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self {
            place: String::new(),
            flush_s: 60.0,
            flush_events: 400_000,
            flush_bytes: 192 << 20,
            portraits: true,
            embeddings: true,
            portrait_days: true,
            compact: CompactConfig::default(),
            retention: RetentionConfig::default(),
        }
    }
}

/// The lake writer.
pub struct LakeWriter {
    bus: Bus,
    place: String,
    config: LakeConfig,
}

impl LakeWriter {
    /// A writer of the lake at `place`, a folder or a URL.
    pub fn new(bus: Bus, place: &str, config: LakeConfig) -> Self {
        Self { bus, place: place.to_owned(), config }
    }

    /// Runs until shutdown, or stands by while another process runs; what is gathered in the end is flushed.
    ///
    /// # Errors
    /// When the event log or the store fails, for instance because the disk is full, or another process has taken over. Positions have not
    /// moved then: the next start reads the same events again.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        context.progress.reads(&topics(&self.config));
        let bus = self.bus.clone();
        owned(&bus, NAME, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        let (commits, positions) = Commits::claim(Files::new(open_store(&self.place)?)).await.map_err(lake)?;
        let topics = topics(&self.config);
        let (begin, end) = self.bus.bounds(&topics).await?;
        let mut from = begin;
        from.merge(&positions);
        if let Some(((topic, partition), at)) = positions.0.iter().find(|(at, next)| end.0.get(*at).is_some_and(|end| *next > end)) {
            let reason = format!(
                "the lake contains `{topic}` partition {partition} up to offset {at}, but the event log ends before that: it was emptied or exchanged; point `lake` at a new folder, or restore the log"
            );
            return Err(lake(LakeError::data("continue the lake", reason)));
        }
        let reader = self.bus.reader(NAME, &topics, &from).await?;
        let producer = self.bus.producer()?;
        context.progress.running();
        let mut run = Run {
            commits,
            reader,
            producer,
            positions,
            config: self.config,
            context,
            gathered: BTreeMap::new(),
            events: 0,
            bytes: 0,
            due: None,
        };
        run.until_shutdown().await?;
        run.flush().await
    }
}

/// The topics that a lake writer of this configuration reads.
pub fn topics(config: &LakeConfig) -> Vec<String> {
    let kept = |topic: &Topic| match topic {
        Topic::Portraits => config.portraits,
        Topic::Embeddings => config.embeddings,
        _ => true,
    };
    TABLES.into_iter().filter(kept).map(|topic| topic.name().to_owned()).collect()
}

fn lake(error: LakeError) -> JobError {
    JobError::failed("write the lake", error)
}

type Partition = (Topic, i32);

struct Run {
    commits: Commits,
    reader: Reader,
    producer: EventProducer,
    positions: Offsets,
    config: LakeConfig,
    context: JobContext,
    gathered: BTreeMap<Partition, Vec<Record>>,
    events: usize,
    bytes: usize,
    due: Option<Instant>,
}

impl Run {
    async fn until_shutdown(&mut self) -> Result<(), JobError> {
        loop {
            let shutdown = self.context.shutdown.clone();
            let wait = self.due.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                batch = timeout_at(wait, self.reader.batch(50_000, Duration::from_millis(100))) => batch.ok().transpose()?,
            };
            if let Some(records) = batch {
                self.gather(records);
            }
            let full = self.events >= self.config.flush_events || self.bytes >= self.config.flush_bytes;
            if full || self.due.is_some_and(|due| Instant::now() >= due) {
                self.flush().await?;
            }
            self.context.progress.advance(0, self.reader.lag(), (self.context.clock)());
        }
    }

    fn gather(&mut self, records: Vec<Record>) {
        self.due.get_or_insert_with(|| Instant::now() + Duration::from_secs_f64(self.config.flush_s.max(0.01)));
        self.events += records.len();
        for record in records {
            self.bytes += record.value.as_ref().map_or(0, Vec::len) + 100;
            if let Some(topic) = table_of(&record.topic) {
                self.gathered.entry((topic, record.partition)).or_default().push(record);
            }
        }
    }

    /// Writes everything gathered; positions move when all of it is durable.
    async fn flush(&mut self) -> Result<(), JobError> {
        let events = std::mem::take(&mut self.events);
        (self.bytes, self.due) = (0, None);
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return Ok(());
        }
        let mut positions = self.positions.clone();
        for records in gathered.values() {
            positions.advance_over(records);
        }
        let stage = self.commits.stage();
        let mut flushes = stream::iter(gathered).map(|(at, records)| flush_partition(stage.clone(), at, records)).buffer_unordered(2);
        let now = (self.context.clock)();
        let (mut files, mut letters) = (Vec::new(), Vec::new());
        while let Some(flushed) = flushes.next().await {
            let (written, refused) = flushed?;
            files.extend(written);
            letters.extend(refused.iter().map(|(record, reason)| dead_letters::letter(NAME, record, reason, now)));
        }
        drop(flushes);
        self.producer.send_all(letters).await?;
        self.commits.commit(&positions, &files).await.map_err(lake)?;
        self.reader.commit(&positions).await?;
        self.positions = positions;
        self.context.progress.advance(events as u64, self.reader.lag(), now);
        Ok(())
    }
}

/// The files of one partition's flush with their rows, and the records that are no rows, with the reason.
type Flushed = (Vec<(FileName, u64)>, Vec<(Record, String)>);

async fn flush_partition(stage: Stage, (topic, partition): Partition, records: Vec<Record>) -> Result<Flushed, JobError> {
    let (Some(first), Some(last)) = (records.first().map(|r| r.offset), records.last().map(|r| r.offset)) else {
        return Ok(Flushed::default());
    };
    let records = Arc::new(records);
    let work = tokio::task::spawn_blocking(move || files_of(topic, &records));
    let Written { days, refused } = work.await.map_err(|e| JobError::failed("make Parquet files", e))?.map_err(lake)?;
    let mut names = Vec::with_capacity(days.len());
    for DayFile { day, bytes, rows } in days {
        let name = FileName { topic: topic.name().to_owned(), day, partition, first, last };
        stage.put(&name, bytes).await.map_err(lake)?;
        names.push((name, rows));
    }
    Ok((names, refused))
}
