//! Writes `docs/EVENTS.md` from the types, so that the document cannot drift from the code.

use std::fmt::Write as _;

use serde_json::Value;
use utoipa::PartialSchema;

use crate::event::{
    DeadLetter, DeckEvent, DeckKind, EmbeddingRecord, InteractionEvent, InteractionKind, LetterHeader, Media, MessageEvent, MessageKind,
    MomentEvent, MomentKind, PageEvent, PageItem, PageKind, PageRemoved, PresenceEvent, PresenceKind, ProfileEvent, ProfileKind,
    QuestionAnswer, Replay,
};
use crate::portrait::{Behaviour, Portrait, Signals, TagWeight};
use crate::profile::{Position, Preferences, Profile};
use crate::sets::feature_sets;
use crate::topic::{Cleanup, Topic};

const HEAD: &str = "# Events and topics

Generated from the types in `features/src`; a test fails when it is out of date
(`UPDATE_DOCS=1 make test` writes it anew).

One JSON object per record. Times are RFC 3339 in UTC, 64-bit ids are strings. `kind` decides the type and the topic;
unknown kinds are refused by the gate (they go to `dead_letters`), unknown fields are ignored. Everything enters through
`inbox`, keyed by the one who caused it; the gate files it.

| topic | key | kept | carries |
| --- | --- | --- | --- |
";

/// The whole document.
pub fn events_markdown() -> String {
    let mut out = String::from(HEAD);
    for topic in Topic::ALL {
        let kept = match topic {
            Topic::Inbox => "for `kafka.inbox_retention_ms`",
            Topic::Decks | Topic::Pages => "for `kafka.served_retention_ms`",
            other if other.cleanup() == Cleanup::Compact => "newest per key",
            _ => "for `kafka.retention_ms`",
        };
        let (key, carries) = topic_row(topic);
        line(&mut out, &format!("| `{}` | {key} | {kept} | {carries} |", topic.name()));
    }
    line(&mut out, "| `features.<name>` | key columns joined by `\\|` | newest per key | one row per key of a feature set, see below |");
    line(
        &mut out,
        "| `feature_generations` | feature set | newest per key | `{\"set\",\"generation\"}`: rows of Arroyo up to this generation count (docs/ARROYO.md) |\n",
    );
    record::<ProfileEvent>(&mut out, "`profiles`", Some(&names(ProfileKind::ALL.iter().map(|k| k.name()))));
    record::<MomentEvent>(&mut out, "`moments`", Some(&names(MomentKind::ALL.iter().map(|k| k.name()))));
    record::<InteractionEvent>(&mut out, "`interactions`", Some(&names(InteractionKind::ALL.iter().map(|k| k.name()))));
    record::<PresenceEvent>(&mut out, "`presence`", Some(&names(PresenceKind::ALL.iter().map(|k| k.name()))));
    record::<MessageEvent>(&mut out, "`messages`", Some(&names(MessageKind::ALL.iter().map(|k| k.name()))));
    record::<DeckEvent>(&mut out, "`decks`", Some(&names(DeckKind::ALL.iter().map(|k| k.name()))));
    record::<PageEvent>(&mut out, "`pages`", Some(&names(PageKind::ALL.iter().map(|k| k.name()))));
    record::<EmbeddingRecord>(&mut out, "`embeddings`", None);
    record::<Portrait>(&mut out, "`portraits`", None);
    record::<DeadLetter>(&mut out, "`dead_letters`", None);
    record::<LetterHeader>(&mut out, "LetterHeader", None);
    record::<Replay>(&mut out, "`replays`", None);
    record::<Profile>(&mut out, "Profile", None);
    record::<Preferences>(&mut out, "Preferences", None);
    record::<Position>(&mut out, "Position", None);
    record::<QuestionAnswer>(&mut out, "QuestionAnswer", None);
    record::<Media>(&mut out, "Media", None);
    record::<TagWeight>(&mut out, "TagWeight", None);
    record::<PageItem>(&mut out, "PageItem", None);
    record::<PageRemoved>(&mut out, "PageRemoved", None);
    feature_topics(&mut out);
    out
}

fn topic_row(topic: Topic) -> (&'static str, &'static str) {
    match topic {
        Topic::Inbox => ("actor", "whatever services, imports and back ends report, as received"),
        Topic::Profiles => ("user", "the profile as it now stands; tombstone on erasure"),
        Topic::Moments => ("author", "published, deleted; text, Q&A, tags, media facts"),
        Topic::Interactions => ("actor", "what people do to each other"),
        Topic::Presence => ("user", "signs of life and places"),
        Topic::Messages => ("conversation", "sent and read facts, never the text"),
        Topic::Decks => ("viewer", "decks of which a page was served, with what it takes to compute them again"),
        Topic::Pages => ("viewer", "pages as they were served: who, why, and what the answer was"),
        Topic::Embeddings => ("`m:<moment>` or `p:<user>`", "vector of a Moment or profile, with model name"),
        Topic::Portraits => ("user", "the assembled portrait; tombstone on erasure"),
        Topic::DeadLetters => ("key of the refused record", "what was refused: raw bytes, reason, origin"),
        Topic::Replays => ("letter", "which dead letter was sent to `inbox` again, and when"),
    }
}

