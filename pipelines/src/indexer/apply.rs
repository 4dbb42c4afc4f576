//! What a round of records comes to for each index.

use std::collections::HashMap;

use features::event::{EmbeddingRecord, Event, MomentEvent, MomentKind, Subject};
use features::ids::{MomentId, UserId};
use features::portrait::Portrait;
use features::profile::epoch_days;
use features::topic::Topic;
use features::vector::QVector;
use index::geo::snap;
use index::vectors::{MomentPayload, Payload, UserPayload, VectorName, VectorPoint};

use crate::bus::Record;
use crate::embedder::user_of;

/// The newest word of a round about each thing.
#[derive(Default)]
pub(super) struct Round {
    /// Portraits; none where the user is erased.
    pub(super) portraits: HashMap<UserId, Option<Portrait>>,
    /// Moments; none where deleted.
    pub(super) moments: HashMap<MomentId, Option<MomentEvent>>,
    /// Vectors of Moments; none where deleted.
    pub(super) vectors: HashMap<MomentId, Option<EmbeddingRecord>>,
    /// What could not be read, with the reason.
    pub(super) refused: Vec<(usize, String)>,
}

impl Round {
    /// Sorts records by what they are about. Vectors of the model must have its number of dimensions: one that has not would stop the vector
    /// store, and empty the table of all others.
    pub(super) fn of(records: &[Record], model: (&str, usize)) -> Self {
        let mut round = Self::default();
        for (i, record) in records.iter().enumerate() {
            if let Err(reason) = round.take(record, model) {
                round.refused.push((i, reason));
            }
        }
        round
    }

    fn take(&mut self, record: &Record, model: (&str, usize)) -> Result<(), String> {
        let topic = &*record.topic;
        if topic == Topic::Portraits.name() {
            let user = user_of(record).ok_or("the key is not a user id")?;
            let portrait: Option<Portrait> = record.value.as_deref().map(serde_json::from_slice).transpose().map_err(|e| e.to_string())?;
            if let Some(portrait) = &portrait {
                if portrait.user_id != user {
                    return Err(format!("the key is {user}, and the portrait that of {}", portrait.user_id));
                }
                let of = portrait.model.as_deref().unwrap_or(model.0);
                portrait.content.iter().chain(&portrait.taste).try_for_each(|vector| fits(vector, of, model))?;
            }
            self.portraits.insert(user, portrait);
        } else if topic == Topic::Moments.name() {
            let Some(value) = &record.value else { return Ok(()) };
            if let Event::Moment(moment) = Event::decode(value).map_err(|e| e.to_string())? {
                self.moments.insert(moment.moment_id, (moment.kind == MomentKind::Published).then_some(moment));
            }
        } else {
            let key = record.key.as_deref().and_then(|k| std::str::from_utf8(k).ok()).unwrap_or_default();
            let Some(moment) = key.strip_prefix("m:").and_then(|id| id.parse().ok()) else { return Ok(()) };
            let vector: Option<EmbeddingRecord> =
                record.value.as_deref().map(serde_json::from_slice).transpose().map_err(|e| e.to_string())?;
            if let Some(record) = &vector {
                fits(&record.vector, &record.model, model)?;
            }
            self.vectors.insert(moment, vector.filter(|v| v.subject == Subject::Moment(moment)));
        }
        Ok(())
    }
}

/// Whether a vector can be one of its model, as far as that is known here.
fn fits(vector: &QVector, of: &str, (model, dim): (&str, usize)) -> Result<(), String> {
    if of == model && vector.dim() != dim {
        return Err(format!("the vector has {} dimensions; those of {model} have {dim}", vector.dim()));
    }
    // Vectors have unit length, so that no value is above 1, and no step of 1/127.
    if vector.scale > 1.0 {
        return Err(format!("the vector's scale is {}; vectors have unit length", vector.scale));
    }
    Ok(())
}

/// The point of a person; none without vectors of the index's model.
pub(super) fn user_point(portrait: &Portrait, model: &str) -> Option<VectorPoint> {
    if portrait.model.as_deref() != Some(model) {
        return None;
    }
    let named = [(VectorName::Content, &portrait.content), (VectorName::Taste, &portrait.taste)];
    let vectors: Vec<_> = named.into_iter().filter_map(|(name, v)| v.as_ref().map(|v| (name, v.to_f32()))).collect();
    let profile = &portrait.profile;
    let payload = UserPayload {
        gender: profile.gender,
        birth_days: epoch_days(profile.birth_date),
        position: profile.position.and_then(snap),
        visible: profile.visible(),
    };
    (!vectors.is_empty()).then_some(VectorPoint { id: portrait.user_id.0, vectors, payload: Payload::User(payload) })
}

/// The point of a Moment; none if it is of another model.
pub(super) fn moment_point(moment: MomentId, record: &EmbeddingRecord, model: &str) -> Option<VectorPoint> {
    let payload = Payload::Moment(MomentPayload { author: record.user_id, published_at: record.event_time });
    (record.model == model).then(|| VectorPoint { id: moment.0, vectors: vec![(VectorName::Content, record.vector.to_f32())], payload })
}
