//! JSON records to Arrow.

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use features::topic::Topic;

use super::schema::schema;

/// What became of some records.
#[derive(Debug)]
pub struct Decoded {
    /// The rows, in the order of the records.
    pub batch: RecordBatch,
    /// Positions of the records that are not rows of the table, and why; empty unless something wrote past the gate.
    pub bad: Vec<(usize, String)>,
}

/// Decodes the values of records of one topic.
///
/// # Errors
/// When the topic has no table. Records that are no rows are no error: they come back in [`Decoded::bad`].
pub fn decode(topic: Topic, values: &[&[u8]]) -> Result<Decoded, ArrowError> {
    let schema = schema(topic).ok_or_else(|| ArrowError::SchemaError(format!("topic `{}` has no table", topic.name())))?;
    if let Ok(batch) = together(topic, &schema, values) {
        return Ok(Decoded { batch, bad: Vec::new() });
    }
    // Something among them is no row: find out what, one by one. Slow, and rare: the gate lets nothing like it pass.
    let mut bad = Vec::new();
    let mut good = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        match together(topic, &schema, std::slice::from_ref(value)) {
            Ok(_) => good.push(*value),
            Err(error) => bad.push((at, error.to_string())),
        }
    }
    Ok(Decoded { batch: together(topic, &schema, &good)?, bad })
}

fn together(topic: Topic, schema: &SchemaRef, values: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
    match topic {
        Topic::Portraits => return super::portraits::rows(schema, values),
        Topic::Embeddings => return super::embeddings::rows(schema, values),
        _ => {}
    }
    let mut decoder = ReaderBuilder::new(SchemaRef::clone(schema)).with_batch_size(values.len() + 1).build_decoder()?;
    for (at, value) in values.iter().enumerate() {
        let value = if topic == Topic::Profiles { flat_extend_data(value)? } else { Cow::Borrowed(*value) };
        let read = decoder.decode(&value)?;
        // A cut object would swallow the next record, and two objects in one record would shift all that follow.
        if read != value.len() || decoder.has_partial_record() || decoder.len() != at + 1 {
            return Err(ArrowError::JsonError("not exactly one JSON object".to_owned()));
        }
    }
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(SchemaRef::clone(schema))))
}

