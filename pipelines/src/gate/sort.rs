//! What becomes of one record: filed, a repeat, or refused with a reason. No I/O.

use chrono::{DateTime, Utc};
use features::event::{DeckEvent, Event, MessageEvent, PageEvent, PresenceEvent, ProfileKind};
use features::ids::EventId;
use features::text::normal_tag;
use features::validate::validate;

use crate::bus::{OutRecord, Record};

/// Events larger than this would not fit their topic.
pub(super) const MAX_FILED_BYTES: usize = 1_000_000;

/// The header that names the event behind a tombstone, which has no value to name it.
pub(super) const EVENT_ID_HEADER: &str = "event_id";

/// What became of a record.
#[derive(Debug)]
pub(super) enum Verdict {
    /// To be filed.
    File(EventId, OutRecord),
    /// To be refused.
    Refuse(String),
}

/// Decodes, validates and normalises one record of the inbox.
pub(super) fn judge(record: &Record, now: DateTime<Utc>) -> Verdict {
    let Some(value) = record.value.as_deref() else {
        return Verdict::Refuse("the record has no value; an event is a JSON object".to_owned());
    };
    if value.len() > MAX_FILED_BYTES {
        return Verdict::Refuse(format!("the event takes {} bytes; at most {MAX_FILED_BYTES} are allowed", value.len()));
    }
    let event = match normalised(value, now) {
        Ok(event) => event,
        Err(reason) => return Verdict::Refuse(reason),
    };
    let (id, key, topic) = (event.event_id(), event.key(), event.topic().name());
    if let Event::Profile(profile) = &event
        && profile.kind == ProfileKind::Erased
    {
        let mut tombstone = OutRecord::new(topic, key, None);
        tombstone.headers.push((EVENT_ID_HEADER.to_owned(), id.as_bytes().to_vec()));
        return Verdict::File(id, tombstone);
    }
    let filed = event.encode();
    if filed.len() > MAX_FILED_BYTES {
        return Verdict::Refuse(format!("the event takes {} bytes when written out; at most {MAX_FILED_BYTES} are allowed", filed.len()));
    }
    Verdict::File(id, OutRecord::new(topic, key, Some(filed)))
}

/// What the gate says of a record's value, for whoever wants to know before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The event's id.
    pub event_id: EventId,
    /// Where it would be filed.
    pub topic: &'static str,
    /// The key it has on `inbox`.
    pub actor: String,
}

/// Judges a record as the gate does, but for whether its event was filed before.
///
/// # Errors
/// Why the gate would refuse it.
pub fn check(record: &Record, now: DateTime<Utc>) -> Result<Passed, String> {
    match judge(record, now) {
        Verdict::Refuse(reason) => Err(reason),
        Verdict::File(..) => {
            let event = normalised(record.value.as_deref().unwrap_or_default(), now)?;
            Ok(Passed { event_id: event.event_id(), topic: event.topic().name(), actor: event.actor().to_string() })
        }
    }
}

