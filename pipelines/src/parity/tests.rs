//! What is compared is told apart, and recordings are what they say.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use features::event::Event;
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set};
use features::topic::Topic;

use super::*;
use crate::bus::{OutRecord, Record};
use crate::lake::write_events;

fn now() -> DateTime<Utc> {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn whole(seed: u64, events: u64) -> (Vec<OutRecord>, Filed) {
    let mut recording = Recording::new(RecordingPlan { seed, events, people: 40, now: now() });
    let mut all = Vec::new();
    loop {
        let chunk = recording.chunk(97);
        if chunk.is_empty() {
            break;
        }
        all.extend(chunk);
    }
    assert_eq!(recording.sent(), all.len() as u64);
    (all, recording.expected().clone())
}

#[test]
fn a_recording_is_the_same_each_time_and_holds_what_it_promises() {
    let (records, expected) = whole(7, 6_000);
    assert_eq!(whole(7, 6_000).0, records);
    assert_ne!(whole(8, 6_000).0, records);
    let (mut found, mut seen, mut repeats, mut turned, mut last) = (Filed::default(), HashMap::new(), 0, 0, DateTime::<Utc>::MIN_UTC);
    for record in &records {
        let read = Record {
            topic: "inbox".into(),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: None,
            value: record.value.clone(),
            headers: vec![],
        };
        match crate::gate::check(&read, now()) {
            Ok(_) => {
                let event = Event::decode(record.value.as_deref().unwrap()).unwrap();
                if seen.insert(event.event_id(), ()).is_some() {
                    repeats += 1;
                    continue;
                }
                turned += usize::from(event.event_time() < last);
                last = event.event_time();
                found.add(event.topic(), event.event_id());
            }
            Err(_) => found.refused += 1,
        }
    }
    assert_eq!(found, expected, "{:?}", expected.differences(&found));
    assert_eq!(expected.events(), 6_000);
    assert!(repeats > 200 && turned > 600 && expected.refused > 50, "{repeats} repeats, {turned} out of order, {}", expected.refused);
    for topic in Topic::LIVED {
        assert!(expected.of(topic) > 0, "{}", topic.name());
    }
}

#[test]
fn an_event_that_is_missing_doubled_or_exchanged_is_noticed() {
    let id = |n: &str| features::ids::derived_event_id(&[n]);
    let of = |ids: &[&str]| {
        let mut filed = Filed::default();
        ids.iter().for_each(|n| filed.add(Topic::Moments, id(n)));
        filed
    };
    let two = of(&["a", "b"]);
    assert!(two.differences(&of(&["b", "a"])).is_empty());
    assert_eq!(two.differences(&of(&["a"])), ["moments: 1 instead of 2 events"]);
    assert_eq!(two.differences(&of(&["a", "b", "b"])), ["moments: 3 instead of 2 events"]);
    assert!(two.differences(&of(&["a", "c"]))[0].contains("not the same ones"));
}

fn rows(set: &FeatureSet, of: &[(&str, i64, f64)], column: &str) -> Rows {
    let mut rows = Rows::default();
    for (key, version, value) in of {
        let values: BTreeMap<String, f64> = [(column.to_owned(), *value)].into();
        rows.take(set, &FeatureRow { key: vec![(*key).to_owned()], version: *version, generation: 1, values });
    }
    rows
}

#[tokio::test]
async fn every_kind_of_difference_is_counted_and_the_worst_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let set = feature_set("popularity").unwrap();
    let batch = rows(set, &[("1", 3, 8.0), ("2", 1, 1.0), ("3", 2, 2.0)], "likes_d14");
    let same = rows(set, &[("1", 3, 8.0 + 1e-12), ("2", 1, 1.0), ("3", 2, 2.0)], "likes_d14");
    let judged = compare(place, set, &same, &batch, TOLERANCE).await.unwrap();
    assert_eq!((judged.keys, judged.mismatches()), (3, 0));
    assert_eq!(judged.worst.map(|w| (w.key, w.column)), Some(("1".to_owned(), "likes_d14".to_owned())));
    let off = rows(set, &[("1", 3, 8.001), ("2", 2, 1.0), ("9", 2, 2.0)], "likes_d14");
    let judged = compare(place, set, &off, &batch, TOLERANCE).await.unwrap();
    assert_eq!((judged.values, judged.versions, judged.only_in_stream, judged.only_in_batch), (1, 1, 1, 1));
    let worst = judged.worst.unwrap();
    assert_eq!((worst.key.as_str(), worst.column.as_str(), worst.off), ("3", "key", f64::INFINITY));
    let count = |n| rows(set, &[("1", 3, n)], "likes");
    let judged = compare(place, set, &count(1e12 + 1.0), &count(1e12), TOLERANCE).await.unwrap();
    assert_eq!(judged.values, 1, "counts are equal or they are not");
    let judged = compare(place, set, &count(f64::NAN), &count(1.0), TOLERANCE).await.unwrap();
    assert_eq!(judged.values, 1);
}

#[tokio::test]
async fn what_is_left_of_published_and_deleted_moments_is_measured_by_what_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let (records, _) = whole(3, 4_000);
    let mut events: BTreeMap<uuid::Uuid, Event> = BTreeMap::new();
    for record in &records {
        let read = crate::gate::normalised(record.value.as_deref().unwrap_or_default(), now());
        if let Ok(event) = read {
            events.insert(event.event_id(), event);
        }
    }
    let events: Vec<Event> = events.into_values().collect();
    write_events(place, &events).await.unwrap();
    let set = feature_set("moment_richness").unwrap();
    let batch = Rows::of_lake(place, set).await.unwrap();
    assert!(batch.len() > 20);
    let scale = Rows::magnitudes(place, set).await.unwrap();
    let (key, row) = batch.rows.iter().max_by(|a, b| a.1.values[1].total_cmp(&b.1.values[1])).unwrap();
    assert!(scale.rows[key].values[1] >= row.values[1].abs());
    let mut stream = batch.clone();
    let size = scale.rows[key].values[1];
    stream.rows.get_mut(key).unwrap().values[1] += size * 1e-10;
    assert_eq!(compare(place, set, &stream, &batch, TOLERANCE).await.unwrap().mismatches(), 0);
    stream.rows.get_mut(key).unwrap().values[1] += size * 1e-6;
    assert_eq!(compare(place, set, &stream, &batch, TOLERANCE).await.unwrap().values, 1);
}
