//! Every field of every record, held to what was there before: `features/golden/schema.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use utoipa::PartialSchema;

use super::folder;
use crate::docs::type_name;
use crate::event::{
    DeadLetter, DeckEvent, DeckKind, EmbeddingRecord, InteractionEvent, InteractionKind, LetterHeader, Media, MediaKind, MessageEvent,
    MessageKind, MomentEvent, MomentKind, PageEvent, PageItem, PageKind, PageRemoved, PresenceEvent, PresenceKind, ProfileEvent,
    ProfileKind, QuestionAnswer, Replay, ReplayKind, Subject,
};
use crate::portrait::{Portrait, TagWeight};
use crate::profile::{Education, Gender, Position, Preferences, Profile, Visibility};
use crate::sets::feature_sets;
use crate::vector::QVector;

/// What is known of a field, or of a type as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Field {
        kind: String,
        required: bool,
    },
    /// A type that refuses fields it does not know.
    Closed,
    /// The values of an enum.
    Values(Vec<String>),
}

type Listing = BTreeMap<String, Entry>;

fn record<T: PartialSchema>(listing: &mut Listing, name: &str) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (field, of) in schema["properties"].as_object().unwrap() {
        let entry = Entry::Field { kind: type_name(of), required: required.contains(&field.as_str()) };
        listing.insert(format!("{name}.{field}"), entry);
    }
    if schema["additionalProperties"] == Value::Bool(false) {
        listing.insert(name.to_owned(), Entry::Closed);
    }
}

fn values<T: PartialSchema>(listing: &mut Listing, name: &str) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    // Of an enum with contents each value is an object with one field.
    let with_contents =
        schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["properties"].as_object()?.keys().next().cloned());
    let all: Vec<String> = plain.chain(with_contents).collect();
    assert!(!all.is_empty(), "{name}: {schema}");
    listing.insert(name.to_owned(), Entry::Values(all));
}

fn listing() -> Listing {
    let mut l = Listing::new();
    record::<ProfileEvent>(&mut l, "ProfileEvent");
    record::<MomentEvent>(&mut l, "MomentEvent");
    record::<InteractionEvent>(&mut l, "InteractionEvent");
    record::<PresenceEvent>(&mut l, "PresenceEvent");
    record::<MessageEvent>(&mut l, "MessageEvent");
    record::<DeckEvent>(&mut l, "DeckEvent");
    record::<PageEvent>(&mut l, "PageEvent");
    record::<PageItem>(&mut l, "PageItem");
    record::<PageRemoved>(&mut l, "PageRemoved");
    record::<EmbeddingRecord>(&mut l, "EmbeddingRecord");
    record::<QVector>(&mut l, "QVector");
    record::<Portrait>(&mut l, "Portrait");
    record::<TagWeight>(&mut l, "TagWeight");
    record::<DeadLetter>(&mut l, "DeadLetter");
    record::<LetterHeader>(&mut l, "LetterHeader");
    record::<Replay>(&mut l, "Replay");
    record::<Profile>(&mut l, "Profile");
    record::<Preferences>(&mut l, "Preferences");
    record::<Position>(&mut l, "Position");
    record::<QuestionAnswer>(&mut l, "QuestionAnswer");
    record::<Media>(&mut l, "Media");
    values::<ProfileKind>(&mut l, "ProfileKind");
    values::<MomentKind>(&mut l, "MomentKind");
    values::<InteractionKind>(&mut l, "InteractionKind");
    values::<PresenceKind>(&mut l, "PresenceKind");
    values::<MessageKind>(&mut l, "MessageKind");
    values::<DeckKind>(&mut l, "DeckKind");
    values::<PageKind>(&mut l, "PageKind");
    values::<ReplayKind>(&mut l, "ReplayKind");
    values::<MediaKind>(&mut l, "MediaKind");
    values::<Gender>(&mut l, "Gender");
    values::<Education>(&mut l, "Education");
    values::<Visibility>(&mut l, "Visibility");
    values::<Subject>(&mut l, "Subject");
    for set in feature_sets() {
        let mut column = |name: &str, kind: &str, required| {
            l.insert(format!("features.{}.{name}", set.name), Entry::Field { kind: kind.to_owned(), required });
        };
        set.key_columns.iter().for_each(|name| column(name, "string", true));
        column("version", "integer", true);
        column("generation", "integer", false);
        set.value_columns.iter().for_each(|name| column(name, "number", false));
    }
    l
}