/// The event of a record's value as it is filed.
///
/// # Errors
/// Why it is refused.
pub(crate) fn normalised(value: &[u8], now: DateTime<Utc>) -> Result<Event, String> {
    let event = normal(Event::decode(value).map_err(|e| e.to_string())?);
    match validate(&event, now) {
        Ok(()) => Ok(event),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// Fills in counts and writes times and tags one way, so that nobody downstream has to.
fn normal(event: Event) -> Event {
    match event {
        Event::Moment(mut moment) => {
            moment.tags = tags(&moment.tags);
            (moment.event_time, moment.published_at) = (micros(moment.event_time), micros(moment.published_at));
            Event::Moment(moment.with_counts())
        }
        Event::Interaction(mut interaction) => {
            interaction.tags = tags(&interaction.tags);
            interaction.event_time = micros(interaction.event_time);
            Event::Interaction(interaction)
        }
        Event::Profile(mut event) => {
            event.event_time = micros(event.event_time);
            if let Some(profile) = &mut event.profile {
                profile.tags = tags(&profile.tags);
                profile.created_at = micros(profile.created_at);
            }
            Event::Profile(event)
        }
        Event::Presence(event) => Event::Presence(PresenceEvent { event_time: micros(event.event_time), ..event }),
        Event::Message(event) => Event::Message(MessageEvent { event_time: micros(event.event_time), ..event }),
        Event::Deck(event) => Event::Deck(DeckEvent { event_time: micros(event.event_time), made_at: micros(event.made_at), ..event }),
        Event::Page(event) => Event::Page(PageEvent { event_time: micros(event.event_time), ..event }),
    }
}

/// A time as every table can hold it: whole microseconds, and no second called 60.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// Normal form, without blanks and repeats, in the order given.
fn tags(given: &[String]) -> Vec<String> {
    let mut seen = Vec::with_capacity(given.len());
    for tag in given.iter().map(|tag| normal_tag(tag)).filter(|tag| !tag.is_empty()) {
        if !seen.contains(&tag) {
            seen.push(tag);
        }
    }
    seen
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn record(value: Option<Vec<u8>>) -> Record {
        Record { topic: Arc::from("inbox"), partition: 0, offset: 0, timestamp_ms: 0, key: None, value, headers: Vec::new() }
    }

    fn judged(value: &serde_json::Value) -> Verdict {
        judge(&record(Some(value.to_string().into_bytes())), now())
    }

    #[test]
    fn a_moment_is_filed_under_its_author_with_counts_and_plain_tags() {
        let verdict = judged(
            &json!({"event_id": "01903a5e-7b7c-7000-8000-000000000001", "event_time": "2026-09-01T00:00:00Z", "kind": "moment_published",
            "moment_id": "5", "author_id": "7", "published_at": "2026-09-01T00:00:00Z", "title": "爬山", "text": "", "tags": [" #Hiking", "hiking", "＃咖啡", "#"], "unknown": 1}),
        );
        let Verdict::File(_, out) = verdict else { panic!("{verdict:?}") };
        assert_eq!((out.topic.as_str(), out.key.as_slice()), ("moments", b"7".as_slice()));
        let filed: serde_json::Value = serde_json::from_slice(out.value.as_deref().unwrap()).unwrap();
        assert_eq!(filed["tags"], json!(["hiking", "咖啡"]));
        assert_eq!(filed["text_chars"], 2);
        assert!(filed.get("unknown").is_none());
    }

    #[test]
    fn an_erasure_becomes_a_tombstone_that_still_names_its_event() {
        let verdict = judged(
            &json!({"event_id": "01903a5e-7b7c-7000-8000-000000000002", "event_time": "2026-09-01T00:00:00Z", "kind": "profile_erased", "user_id": "7"}),
        );
        let Verdict::File(id, out) = verdict else { panic!("{verdict:?}") };
        assert_eq!((out.topic.as_str(), out.value), ("profiles", None));
        assert_eq!(out.headers, [(EVENT_ID_HEADER.to_owned(), id.as_bytes().to_vec())]);
    }

    #[test]
    fn refusals_say_which_field_and_what_would_be_right() {
        let like = json!({"event_id": "01903a5e-7b7c-7000-8000-000000000003", "event_time": "2026-09-01T00:00:00Z", "kind": "like", "actor_id": "1", "target_id": "1"});
        let Verdict::Refuse(reason) = judged(&like) else { panic!() };
        assert!(reason.contains("target_id"), "{reason}");
        let Verdict::Refuse(reason) = judged(&json!({"kind": "wink"})) else { panic!() };
        assert!(reason.contains("unknown kind `wink`"), "{reason}");
        assert!(matches!(judge(&record(None), now()), Verdict::Refuse(_)));
        let huge = json!({"event_id": "01903a5e-7b7c-7000-8000-000000000004", "event_time": "2026-09-01T00:00:00Z", "kind": "app_open", "user_id": "1", "request_id": "x".repeat(1_000_001)});
        assert!(matches!(judged(&huge), Verdict::Refuse(_)));
    }

    #[test]
    fn times_are_written_so_that_every_table_can_read_them() {
        for (written, filed) in [
            ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250Z"),
            ("2026-03-01T08:00:00.123456789+08:00", "2026-03-01T00:00:00.123456Z"),
        ] {
            let verdict = judged(
                &json!({"event_id": "01903a5e-7b7c-7000-8000-000000000005", "event_time": written, "kind": "app_open", "user_id": "1"}),
            );
            let Verdict::File(_, out) = verdict else { panic!("{verdict:?}") };
            let value: serde_json::Value = serde_json::from_slice(out.value.as_deref().unwrap()).unwrap();
            assert_eq!(value["event_time"], filed);
            let rows = crate::tables::decode(features::topic::Topic::Presence, &[out.value.as_deref().unwrap()]).unwrap();
            assert_eq!((rows.batch.num_rows(), rows.bad.len()), (1, 0));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(matches!(judge(&record(Some(bytes)), now()), Verdict::Refuse(_)));
        }
    }
}
