//! Sending letters again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::event::{Replay, ReplayKind};
use features::ids::{EventId, check_event_id};
use features::topic::Topic;
use serde::Deserialize;

use super::{Letter, LetterId, is_cut, raw};
use crate::bus::{Bus, BusError, OutRecord, Record};
use crate::gate::{self, Passed};

/// Letters that are acknowledged together.
const AT_ONCE: usize = 500;

/// What became of the wish to send a letter again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in `inbox`, or would be.
    Sent(EventId),
    /// It was sent before.
    SentBefore,
    /// The gate would refuse it again, for this reason; it has to be corrected.
    Refused(String),
    /// It holds no event but what a job made of events, and is made again from those.
    Derived,
    /// Only the beginning of the value was kept.
    Cut,
}

impl Outcome {
    /// The name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::SentBefore => "sent before",
            Self::Refused(_) => "still refused",
            Self::Derived => "derived",
            Self::Cut => "cut",
        }
    }
}

/// One letter and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The letter.
    pub id: LetterId,
    /// What became of it.
    pub outcome: Outcome,
}

/// Sends what the gate would let pass now; nothing is sent with `dry_run`, nor what was sent before, unless `again`.
///
/// # Errors
/// When the event log does not answer. What was sent until then is marked, but for at most a few hundred letters whose repeats the gate drops.
pub async fn replay(bus: &Bus, letters: &[Letter], (dry_run, again): (bool, bool), now: DateTime<Utc>) -> Result<Vec<Replayed>, BusError> {
    let mut done = Vec::with_capacity(letters.len());
    for some in letters.chunks(AT_ONCE) {
        let (mut events, mut marks) = (Vec::new(), Vec::new());
        for letter in some {
            let outcome = match judge(letter, again, now) {
                Ok((passed, value)) => {
                    let (event, mark) = records(letter, &passed, value, ReplayKind::Replayed, now);
                    events.push(event);
                    marks.push(mark);
                    Outcome::Sent(passed.event_id)
                }
                Err(why) => why,
            };
            done.push(Replayed { id: letter.id, outcome });
        }
        if !dry_run && !events.is_empty() {
            let producer = bus.producer()?;
            producer.send_all(events).await?;
            producer.send_all(marks).await?;
        }
    }
    Ok(done)
}

fn judge(letter: &Letter, again: bool, now: DateTime<Utc>) -> Result<(Passed, Vec<u8>), Outcome> {
    if letter.sent.is_some() && !again {
        return Err(Outcome::SentBefore);
    }
    if !holds_event(&letter.letter.topic) {
        return Err(Outcome::Derived);
    }
    if is_cut(&letter.letter) {
        return Err(Outcome::Cut);
    }
    let value = raw(&letter.letter).map_err(|e| Outcome::Refused(format!("the letter is damaged: {e}")))?;
    gate::check(&as_reported(&value), now).map(|passed| (passed, value)).map_err(Outcome::Refused)
}

fn holds_event(topic: &str) -> bool {
    topic == Topic::Inbox.name() || Topic::FILED.iter().any(|filed| filed.name() == topic)
}

fn as_reported(value: &[u8]) -> Record {
    // An empty value is no value: letters do not tell them apart, and neither is an event.
    let value = (!value.is_empty()).then(|| value.to_vec());
    Record { topic: Arc::from(Topic::Inbox.name()), partition: 0, offset: 0, timestamp_ms: 0, key: None, value, headers: Vec::new() }
}

fn records(letter: &Letter, passed: &Passed, value: Vec<u8>, kind: ReplayKind, now: DateTime<Utc>) -> (OutRecord, OutRecord) {
    let replay = Replay { letter: letter.id.to_string(), sent_at: now, kind, event_id: passed.event_id };
    let mark = serde_json::to_vec(&replay).expect("a mark holds text only");
    (
        OutRecord::new(Topic::Inbox.name(), passed.actor.clone(), Some(value)),
        OutRecord::new(Topic::Replays.name(), replay.letter, Some(mark)),
    )
}

/// Judges a corrected value as the gate does, and holds it to the letter: the event keeps its id, so that however often it is sent it counts once.
///
/// # Errors
/// Why it cannot be sent.
pub fn check_fixed(letter: &Letter, value: &[u8], now: DateTime<Utc>) -> Result<Passed, String> {
    if !holds_event(&letter.letter.topic) {
        let topic = &letter.letter.topic;
        return Err(format!("the letter is about a record of `{topic}`, which a job makes of events: there is nothing to correct in it"));
    }
    let passed = gate::check(&as_reported(value), now)?;
    match event_id(letter) {
        Some(id) if id != passed.event_id => {
            Err(format!("event_id: is {}, but the letter's event is {id}; keep it, so that a repeat is known as one", passed.event_id))
        }
        _ => Ok(passed),
    }
}

/// The id of a letter's event, as far as it can be read.
fn event_id(letter: &Letter) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Head {
        event_id: EventId,
    }
    let head: Head = serde_json::from_slice(&raw(&letter.letter).ok()?).ok()?;
    check_event_id(&head.event_id).is_ok().then_some(head.event_id)
}

/// Sends a corrected value that [`check_fixed`] has let pass.
///
/// # Errors
/// When the event log does not answer; whether it was sent is not known then, and sending it again does no harm.
pub async fn send_fixed(bus: &Bus, letter: &Letter, passed: &Passed, value: Vec<u8>, now: DateTime<Utc>) -> Result<(), BusError> {
    let (event, mark) = records(letter, passed, value, ReplayKind::Fixed, now);
    let producer = bus.producer()?;
    producer.send_all(vec![event]).await?;
    producer.send_all(vec![mark]).await
}
