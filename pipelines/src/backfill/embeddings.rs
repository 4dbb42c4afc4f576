//! Vectors of texts whose vector is of another model than the encoder, or missing.
//!
//! Profiles come from their topic, which holds the newest of everybody who is there; Moments from the lake, which holds those that the log no longer
//! has. What is written is an upsert into `embeddings`, as the embedding worker writes it, so a start after a kill finds there what is done. Before
//! each write the topic is looked at again: where the worker was faster with a newer text, or a text is gone, nothing is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use features::embed::{TextEncoder, TextKind};
use features::event::{EmbeddingRecord, Event, MomentKind, Subject};
use features::ids::{MomentId, UserId};
use features::topic::Topic;
use features::vector::QVector;
use serde::{Deserialize, Serialize};

use super::error::BackfillError;
use super::job::{Backfill, Places};
use super::record::{Phase, Request};
use crate::bus::{Bus, Offsets, OutRecord, Reader, Record};
use crate::embedder::user_of;
use crate::lake::History;
use crate::tables;

/// Texts that are encoded together.
const TOGETHER: usize = 64;

/// How fast texts are embedded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Texts a second at most; none for as fast as it goes.
    pub texts_per_s: Option<f64>,
}

/// What became of the texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EmbeddingsReport {
    /// Texts of people who are there.
    pub texts: u64,
    /// Of these, with a vector of the encoder's model.
    pub current: u64,
    /// Without a vector, or with one of another model.
    pub due: u64,
    /// Vectors that were written.
    pub written: u64,
    /// Texts without content, which have no vector.
    pub empty: u64,
}

/// A text to embed.
struct Text {
    subject: Subject,
    user: UserId,
    at: DateTime<Utc>,
    text: String,
}

/// The vectors that are there.
struct There {
    reader: Reader,
    model: String,
    /// When the text of each was written, and whether the vector is of the encoder's model.
    known: HashMap<Subject, (DateTime<Utc>, bool)>,
}

#[derive(Deserialize)]
struct Head {
    subject: Subject,
    event_time: DateTime<Utc>,
    model: String,
}

impl There {
    async fn open(bus: &Bus, model: &str) -> Result<Self, BackfillError> {
        let topics = [Topic::Embeddings.name().to_owned()];
        let begin = bus.beginning_offsets(&topics).await?;
        let reader = bus.reader("backfill", &topics, &begin).await?;
        let mut there = Self { reader, model: model.to_owned(), known: HashMap::new() };
        there.catch_up().await?;
        Ok(there)
    }

