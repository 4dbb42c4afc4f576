//! JSON lines: one event of docs/EVENTS.md per line; `event_id` may be left out.

use chrono::{DateTime, Utc};
use features::event::Event;
use features::ids::derived_event_id;
use serde_json::Value;

use super::Parsed;

/// Reads the lines of a file; `file` is its name, which goes into derived ids.
pub fn json_lines(file: &str, text: &[u8], now: DateTime<Utc>) -> Parsed {
    let mut parsed = Parsed::default();
    for (line, bytes) in (1u64..).zip(text.split(|b| *b == b'\n')) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event = serde_json::from_slice::<Value>(bytes).map_err(|e| e.to_string()).and_then(|mut value| {
            let Some(fields) = value.as_object_mut() else { return Err("not a JSON object".to_owned()) };
            let id = || Value::String(derived_event_id(&["import", file, &line.to_string()]).to_string());
            fields.entry("event_id").or_insert_with(id);
            Event::decode(value.to_string().as_bytes()).map_err(|e| e.to_string())
        });
        match event {
            Ok(Event::Moment(moment)) => parsed.take(file, line, Event::Moment(moment.with_counts()), now),
            Ok(event) => parsed.take(file, line, event, now),
            Err(reason) => parsed.refuse(file, line, reason),
        }
    }
    parsed
}