/// Turns the free object `profile.extend_data` into JSON text.
fn flat_extend_data(value: &[u8]) -> Result<Cow<'_, [u8]>, ArrowError> {
    let wrong = |e: serde_json::Error| ArrowError::JsonError(e.to_string());
    let mut event: serde_json::Value = serde_json::from_slice(value).map_err(wrong)?;
    match event.pointer_mut("/profile/extend_data") {
        Some(data) if !data.is_null() => {
            *data = serde_json::Value::String(data.to_string());
            serde_json::to_vec(&event).map(Cow::Owned).map_err(wrong)
        }
        _ => Ok(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
    use chrono::{DateTime, Utc};
    use features::event::{
        Event, InteractionEvent, InteractionKind, Media, MediaKind, MomentEvent, MomentKind, ProfileEvent, ProfileKind, QuestionAnswer,
    };
    use features::ids::{MomentId, UserId, derived_event_id};
    use features::profile::{Gender, Position, Profile};
    use proptest::prelude::*;

    use super::*;

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap()
    }

    fn like(n: u64) -> Vec<u8> {
        let event = InteractionEvent {
            event_id: derived_event_id(&["like", &n.to_string()]),
            event_time: at(),
            kind: InteractionKind::Like,
            request_id: None,
            actor_id: UserId(n + 1),
            target_id: UserId(u64::MAX),
            moment_id: n.is_multiple_of(2).then_some(MomentId(7)),
            text: None,
            tags: vec!["咖啡".to_owned(), "hiking".to_owned()],
            deck_id: Some("d1".to_owned()),
            position: Some(3),
            experiments: vec!["closer:near".to_owned(), "holdout:out".to_owned()],
            propensity: Some(0.25),
        };
        Event::Interaction(event).encode()
    }

    #[test]
    fn an_interaction_keeps_every_field() {
        let (one, two) = (like(1), like(2));
        let decoded = decode(Topic::Interactions, &[&one, &two]).unwrap();
        assert!(decoded.bad.is_empty());
        let batch = decoded.batch;
        assert_eq!(batch.num_rows(), 2);
        assert_eq!(batch["target_id"].as_string::<i32>().value(0), "18446744073709551615");
        assert_eq!(batch["event_time"].as_primitive::<TimestampMicrosecondType>().value(1), 1_790_000_000_123_456);
        assert_eq!(batch["position"].as_primitive::<Int64Type>().value(1), 3);
        assert!(batch["moment_id"].is_null(0) && batch["moment_id"].is_valid(1));
        let tags = batch["tags"].as_list::<i32>().value(0);
        assert_eq!(tags.as_string::<i32>().value(0), "咖啡");
        let experiments = batch["experiments"].as_list::<i32>().value(1);
        assert_eq!(experiments.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["closer:near", "holdout:out"]);
        assert_eq!(batch["propensity"].as_primitive::<Float64Type>().value(0), 0.25);
    }

    #[test]
    fn a_moment_and_a_profile_become_rows_with_everything_in_them() {
        let moment = MomentEvent {
            event_id: derived_event_id(&["m"]),
            event_time: at(),
            kind: MomentKind::Published,
            request_id: Some("r".to_owned()),
            moment_id: MomentId(5),
            author_id: UserId(6),
            published_at: at(),
            title: "爬山".to_owned(),
            text: "with \"friends\"".to_owned(),
            answers: vec![QuestionAnswer { question: "哪里?".to_owned(), answer: "黄山".to_owned() }],
            tags: vec![],
            media: vec![Media { kind: MediaKind::Video, object: "a/b.mp4".to_owned(), seconds: Some(2.5) }],
            text_chars: 0,
            answer_chars: 0,
            media_count: 0,
        };
        let bytes = Event::Moment(moment.with_counts()).encode();
        let batch = decode(Topic::Moments, &[&bytes]).unwrap().batch;
        assert_eq!(batch["answer_chars"].as_primitive::<Int64Type>().value(0), 2);
        assert_eq!(batch["media"].as_list::<i32>().value(0).len(), 1);
        let profile: Profile = serde_json::from_value(serde_json::json!({
            "nickname": "小红", "gender": "female", "birth_date": "1999-02-03", "position": {"lat": 31.2, "lon": 121.5},
            "created_at": at(), "extend_data": {"zodiac": "虎", "n": [1, 2]}
        }))
        .unwrap();
        assert_eq!((profile.gender, profile.position), (Gender::Female, Some(Position { lat: 31.2, lon: 121.5 })));
        let event = ProfileEvent {
            event_id: derived_event_id(&["p"]),
            event_time: at(),
            kind: ProfileKind::Updated,
            request_id: None,
            user_id: UserId(9),
            profile: Some(profile),
        };
        let bytes = Event::Profile(event).encode();
        let decoded = decode(Topic::Profiles, &[&bytes]).unwrap();
        assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
        let profile = decoded.batch["profile"].as_struct();
        let kept: serde_json::Value =
            serde_json::from_str(profile.column_by_name("extend_data").unwrap().as_string::<i32>().value(0)).unwrap();
        assert_eq!(kept, serde_json::json!({"zodiac": "虎", "n": [1, 2]}));
    }

    #[test]
    fn bad_records_are_named_and_the_others_stay() {
        let (one, two) = (like(1), like(2));
        let mut doubled = like(3);
        doubled.extend(like(4));
        let cut = &one[..one.len() - 20];
        let missing = br#"{"event_id":"x"}"#;
        let values: Vec<&[u8]> = vec![cut, &one, b"garbage", &doubled, &two, missing, b""];
        let decoded = decode(Topic::Interactions, &values).unwrap();
        assert_eq!(decoded.bad.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 3, 5, 6]);
        assert_eq!(decoded.batch["actor_id"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["2", "3"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_lose_a_neighbour(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let (one, two) = (like(1), like(2));
            for topic in super::super::TABLES {
                let _ = decode(topic, &[&bytes]).unwrap();
            }
            let decoded = decode(Topic::Interactions, &[&one, &bytes, &two]).unwrap();
            prop_assert_eq!(decoded.batch.num_rows() + decoded.bad.len(), 3);
            prop_assert!(decoded.batch.num_rows() >= 2);
        }
    }
}
