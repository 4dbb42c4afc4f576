//! What was refused: written by the gate and by jobs, read by whoever wants to know why, and sent again once it can pass.
//!
//! A letter never goes: it stays in `dead_letters` (and in the lake) as it was written, whatever becomes of it. That it was sent again is written to
//! `replays`, after `inbox` has it; a kill in between leaves a letter that is sent twice, and the gate drops the repeat by its `event_id`.

mod find;
mod place;
mod replay;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use features::event::{DeadLetter, LetterHeader};
use features::topic::Topic;

use crate::bus::{OutRecord, Record};

pub use find::{Group, Letter, LetterFilter, LetterId, LetterState, find, groups, list, scan};
pub use place::{Place, fields_of, place};
pub use replay::{Outcome, Replayed, check_fixed, replay, send_fixed};

/// Of a longer value only the beginning is kept, so that the letter itself, in base64, fits a record of its topic.
pub const MAX_RAW: usize = 2_500_000;

/// A dead letter about `record`, ready to be written.
pub fn letter(job: &str, record: &Record, reason: &str, now: DateTime<Utc>) -> OutRecord {
    let value = record.value.as_deref().unwrap_or_default();
    let mut reason: String = reason.chars().take(2_000).collect();
    if value.len() > MAX_RAW {
        reason = format!("{reason} (the first {MAX_RAW} of {} bytes are kept)", value.len());
    }
    let header =
        |(name, value): &(String, Vec<u8>)| LetterHeader { name: name.clone(), value: STANDARD.encode(&value[..value.len().min(1024)]) };
    let letter = DeadLetter {
        refused_at: now,
        job: job.to_owned(),
        reason,
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        key: record.key.as_deref().map(|key| STANDARD.encode(&key[..key.len().min(4096)])),
        raw: STANDARD.encode(&value[..value.len().min(MAX_RAW)]),
        headers: record.headers.iter().take(32).map(header).collect(),
    };
    let json = serde_json::to_vec(&letter).expect("a letter holds text and numbers only");
    OutRecord::new(Topic::DeadLetters.name(), record.topic.as_bytes(), Some(json))
}

/// The bytes of a letter's `raw`, as far as they were kept.
///
/// # Errors
/// When it is not base64.
pub fn raw(letter: &DeadLetter) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(&letter.raw)
}

/// Whether only the beginning of the value was kept.
pub fn is_cut(letter: &DeadLetter) -> bool {
    // Four characters for three bytes: no need to decode megabytes.
    letter.raw.len() >= MAX_RAW.div_ceil(3) * 4 && letter.reason.contains(" bytes are kept)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record(value: Vec<u8>) -> Record {
        Record {
            topic: Arc::from("inbox"),
            partition: 2,
            offset: 77,
            timestamp_ms: 0,
            key: Some(b"k".to_vec()),
            value: Some(value),
            headers: vec![("trace".to_owned(), b"t1".to_vec())],
        }
    }

    #[test]
    fn a_letter_says_what_why_and_from_where() {
        let bytes = vec![0xff, 0, b'{'];
        let out = letter("gate", &record(bytes.clone()), "kind: 未知", DateTime::UNIX_EPOCH);
        let back: DeadLetter = serde_json::from_slice(out.value.as_deref().unwrap()).unwrap();
        assert_eq!((back.topic.as_str(), back.partition, back.offset, back.job.as_str()), ("inbox", 2, 77, "gate"));
        assert_eq!(raw(&back).unwrap(), bytes);
        assert_eq!(back.reason, "kind: 未知");
        assert_eq!((back.headers[0].name.as_str(), STANDARD.decode(&back.headers[0].value).unwrap()), ("trace", b"t1".to_vec()));
    }

    #[test]
    fn four_megabytes_are_cut_and_say_so() {
        let of = |bytes: usize| -> (usize, DeadLetter) {
            let out = letter("gate", &record(vec![b'x'; bytes]), "too long", DateTime::UNIX_EPOCH).value.unwrap();
            (out.len(), serde_json::from_slice(&out).unwrap())
        };
        let (len, back) = of(4_000_000);
        assert!(len < 4_000_000, "it fits its topic");
        assert!(back.reason.contains("4000000") && is_cut(&back), "{}", back.reason);
        let (_, whole) = of(MAX_RAW);
        assert!(!is_cut(&whole) && raw(&whole).unwrap().len() == MAX_RAW);
    }
}
