//! The embedding worker: `moments` and `profiles` in, vectors out to `embeddings`.
//!
//! An upsert per subject, so at-least-once is enough: offsets are committed after the records are durable. Deletions and erasures become
//! tombstones. A profile whose text did not change is not embedded again. Any number of workers share the partitions in one consumer group.
//! Commits carry the encoder's name: where the group has worked with another one, everything is embedded anew.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use features::embed::{TextEncoder, TextKind};
use features::event::{EmbeddingRecord, Event, MomentKind, Subject};
use features::ids::UserId;
use features::topic::Topic;
use features::vector::QVector;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::bus::{Bus, OutRecord, Record};
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "embedder";

/// How long nothing may come until it is told how things stand: the lag of the last batch is half a second old, and would be told for ever.
const IDLE: Duration = Duration::from_secs(1);

/// The `[embedder]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedderConfig {
    /// Texts of a batch at most. Larger ones are faster in sum, smaller ones let a fresh Moment through sooner.
    pub batch: usize,
    /// How long a batch waits for more after its first record, in milliseconds.
    pub linger_ms: u64,
}

impl Default for EmbedderConfig {
    fn default() -> Self {
        Self { batch: 128, linger_ms: 10 }
    }
}

/// The worker.
pub struct Embedder {
    bus: Bus,
    encoder: Arc<dyn TextEncoder>,
    config: EmbedderConfig,
}

/// A text to embed.
struct Work {
    subject: Subject,
    user_id: UserId,
    event_time: chrono::DateTime<chrono::Utc>,
    text: String,
}

/// What a batch comes to: the newest text of each subject; none where it is gone.
type Wanted = HashMap<Subject, Option<Work>>;

impl Embedder {
    /// A worker with an encoder.
    pub fn new(bus: Bus, encoder: Arc<dyn TextEncoder>, config: EmbedderConfig) -> Self {
        Self { bus, encoder, config }
    }

    /// Runs until shutdown.
    ///
    /// # Errors
    /// When the event log or the model fails; what was not committed is done again.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let topics: Vec<String> = [Topic::Moments, Topic::Profiles].iter().map(|t| t.name().to_owned()).collect();
        context.progress.reads(&topics);
        let mut reader = self.bus.group_reader(NAME, &topics, self.encoder.name()).await?;
        let producer = self.bus.producer()?;
        let (mut texts, mut share): (HashMap<UserId, u64>, u64) = (HashMap::new(), 0);
        context.progress.running();
        loop {
            let records = tokio::select! {
                biased;
                () = context.shutdown.cancelled() => return Ok(()),
                records = timeout(IDLE, reader.batch(self.config.batch, Duration::from_millis(self.config.linger_ms))) => records,
            };
            let Ok(records) = records else {
                context.progress.advance(0, reader.lag(), (context.clock)());
                continue;
            };
            let records = records?;
            if share != reader.share() {
                // Another worker may have embedded other texts of these people meanwhile.
                texts.clear();
                share = reader.share();
            }
            let out = self.embed(wanted(&records, &mut texts)).await?;
            producer.send_all(out).await?;
            if !reader.commit().await? {
                tracing::debug!("the partitions have gone to another worker, which does this batch again");
            }
            context.progress.advance(records.len() as u64, reader.lag(), (context.clock)());
        }
    }

    async fn embed(&self, wanted: Wanted) -> Result<Vec<OutRecord>, JobError> {
        let (mut out, mut work) = (Vec::new(), Vec::new());
        for (subject, wanted) in wanted {
            match wanted {
                Some(one) => work.push(one),
                None => out.push(OutRecord::new(Topic::Embeddings.name(), subject.key(), None)),
            }
        }
        if work.is_empty() {
            return Ok(out);
        }
        let encoder = Arc::clone(&self.encoder);
        let encoded = tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = work.iter().map(|w| w.text.as_str()).collect();
            encoder.encode(&texts, TextKind::Passage).map(|vectors| (work, vectors))
        });
        let (work, vectors) = encoded.await.map_err(|e| JobError::failed("encode", e))?.map_err(|e| JobError::failed("encode", e))?;
        for (one, vector) in work.into_iter().zip(vectors) {
            let vector = QVector::from_f32(&vector);
            let record = EmbeddingRecord {
                subject: one.subject,
                user_id: one.user_id,
                event_time: one.event_time,
                model: self.encoder.name().to_owned(),
                vector,
            };
            let value =
                if record.vector.is_zero() { None } else { Some(serde_json::to_vec(&record).map_err(|e| JobError::failed("encode", e))?) };
            out.push(OutRecord::new(Topic::Embeddings.name(), one.subject.key(), value));
        }
        Ok(out)
    }
}

fn text_hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What the records ask for. The gate has filed them, so they decode; what does not is told and left.
fn wanted(records: &[Record], texts: &mut HashMap<UserId, u64>) -> Wanted {
    let mut wanted = Wanted::new();
    for record in records {
        let Some(value) = &record.value else {
            if let Some(user) = user_of(record) {
                texts.remove(&user);
                wanted.insert(Subject::Profile(user), None);
            }
            continue;
        };
        match Event::decode(value) {
            Ok(Event::Moment(m)) => {
                let subject = Subject::Moment(m.moment_id);
                let text = m.full_text();
                let work = Work { subject, user_id: m.author_id, event_time: m.published_at, text };
                wanted.insert(subject, (m.kind == MomentKind::Published).then_some(work));
            }
            Ok(Event::Profile(p)) => {
                let Some(profile) = p.profile else { continue };
                let text = profile.text();
                if texts.insert(p.user_id, text_hash(&text)) != Some(text_hash(&text)) {
                    let subject = Subject::Profile(p.user_id);
                    wanted.insert(subject, Some(Work { subject, user_id: p.user_id, event_time: p.event_time, text }));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!(topic = %record.topic, offset = record.offset, %error, "a filed record does not decode"),
        }
    }
    wanted
}

/// The user a record is keyed by.
pub(crate) fn user_of(record: &Record) -> Option<UserId> {
    std::str::from_utf8(record.key.as_deref()?).ok()?.parse().ok()
}