    /// Reads what has come.
    async fn catch_up(&mut self) -> Result<(), BackfillError> {
        loop {
            match tokio::time::timeout(patience(&self.reader), self.reader.batch(10_000, Duration::ZERO)).await {
                Ok(records) => records?.iter().for_each(|record| self.take(record)),
                Err(_) if self.reader.caught_up() => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, record: &Record) {
        match record.value.as_deref() {
            Some(value) => {
                if let Ok(head) = serde_json::from_slice::<Head>(value) {
                    let current = head.model == self.model;
                    self.known.insert(head.subject, (head.event_time, current));
                }
            }
            None => {
                let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
                let moment = key.strip_prefix("m:").and_then(|id| id.parse().ok()).map(Subject::Moment);
                let subject = moment.or_else(|| key.strip_prefix("p:").and_then(|id| id.parse().ok()).map(Subject::Profile));
                subject.map(|subject| self.known.remove(&subject));
            }
        }
    }

    /// Whether a text of that time needs no other vector. Where one of the encoder's model is there, the worker follows the text; a profile whose
    /// text did not change keeps the vector of an earlier time.
    fn is_current(&self, subject: Subject, at: DateTime<Utc>) -> bool {
        self.known.get(&subject).is_some_and(|(known, current)| *current || *known > at)
    }
}

/// While there is more, it may take a while; at the end nobody waits.
fn patience(reader: &Reader) -> Duration {
    if reader.caught_up() { Duration::from_millis(1) } else { Duration::from_millis(200) }
}

/// Looks for texts, and embeds them where it is to.
struct Search<'a> {
    bus: &'a Bus,
    lake: &'a str,
    encoder: Arc<dyn TextEncoder>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    pace: Pace,
    /// Where nothing is to be written.
    dry: bool,
    there: There,
    waiting: Vec<Text>,
    found: EmbeddingsReport,
    began: Instant,
}

impl Search<'_> {
    fn asked(&self, at: DateTime<Utc>) -> bool {
        let day = at.date_naive();
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    /// Profiles: the newest record of each; returns who is there.
    async fn profiles(&mut self) -> Result<HashMap<UserId, (i32, i64)>, BackfillError> {
        let mut people: HashMap<UserId, (i32, i64)> = HashMap::new();
        let bus = self.bus;
        let profiles = async || bus.sweep("backfill", &[Topic::Profiles.name().to_owned()], &Offsets::default()).await;
        profiles()
            .await?
            .each(|record| {
                let Some(user) = user_of(record) else { return };
                if record.value.is_some() {
                    people.insert(user, (record.partition, record.offset));
                } else {
                    people.remove(&user);
                }
            })
            .await?;
        let mut again = profiles().await?;
        while let Some(records) = again.next().await? {
            for record in &records {
                let newest = user_of(record).is_some_and(|user| people.get(&user) == Some(&(record.partition, record.offset)));
                if let (true, Some(Ok(Event::Profile(event)))) = (newest, record.value.as_deref().map(Event::decode))
                    && let Some(profile) = &event.profile
                {
                    let (subject, user) = (Subject::Profile(event.user_id), event.user_id);
                    self.consider(Text { subject, user, at: event.event_time, text: profile.text() }).await?;
                }
            }
        }
        Ok(people)
    }

    /// Moments: those that are published as far as the lake knows, of people who are there.
    async fn moments(
        &mut self,
        people: &HashMap<UserId, (i32, i64)>,
        mut step: impl AsyncFnMut(u64, u64, u64) -> Result<(), BackfillError>,
    ) -> Result<(), BackfillError> {
        let history = History::open(self.lake).await?;
        let days: Vec<NaiveDate> = history.days().into_iter().collect();
        let mut newest: HashMap<MomentId, (DateTime<Utc>, bool)> = HashMap::new();
        for pass in [false, true] {
            for (n, day) in days.iter().enumerate() {
                let Some(rows) = history.day(Topic::Moments, *day).await? else { continue };
                let events = tables::events(&rows.rows).map_err(|e| BackfillError::failed(format!("read Moments of {day}"), e))?;
                for event in events {
                    let Event::Moment(moment) = event else { continue };
                    let (id, word) = (moment.moment_id, (moment.event_time, moment.kind == MomentKind::Published));
                    if !pass {
                        let known = newest.entry(id).or_insert(word);
                        *known = (*known).max(word);
                    } else if newest.get(&id) == Some(&word) && word.1 && people.contains_key(&moment.author_id) {
                        let (subject, user) = (Subject::Moment(id), moment.author_id);
                        self.consider(Text { subject, user, at: moment.published_at, text: moment.full_text() }).await?;
                    }
                }
                if pass {
                    step(n as u64 + 1, days.len() as u64, self.found.written).await?;
                }
            }
        }
        Ok(())
    }

    async fn consider(&mut self, text: Text) -> Result<(), BackfillError> {
        if !self.asked(text.at) {
            return Ok(());
        }
        self.found.texts += 1;
        if self.there.is_current(text.subject, text.at) {
            self.found.current += 1;
            return Ok(());
        }
        self.found.due += 1;
        if !self.dry {
            self.waiting.push(text);
            if self.waiting.len() >= TOGETHER {
                self.embed().await?;
            }
        }
        Ok(())
    }

    async fn embed(&mut self) -> Result<(), BackfillError> {
        let texts = std::mem::take(&mut self.waiting);
        let encoder = Arc::clone(&self.encoder);
        let work = tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
            encoder.encode(&words, TextKind::Passage).map(|vectors| (texts, vectors))
        });
        let encoded = work.await.map_err(|e| BackfillError::failed("encode texts", e))?;
        let (texts, vectors) = encoded.map_err(|e| BackfillError::failed("encode texts", e))?;
        let before: Vec<bool> = texts.iter().map(|text| self.there.known.contains_key(&text.subject)).collect();
        self.there.catch_up().await?;
        let mut out = Vec::with_capacity(texts.len());
        for ((text, vector), known) in texts.into_iter().zip(vectors).zip(before) {
            let vector = QVector::from_f32(&vector);
            // What was there and is not any more was taken away meanwhile.
            let gone = known && !self.there.known.contains_key(&text.subject);
            if vector.is_zero() {
                self.found.empty += 1;
            } else if !gone && !self.there.is_current(text.subject, text.at) {
                let record = EmbeddingRecord {
                    subject: text.subject,
                    user_id: text.user,
                    event_time: text.at,
                    model: self.encoder.name().to_owned(),
                    vector,
                };
                let value = serde_json::to_vec(&record).map_err(|e| BackfillError::failed("write a vector", e))?;
                out.push(OutRecord::new(Topic::Embeddings.name(), text.subject.key(), Some(value)));
            }
        }
        self.found.written += out.len() as u64;
        self.bus.producer()?.send_all(out).await?;
        self.keep_pace().await;
        Ok(())
    }

    /// Waits where it would be faster than it may.
    async fn keep_pace(&self) {
        let Some(most) = self.pace.texts_per_s.filter(|most| *most > 0.0) else { return };
        #[expect(clippy::cast_precision_loss, reason = "a count of texts")]
        let due = Duration::from_secs_f64((self.found.written + self.found.empty) as f64 / most);
        tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
    }
}