/// What the fields of a topic's records mean, by name; empty for the inbox, which carries those of all.
pub fn meanings(topic: Topic) -> Vec<(String, String)> {
    match topic {
        Topic::Inbox => Vec::new(),
        Topic::Profiles => fields::<ProfileEvent>(),
        Topic::Moments => fields::<MomentEvent>(),
        Topic::Interactions => fields::<InteractionEvent>(),
        Topic::Presence => fields::<PresenceEvent>(),
        Topic::Messages => fields::<MessageEvent>(),
        Topic::Decks => fields::<DeckEvent>(),
        Topic::Pages => fields::<PageEvent>(),
        Topic::Embeddings => fields::<EmbeddingRecord>(),
        Topic::Portraits => fields::<Portrait>(),
        Topic::DeadLetters => fields::<DeadLetter>(),
        Topic::Replays => fields::<Replay>(),
    }
}

/// The same of what a portrait says of somebody, in columns: the portrait's own fields, the profile's, and what scoring reads.
pub fn portrait_meanings() -> Vec<(String, String)> {
    [fields::<Portrait>(), fields::<Profile>(), fields::<Signals>(), fields::<Behaviour>()].concat()
}

/// What a topic carries, in a line.
pub fn carries(topic: Topic) -> &'static str {
    topic_row(topic).1
}

fn fields<T: PartialSchema>() -> Vec<(String, String)> {
    let schema = serde_json::to_value(T::schema()).expect("a schema is JSON");
    // Of an optional record the words stand with the record, beside "or null".
    let either =
        |field: &Value| field["oneOf"].as_array().and_then(|all| all.iter().find_map(|one| one["description"].as_str().map(str::to_owned)));
    let text = |field: &Value| field["description"].as_str().map(str::to_owned).or_else(|| either(field)).unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, field)| (name.clone(), text(field).replace('\n', " "))).collect()
}

fn names<'a>(kinds: impl Iterator<Item = &'a str>) -> String {
    kinds.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String");
}

fn record<T: PartialSchema>(out: &mut String, title: &str, kinds: Option<&str>) {
    line(out, &format!("\n## {title}\n"));
    let schema = serde_json::to_value(T::schema()).expect("a schema is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('\n', " ");
    line(out, &text(&schema["description"]));
    if let Some(kinds) = kinds {
        line(out, &format!("\nKinds: {kinds}."));
    }
    line(out, "\n| field | type | required | meaning |\n| --- | --- | --- | --- |");
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let must = if required.contains(&name.as_str()) { "yes" } else { "" };
        line(out, &format!("| `{name}` | {} | {must} | {} |", type_name(field), text(&field["description"])));
    }
}

pub(crate) fn type_name(field: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for many in ["oneOf", "allOf", "anyOf"] {
        if let Some(one) = field[many].as_array().and_then(|all| all.iter().find(|s| s["type"] != "null")) {
            return type_name(one);
        }
    }
    let plain = match &field["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|t| *t != "null").unwrap_or("any"),
        Value::String(name) => name,
        _ => "any",
    };
    match (plain, field["format"].as_str()) {
        ("array", _) => format!("list of {}", type_name(&field["items"])),
        (_, Some("date-time")) => "time".to_owned(),
        (_, Some(format)) => format!("{plain} ({format})"),
        (plain, None) => plain.to_owned(),
    }
}

fn feature_topics(out: &mut String) {
    line(out, "\n## `features.<name>`\n");
    line(
        out,
        "Upserts: the higher `generation` wins, then the higher `version`. A column that ends in `_d<days>` is a forward-decayed sum",
    );
    line(
        out,
        "with that half-life and the landmark 2026-01-01T00:00:00Z; its value at time t is `sum * 2^(-(t - landmark) / half_life)`.\n",
    );
    line(out, "| feature set | reads | key columns | value columns |\n| --- | --- | --- | --- |");
    for set in feature_sets() {
        let code = |columns: &[String]| names(columns.iter().map(String::as_str));
        line(out, &format!("| `{}` | `{}` | {} | {} |", set.name, set.source.name(), code(&set.key_columns), code(&set.value_columns)));
    }
}
