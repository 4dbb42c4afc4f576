//! Arrow back to events: what [`super::decode`] undoes.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use features::event::Event;
use serde_json::Value;

/// The events of rows of a filed topic's table, in the order of the rows.
///
/// # Errors
/// When a row is no event: the table was written by something else than the lake writer.
pub fn events(rows: &RecordBatch) -> Result<Vec<Event>, ArrowError> {
    let mut json = LineDelimitedWriter::new(Vec::new());
    json.write(rows)?;
    json.finish()?;
    let text = json.into_inner();
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(event).collect()
}

fn event(line: &[u8]) -> Result<Event, ArrowError> {
    let wrong = |e: &dyn std::fmt::Display| ArrowError::JsonError(e.to_string());
    // Only profiles have `extend_data`, which their table keeps as JSON text.
    let marker = b"\"extend_data\"";
    if !line.windows(marker.len()).any(|at| at == marker) {
        return Event::decode(line).map_err(|e| wrong(&e));
    }
    let mut fields: Value = serde_json::from_slice(line).map_err(|e| wrong(&e))?;
    if let Some(data) = fields.pointer_mut("/profile/extend_data")
        && let Value::String(text) = data
    {
        *data = serde_json::from_str(text).map_err(|e| wrong(&e))?;
    }
    let line = serde_json::to_vec(&fields).map_err(|e| wrong(&e))?;
    Event::decode(&line).map_err(|e| wrong(&e))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::event::{DeckEvent, DeckKind, PageEvent, PageItem, PageKind, PageRemoved, ProfileEvent, ProfileKind};
    use features::ids::{UserId, derived_event_id};
    use features::profile::Profile;
    use features::topic::Topic;
    use serde_json::json;

    use super::super::decode;
    use super::*;
    use crate::testing;

    fn profile(n: u64, profile: Value) -> Event {
        let profile: Profile = serde_json::from_value(profile).unwrap();
        Event::Profile(ProfileEvent {
            event_id: derived_event_id(&["p", &n.to_string()]),
            event_time: "2026-10-01T00:00:00.000007Z".parse().unwrap(),
            kind: ProfileKind::Updated,
            request_id: None,
            user_id: UserId(u64::MAX - n),
            profile: Some(profile),
        })
    }

    fn served() -> [Event; 2] {
        let (event_time, request_id) = ("2026-10-01T00:00:00.000007Z".parse().unwrap(), Some("r".to_owned()));
        let (deck_id, viewer_id) = ("0199a0c0-0000-7000-8000-000000000001".to_owned(), UserId(u64::MAX));
        let deck = DeckEvent {
            event_id: derived_event_id(&["deck"]),
            event_time,
            kind: DeckKind::Served,
            request_id: request_id.clone(),
            deck_id: deck_id.clone(),
            viewer_id,
            made_at: event_time,
            seed: u64::MAX - 1,
            config_version: "0123456789ab".to_owned(),
            region: None,
            strategy: "formula".to_owned(),
            experiments: vec!["closer:near".to_owned()],
            degraded: vec!["source hot: no answer".to_owned()],
            scored: 900,
            size: 200,
            program: "hongniang 0.1.0".to_owned(),
            record: "AAEC/+==".to_owned(),
        };
        let item = |position: u32, score: f32| PageItem {
            user_id: UserId(u64::from(position) + 1),
            position,
            score,
            worth: 0.1 + 0.2,
            propensity: 1e-9,
            sources: vec!["near_me".to_owned(), "hot".to_owned()],
            reasons: Vec::new(),
            generation: 3,
            version: 1_790_000_000_123,
            profile: (position == 1).then(|| r#"{"nickname":"小红","extend_data":{"a":1}}"#.to_owned()),
        };
        let page = PageEvent {
            event_id: derived_event_id(&["page"]),
            event_time,
            kind: PageKind::Served,
            request_id,
            deck_id,
            viewer_id,
            first: 0,
            next: 3,
            language: "zh".to_owned(),
            items: vec![item(0, 0.333_333_34), item(1, 0.1), item(2, 1.0 / 3.0)],
            removed: vec![PageRemoved { user_id: UserId(9), filter: "blocked".to_owned() }],
            body_sha256: "ab".repeat(32),
            body_bytes: 3_000,
        };
        [Event::Deck(deck), Event::Page(page)]
    }

    #[test]
    fn every_event_comes_back_as_it_was() {
        let mut all = testing::events(21, 400);
        all.push(profile(1, json!({"nickname": "a", "gender": "other", "birth_date": "1999-02-03", "created_at": "2026-10-01T00:00:00Z"})));
        all.push(profile(
            2,
            json!({"nickname": "小红 \"extend_data\"", "gender": "female", "birth_date": "1999-02-03", "created_at": "2026-10-01T00:00:00Z",
            "position": {"lat": 31.2, "lon": 121.5}, "height_cm": 170, "education": "master", "languages": ["zh"], "tags": ["a", "b"], "photos": 3,
            "preferences": {"genders": ["male"], "min_age": 20, "max_age": 30, "max_distance_km": 50}, "hidden": true, "virtual": true,
            "extend_data": {"zodiac": "虎", "n": [1, 2]}}),
        ));
        all.extend(served());
        for topic in Topic::FILED {
            let mine: Vec<&Event> = all.iter().filter(|e| e.topic() == topic).collect();
            assert!(!mine.is_empty(), "{}", topic.name());
            let bytes: Vec<Vec<u8>> = mine.iter().map(|e| e.encode()).collect();
            let decoded = decode(topic, &bytes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
            let back = events(&decoded.batch).unwrap();
            assert_eq!(back.iter().collect::<Vec<_>>(), mine, "{}", topic.name());
        }
    }
}
