//! Records as older versions wrote them: `features/golden`. They are read to the same values for ever. New ones are added; those that are there are
//! never changed.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::PartialSchema;

use super::folder;
use crate::event::{
    DeadLetter, DeckEvent, DeckKind, EmbeddingRecord, Event, InteractionEvent, InteractionKind, LetterHeader, Media, MessageEvent,
    MessageKind, MomentEvent, MomentKind, PageEvent, PageItem, PageKind, PageRemoved, PresenceEvent, PresenceKind, ProfileEvent,
    ProfileKind, QuestionAnswer, Replay,
};
use crate::portrait::{Portrait, TagWeight};
use crate::profile::{Position, Preferences, Profile};
use crate::row::FeatureRow;
use crate::sets::feature_sets;
use crate::vector::QVector;

const REMEDY: &str = "events of that form lie in topics and lakes, and have to be read for ever: keep reading them (`#[serde(alias)]`, `#[serde(default)]`), \
                      or give what is new a new kind, topic or field name";

fn written(file: &str) -> Vec<Value> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; every kind of record has a file there with what this version writes", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Whether everything in `old` is in `new` as it was; where not, the path.
fn lost(old: &Value, new: &Value, path: &str) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            new.get(name).map_or(Some(path.clone()), |there| lost(value, there, &path))
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).enumerate().find_map(|(n, (old, new))| lost(old, new, &format!("{path}[{n}]")))
        }
        _ => (old != new).then(|| format!("{path}: {old} is read as {new}")),
    }
}

/// Reads what a file holds and writes it again: nothing may be lost on the way.
fn read_again(file: &str, again: impl Fn(&[u8]) -> Result<Vec<u8>, String>) -> Vec<Value> {
    let all = written(file);
    assert!(all.len() >= 2, "{file}: one with everything in it, and one with what is required");
    for (n, old) in all.iter().enumerate() {
        let new = again(&serde_json::to_vec(old).unwrap())
            .unwrap_or_else(|e| panic!("features/golden/{file}[{n}] is not read any more ({e}): {REMEDY}"));
        let new = serde_json::from_slice(&new).unwrap();
        let old = if old.get("after").is_some() { &old["after"] } else { old };
        if let Some(path) = lost(old, &new, "") {
            panic!("features/golden/{file}[{n}] is read otherwise than it was, at {path}: {REMEDY}");
        }
    }
    all
}

/// Every field of a type is in one of the examples at least.
fn complete<T: PartialSchema>(file: &str, of: &str, examples: &[&Value]) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let fields: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let there: BTreeSet<&str> = examples.iter().filter_map(|e| e.as_object()).flat_map(|e| e.keys().map(String::as_str)).collect();
    let missing: Vec<&&str> = fields.difference(&there).collect();
    assert!(
        missing.is_empty(),
        "features/golden/{file}: no example has {missing:?} of {of}; add a record that has, and leave those that are there as they are"
    );
}

fn at<'a>(all: &'a [Value], path: &str) -> Vec<&'a Value> {
    all.iter().filter_map(|value| value.pointer(path)).collect()
}

fn kinds<T: PartialSchema>(names: impl Iterator<Item = &'static str>) -> Vec<(String, Vec<Value>)> {
    names
        .map(|kind| {
            let file = format!("events/{kind}.json");
            let all = read_again(&file, |bytes| Event::decode(bytes).map(|event| event.encode()).map_err(|e| e.to_string()));
            assert!(all.iter().all(|event| event["kind"] == kind), "{file}: events of {kind}");
            (file, all)
        })
        .inspect(|(file, all)| {
            let examples: Vec<&Value> = all.iter().collect();
            // An erasure carries no profile.
            if !file.contains("profile_erased") {
                complete::<T>(file, "the event", &examples);
            }
        })
        .collect()
}

#[test]
fn events_of_older_versions_are_read_as_they_were() {
    for (file, all) in kinds::<InteractionEvent>(InteractionKind::ALL.iter().map(|k| k.name())) {
        assert_eq!(all.len(), 2, "{file}");
    }
    for (file, all) in kinds::<PresenceEvent>(PresenceKind::ALL.iter().map(|k| k.name())) {
        complete::<Position>(&file, "Position", &at(&all, "/position"));
    }
    for (file, all) in kinds::<MomentEvent>(MomentKind::ALL.iter().map(|k| k.name())) {
        complete::<QuestionAnswer>(&file, "QuestionAnswer", &at(&all, "/answers/0"));
        complete::<Media>(&file, "Media", &[at(&all, "/media/0"), at(&all, "/media/1")].concat());
    }
    kinds::<MessageEvent>(MessageKind::ALL.iter().map(|k| k.name()));
    kinds::<DeckEvent>(DeckKind::ALL.iter().map(|k| k.name()));
    for (file, all) in kinds::<PageEvent>(PageKind::ALL.iter().map(|k| k.name())) {
        complete::<PageItem>(&file, "PageItem", &at(&all, "/items/0"));
        complete::<PageRemoved>(&file, "PageRemoved", &at(&all, "/removed/0"));
    }
    for (file, all) in kinds::<ProfileEvent>(ProfileKind::ALL.iter().map(|k| k.name())) {
        if file.contains("updated") {
            complete::<Profile>(&file, "Profile", &at(&all, "/profile"));
            complete::<Preferences>(&file, "Preferences", &at(&all, "/profile/preferences"));
        }
    }
}

fn record<T: serde::Serialize + serde::de::DeserializeOwned + PartialSchema>(file: &str) -> Vec<Value> {
    let all = read_again(file, |bytes| {
        let read: T = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        serde_json::to_vec(&read).map_err(|e| e.to_string())
    });
    complete::<T>(file, "the record", &all.iter().collect::<Vec<_>>());
    all
}

#[test]
fn records_of_older_versions_are_read_as_they_were() {
    let embeddings = record::<EmbeddingRecord>("records/embedding.json");
    complete::<QVector>("records/embedding.json", "the vector", &at(&embeddings, "/vector"));
    let portraits = record::<Portrait>("records/portrait.json");
    complete::<TagWeight>("records/portrait.json", "TagWeight", &at(&portraits, "/tags/0"));
    complete::<Profile>("records/portrait.json", "Profile", &at(&portraits, "/profile"));
    let letters = record::<DeadLetter>("records/dead_letter.json");
    complete::<LetterHeader>("records/dead_letter.json", "LetterHeader", &at(&letters, "/headers/0"));
    record::<Replay>("records/replay.json");
}

#[test]
fn feature_rows_of_older_versions_are_read_as_they_were() {
    for set in feature_sets() {
        let file = format!("rows/{}.json", set.name);
        let all = read_again(&file, |bytes| FeatureRow::decode(set, bytes).map(|row| row.encode(set)).map_err(|e| e.to_string()));
        let whole = all[0].as_object().unwrap();
        for column in set.key_columns.iter().chain(&set.value_columns) {
            assert!(whole.contains_key(column), "features/golden/{file}: no example has `{column}`; add a row that has");
        }
    }
}

#[test]
fn what_is_lost_is_found() {
    let old = serde_json::json!({"a": {"b": [1, {"c": "x"}]}});
    assert_eq!(lost(&old, &serde_json::json!({"a": {"b": [1, {"c": "x", "new": 1}]}, "more": 2}), ""), None);
    for new in [r#"{"a":{"b":[1,{"d":"x"}]}}"#, r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":[1,{"c":"y"}]}}"#, r#"{"A":{}}"#, r#"{"a":null}"#] {
        assert!(lost(&old, &serde_json::from_str(new).unwrap(), "").is_some(), "{new}");
    }
}