fn text(listing: &Listing) -> String {
    let mut out = String::from(
        "# Every field of every record, written by `UPDATE_GOLDEN=1`, which refuses changes that break readers (features/src/tests/schema.rs).\n",
    );
    for (name, entry) in listing {
        match entry {
            Entry::Field { kind, required } => writeln!(out, "{name}: {kind}{}", if *required { ", required" } else { "" }),
            Entry::Closed => writeln!(out, "{name}: closed"),
            Entry::Values(values) => writeln!(out, "{name} = {}", values.join(" | ")),
        }
        .unwrap();
    }
    out
}

fn parse(text: &str) -> Listing {
    let line = |line: &str| {
        if let Some((name, values)) = line.split_once(" = ") {
            return (name.to_owned(), Entry::Values(values.split(" | ").map(str::to_owned).collect()));
        }
        let (name, kind) = line.split_once(": ").unwrap_or_else(|| panic!("features/golden/schema.txt: `{line}`"));
        let entry = match kind.strip_suffix(", required") {
            Some(kind) => Entry::Field { kind: kind.to_owned(), required: true },
            None if kind == "closed" => Entry::Closed,
            None => Entry::Field { kind: kind.to_owned(), required: false },
        };
        (name.to_owned(), entry)
    };
    text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(line).collect()
}

/// Whether an enum says which kind an event is, rather than what is inside a record.
fn is_kind_of_event(name: &str) -> bool {
    name.ends_with("Kind") && !["MediaKind", "ReplayKind"].contains(&name)
}

/// What of a change breaks readers or what was written before, and what to do instead.
fn broken(old: &Listing, new: &Listing) -> Vec<String> {
    let mut found = Vec::new();
    let type_of = |name: &str| name.rsplit_once('.').map(|(of, _)| of.to_owned());
    for (name, was) in old {
        match (was, new.get(name)) {
            (Entry::Field { .. }, None) => found.push(format!(
                "`{name}` is gone or has another name: topics and lakes are full of it, and older readers look for it. Keep it, and add what replaces it as an optional field beside it; or make a new kind or topic"
            )),
            (Entry::Field { kind, .. }, Some(Entry::Field { kind: now, .. })) if kind != now => found.push(format!(
                "`{name}` was `{kind}` and is `{now}`: nobody can read both under one name. Add an optional field of another name; or make a new kind or topic"
            )),
            (Entry::Field { required: false, .. }, Some(Entry::Field { required: true, .. })) => found.push(format!(
                "`{name}` has become required: what older versions wrote lacks it. Give it `#[serde(default)]`, and let the gate (features::validate) ask for it in new events"
            )),
            (Entry::Field { required: true, .. }, Some(Entry::Field { required: false, .. })) => found.push(format!(
                "`{name}` has become optional: older readers refuse a record without it. Keep it required; or make a new kind or topic"
            )),
            (Entry::Values(values), Some(Entry::Values(now))) => {
                let gone = values.iter().filter(|value| !now.contains(value));
                found.extend(gone.map(|value| format!("`{value}` of {name} is gone: it was written, and must be read for ever. Keep it")));
                // An unknown kind is refused by name and can be replayed later; an unknown value inside a record makes the whole of it unreadable.
                let added = now.iter().filter(|value| !values.contains(value) && !is_kind_of_event(name));
                found.extend(added.map(|value| {
                    format!("`{value}` of {name} is new: older readers refuse the whole record. Let readers know it one release before anybody writes it, and add it by hand to features/golden/schema.txt then")
                }));
            }
            (Entry::Values(_) | Entry::Closed, None) if !matches!(was, Entry::Closed) => {
                found.push(format!("{name} is gone: its values were written, and must be read for ever. Keep it"));
            }
            _ => {}
        }
    }
    for (name, now) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let of = type_of(name).unwrap_or_default();
        let type_is_known = old.keys().any(|known| type_of(known).as_deref() == Some(of.as_str()));
        match now {
            Entry::Field { .. } if old.get(&of) == Some(&Entry::Closed) => found.push(format!(
                "`{name}` is new, and older readers of {of} refuse fields they do not know. Put it beside {of}, as an optional field of the record"
            )),
            Entry::Field { required: true, .. } if type_is_known => found.push(format!(
                "`{name}` is new and required: what older versions wrote lacks it. Make it optional (`#[serde(default)]`), and let the gate ask for it in new events"
            )),
            Entry::Closed if old.keys().any(|known| type_of(known).as_deref() == Some(name.as_str())) => found.push(format!(
                "{name} refuses fields it does not know now: a newer writer would stop this reader. Take `deny_unknown_fields` off"
            )),
            _ => {}
        }
    }
    found
}