/// Looks for texts of the asked days whose vector is of another model or missing, and embeds them unless it is to be a dry run.
async fn search(
    (bus, lake): (&Bus, &str),
    request: &Request,
    encoder: Arc<dyn TextEncoder>,
    pace: Pace,
    dry: bool,
    step: impl AsyncFnMut(u64, u64, u64) -> Result<(), BackfillError>,
) -> Result<EmbeddingsReport, BackfillError> {
    let there = There::open(bus, encoder.name()).await?;
    let (from, to, began) = (request.from, request.to, Instant::now());
    let mut search =
        Search { bus, lake, encoder, from, to, pace, dry, there, waiting: Vec::new(), found: EmbeddingsReport::default(), began };
    let people = search.profiles().await?;
    search.moments(&people, step).await?;
    if !search.waiting.is_empty() {
        search.embed().await?;
    }
    Ok(search.found)
}

/// Counts texts whose vector is of another model or missing; writes nothing.
///
/// # Errors
/// When the log or the lake cannot be read.
pub async fn texts(places: &Places, request: &Request, encoder: Arc<dyn TextEncoder>) -> Result<EmbeddingsReport, BackfillError> {
    search((&places.bus, &places.lake), request, encoder, Pace { texts_per_s: None }, true, async |_, _, _| Ok(())).await
}

impl Backfill {
    /// Embeds texts whose vector is of another model than the encoder, or missing.
    ///
    /// # Errors
    /// When the log, the lake or the encoder fails; what was written stays.
    pub async fn embeddings(&mut self, encoder: Arc<dyn TextEncoder>, pace: Pace) -> Result<EmbeddingsReport, BackfillError> {
        self.keeper.write(|run| (run.phase, run.done, run.total) = (Phase::Embeddings, 0, 0)).await?;
        let request = self.keeper.record().request;
        let step = async |done, total, written: u64| {
            self.tell(Phase::Embeddings, &format!("{written} vectors written, Moments by day"), done, total, 0);
            self.still_mine().await
        };
        search((&self.core.bus, &self.core.lake), &request, encoder, pace, false, step).await
    }
}
