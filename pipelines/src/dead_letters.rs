//! What was refused: written by the gate and by jobs, read by whoever wants to know why.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use features::event::DeadLetter;
use features::topic::Topic;

use crate::bus::{Bus, BusError, Offsets, OutRecord, Record};

/// Of a longer value only the beginning is kept, so that the letter itself fits a record.
const MAX_RAW: usize = 512 * 1024;

/// A dead letter about `record`, ready to be written.
pub fn letter(job: &str, record: &Record, reason: &str, now: DateTime<Utc>) -> OutRecord {
    let value = record.value.as_deref().unwrap_or_default();
    let mut reason: String = reason.chars().take(2_000).collect();
    if value.len() > MAX_RAW {
        reason = format!("{reason} (the first {MAX_RAW} of {} bytes are kept)", value.len());
    }
    let letter = DeadLetter {
        refused_at: now,
        job: job.to_owned(),
        reason,
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        key: record.key.as_deref().map(|key| STANDARD.encode(&key[..key.len().min(4096)])),
        raw: STANDARD.encode(&value[..value.len().min(MAX_RAW)]),
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

/// Which letters are asked for; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only of this job.
    pub job: Option<String>,
    /// Only from this topic.
    pub topic: Option<String>,
    /// Only with this in the reason, in any case.
    pub reason: Option<String>,
}

impl LetterFilter {
    fn accepts(&self, letter: &DeadLetter) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        let reason = self.reason.as_deref().is_none_or(|part| letter.reason.to_lowercase().contains(&part.to_lowercase()));
        is(&self.job, &letter.job) && is(&self.topic, &letter.topic) && reason
    }
}

/// The newest letters that pass `filter`, newest first, at most `limit`.
///
/// # Errors
/// When the broker does not answer.
pub async fn list(bus: &Bus, filter: &LetterFilter, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
    let topics = [Topic::DeadLetters.name().to_owned()];
    let (begin, end) = bus.bounds(&topics).await?;
    let mut window = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(2).max(100);
    loop {
        let mut from = Offsets::default();
        for ((topic, partition), last) in &end.0 {
            let first = begin.get(topic, *partition).unwrap_or(0);
            from.set(topic, *partition, first.max(last.saturating_sub(window)));
        }
        let mut letters = read(bus, &topics, &from, &end).await?;
        letters.retain(|letter| filter.accepts(letter));
        if letters.len() >= limit || from == begin {
            letters.sort_by_key(|letter| std::cmp::Reverse((letter.refused_at, letter.offset)));
            letters.truncate(limit);
            return Ok(letters);
        }
        window = window.saturating_mul(8);
    }
}

async fn read(bus: &Bus, topics: &[String], from: &Offsets, end: &Offsets) -> Result<Vec<DeadLetter>, BusError> {
    let mut letters = Vec::new();
    if from == end {
        return Ok(letters);
    }
    let mut reader = bus.reader("dead-letters-list", topics, from).await?;
    while !reader.position().reached(end) {
        let Ok(records) = tokio::time::timeout(Duration::from_millis(100), reader.batch(1_000, Duration::from_millis(5))).await else {
            // The markers of the gate's transactions take offsets that no reader sees.
            if reader.caught_up() {
                break;
            }
            continue;
        };
        for record in records? {
            match record.value.as_deref().map(serde_json::from_slice::<DeadLetter>) {
                Some(Ok(letter)) => letters.push(letter),
                Some(Err(error)) => tracing::warn!(partition = record.partition, offset = record.offset, %error, "not a dead letter"),
                None => {}
            }
        }
    }
    Ok(letters)
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
            headers: Vec::new(),
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
    }

    #[test]
    fn a_megabyte_is_cut_and_says_so() {
        let out = letter("gate", &record(vec![b'x'; 1_000_000]), "too long", DateTime::UNIX_EPOCH);
        assert!(out.value.as_ref().unwrap().len() < 1_000_000);
        let back: DeadLetter = serde_json::from_slice(out.value.as_deref().unwrap()).unwrap();
        assert!(back.reason.contains("1000000"), "{}", back.reason);
    }

    #[test]
    fn filters_narrow_and_the_empty_one_does_not() {
        let letter = DeadLetter {
            refused_at: DateTime::UNIX_EPOCH,
            job: "gate".into(),
            reason: "Unknown kind `x`".into(),
            topic: "inbox".into(),
            partition: 0,
            offset: 0,
            key: None,
            raw: String::new(),
        };
        assert!(LetterFilter::default().accepts(&letter));
        assert!(LetterFilter { reason: Some("unknown KIND".into()), ..LetterFilter::default() }.accepts(&letter));
        assert!(!LetterFilter { topic: Some("moments".into()), ..LetterFilter::default() }.accepts(&letter));
        assert!(!LetterFilter { job: Some("features".into()), ..LetterFilter::default() }.accepts(&letter));
    }
}