#[test]
fn no_change_of_a_type_breaks_a_reader() {
    let path = folder().join("schema.txt");
    let new = listing();
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let broken = broken(&parse(&written), &new);
    assert!(broken.is_empty(), "this change would break readers:\n  {}", broken.join("\n  "));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text(&new)).unwrap();
        return;
    }
    assert!(
        written == text(&new),
        "features/golden/schema.txt does not know all fields, though nothing breaks: run `UPDATE_GOLDEN=1 cargo test -p features -p deps --lib tests::` and commit it"
    );
}

#[test]
fn the_listing_is_read_back() {
    let all = listing();
    assert!(all.len() > 200);
    assert_eq!(parse(&text(&all)), all);
    assert_eq!(all["Position"], Entry::Closed);
    assert_eq!(all["InteractionEvent.actor_id"], Entry::Field { kind: "UserId".to_owned(), required: true });
    assert!(matches!(&all["Subject"], Entry::Values(values) if values.len() == 2), "{:?}", all["Subject"]);
}

#[test]
fn every_change_that_breaks_is_found_and_every_other_is_let_through() {
    let old = parse("A.x: string, required\nA.y: integer\nP: closed\nP.lat: number, required\nG = f | m\nLikeKind = like");
    let after = |change: &str, to: &str| {
        let mut new = old.clone();
        new.remove(change.split(':').next().unwrap().split(" = ").next().unwrap());
        new.extend(parse(to));
        broken(&old, &new)
    };
    for (change, to, said) in [
        ("A.x", "", "gone"),
        ("A.x", "A.z: string", "gone"),
        ("A.y", "A.y: string", "was `integer`"),
        ("A.y", "A.y: integer, required", "become required"),
        ("A.x", "A.x: string", "become optional"),
        ("none", "A.z: string, required", "new and required"),
        ("none", "P.height: number", "beside P"),
        ("none", "A: closed", "deny_unknown_fields"),
        ("G", "G = f", "`m` of G is gone"),
        ("G", "G = f | m | o", "one release before"),
        ("LikeKind", "LikeKind = love", "`like`"),
        ("G", "", "G is gone"),
    ] {
        let found = after(change, to);
        assert!(found.len() == 1 && found[0].contains(said), "{change} → {to}: {found:?}");
    }
    for (change, to) in [
        ("none", "A.z: string"),
        ("none", "B.x: string, required\nB: closed"),
        ("LikeKind", "LikeKind = like | love"),
        ("none", "H = a"),
        ("P", ""),
    ] {
        assert_eq!(after(change, to), Vec::<String>::new(), "{change} → {to}");
    }
}
