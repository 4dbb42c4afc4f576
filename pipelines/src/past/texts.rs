//! Texts to vectors: the newest text of each subject, encoded together, cached by text.
//!
//! Vectors are kept in memory only: on disk they would outlive the people they come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::embed::{TextEncoder, TextKind};
use features::event::{EmbeddingRecord, Event, MomentKind, Subject};
use features::ids::UserId;
use features::vector::QVector;
use sha2::{Digest, Sha256};

use super::PastError;
use crate::assembler::People;

/// Texts that are encoded together.
const TOGETHER: usize = 256;
/// Vectors that are kept at most, about 600 bytes each; then the cache begins anew.
const KEPT: usize = 200_000;

/// A text to encode.
struct Text {
    user_id: UserId,
    at: DateTime<Utc>,
    text: String,
}

/// The half of a SHA-256.
type Key = [u8; 16];

/// What is to be encoded, and what was.
pub(super) struct Texts {
    encoder: Arc<dyn TextEncoder>,
    wanted: BTreeMap<Subject, Option<Text>>,
    kept: HashMap<Key, QVector>,
}

fn key(text: &str) -> Key {
    let digest = Sha256::digest(text.as_bytes());
    std::array::from_fn(|at| digest[at])
}

impl Texts {
    pub(super) fn new(encoder: Arc<dyn TextEncoder>) -> Self {
        Self { encoder, wanted: BTreeMap::new(), kept: HashMap::new() }
    }

    /// Notes what an event says that has a vector, as the embedding worker does.
    pub(super) fn want(&mut self, event: &Event) {
        match event {
            Event::Moment(m) => {
                let text = Text { user_id: m.author_id, at: m.published_at, text: m.full_text() };
                self.wanted.insert(Subject::Moment(m.moment_id), (m.kind == MomentKind::Published).then_some(text));
            }
            Event::Profile(p) => {
                if let Some(profile) = &p.profile {
                    let text = Text { user_id: p.user_id, at: p.event_time, text: profile.text() };
                    self.wanted.insert(Subject::Profile(p.user_id), Some(text));
                }
            }
            Event::Interaction(_) | Event::Presence(_) | Event::Message(_) | Event::Deck(_) | Event::Page(_) => {}
        }
    }

    /// Encodes what was noted and hands it to the people.
    pub(super) async fn encode(&mut self, people: &mut People) -> Result<(), PastError> {
        let mut wanted = std::mem::take(&mut self.wanted).into_iter();
        loop {
            let some: Vec<(Subject, Option<Text>)> = wanted.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.learn(some.iter().filter_map(|(_, text)| text.as_ref().map(|t| t.text.as_str()))).await?;
            for (subject, text) in some {
                let known = text.and_then(|text| self.kept.get(&key(&text.text)).map(|vector| (text, vector)));
                match (subject, known) {
                    // A text without content has no vector.
                    (_, Some((text, vector))) if !vector.is_zero() => people.embedding(EmbeddingRecord {
                        subject,
                        user_id: text.user_id,
                        event_time: text.at,
                        model: self.encoder.name().to_owned(),
                        vector: vector.clone(),
                    }),
                    (Subject::Moment(moment), _) => people.drop_moment(moment),
                    (Subject::Profile(user), _) => people.drop_bio(user),
                }
            }
        }
    }

    /// Encodes those of the texts that are not known yet.
    async fn learn<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Result<(), PastError> {
        if self.kept.len() > KEPT {
            self.kept.clear();
        }
        let new: BTreeMap<Key, String> =
            texts.map(|text| (key(text), text)).filter(|(key, _)| !self.kept.contains_key(key)).map(|(k, t)| (k, t.to_owned())).collect();
        if new.is_empty() {
            return Ok(());
        }
        let encoder = Arc::clone(&self.encoder);
        let work = tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = new.values().map(String::as_str).collect();
            encoder.encode(&texts, TextKind::Passage).map(|vectors| new.into_keys().zip(vectors).collect::<Vec<_>>())
        });
        let encoded = work.await.map_err(|e| PastError::Encode(e.to_string()))??;
        self.kept.extend(encoded.into_iter().map(|(key, vector)| (key, QVector::from_f32(&vector))));
        Ok(())
    }
}
