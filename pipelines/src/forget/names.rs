//! What names people, wherever it is written down.

use std::collections::HashSet;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use features::ids::UserId;
use features::topic::Topic;

use crate::tables::PORTRAIT_DAYS;

/// Whether the packed record of a deck names one of some people: who packs decks knows.
pub type DeckNames = fn(record: &str, people: &HashSet<u64>) -> bool;

/// People who are forgotten together.
#[derive(Debug, Clone)]
pub struct Names {
    ids: HashSet<u64>,
    deck: DeckNames,
}

impl Names {
    /// What names these people; `deck` looks into the records of decks.
    pub fn new(people: &[UserId], deck: DeckNames) -> Self {
        Self { ids: people.iter().map(|user| user.0).collect(), deck }
    }

    fn is(&self, text: &str) -> bool {
        text.parse().is_ok_and(|id| self.ids.contains(&id))
    }

    /// Whether a key of a record is one of theirs: the id, the id before `|` (a feature row), or after `p:` (a profile's vector).
    fn key(&self, key: &[u8]) -> bool {
        let Ok(key) = std::str::from_utf8(key) else { return false };
        self.is(key.strip_prefix("p:").unwrap_or(key).split('|').next().unwrap_or_default())
    }

    /// Whether JSON names them: ids are strings, so what counts is a number within quotes. A text that is nothing but such a number counts, too.
    fn json(&self, bytes: &[u8]) -> bool {
        let mut from = 0;
        while let Some(at) = bytes[from..].iter().position(|b| *b == b'"').map(|at| from + at + 1) {
            let digits = bytes[at..].iter().take(20).take_while(|b| b.is_ascii_digit()).count();
            let ends = bytes.get(at + digits) == Some(&b'"');
            if ends && std::str::from_utf8(&bytes[at..at + digits]).is_ok_and(|text| self.is(text)) {
                return true;
            }
            from = at;
        }
        false
    }

    fn base64(&self, text: &str) -> bool {
        BASE64.decode(text).is_ok_and(|raw| self.json(&raw) || self.key(&raw))
    }

    /// The text of a field of flat JSON; none where there is none.
    fn field(value: &[u8], name: &str) -> Option<String> {
        serde_json::from_slice::<serde_json::Value>(value).ok()?.get(name)?.as_str().map(str::to_owned)
    }

    /// Whether a record of the event log names one of them.
    pub fn record(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        if key.is_some_and(|key| self.key(key)) || value.is_some_and(|value| self.json(value)) {
            return true;
        }
        let Some(value) = value else { return false };
        let is = |wanted: Topic| topic == wanted.name();
        if is(Topic::DeadLetters) {
            return ["raw", "key"].iter().any(|name| Self::field(value, name).is_some_and(|text| self.base64(&text)));
        }
        (is(Topic::Decks) || is(Topic::Inbox)) && Self::field(value, "record").is_some_and(|record| (self.deck)(&record, &self.ids))
    }

    /// The columns of a table of the lake by which [`Self::rows`] goes.
    pub fn columns(table: &str) -> &'static [&'static str] {
        match table {
            "moments" => &["author_id"],
            "interactions" => &["actor_id", "target_id"],
            "messages" => &["sender_id", "receiver_id"],
            "decks" => &["viewer_id", "record"],
            "pages" => &["viewer_id", "items", "removed"],
            "dead_letters" => &["key", "raw"],
            "profiles" | "presence" | "embeddings" | "portraits" | PORTRAIT_DAYS => &["user_id"],
            _ => &[],
        }
    }

    /// Which rows of a table of the lake name one of them; all columns of [`Self::columns`] are looked at that are there.
    ///
    /// # Errors
    /// When a column is not what the table says.
    pub fn rows(&self, table: &str, batch: &RecordBatch) -> Result<BooleanArray, arrow::error::ArrowError> {
        let mut named = vec![false; batch.num_rows()];
        for name in Self::columns(table) {
            let Some(column) = batch.column_by_name(name) else { continue };
            if let DataType::List(_) = column.data_type() {
                let list = column.as_list::<i32>();
                let users = list.values().as_struct().column_by_name("user_id").map(|users| cast(users, &DataType::Utf8)).transpose()?;
                let Some(users) = users else { continue };
                let users = users.as_string::<i32>();
                for (row, named) in named.iter_mut().enumerate().filter(|(row, _)| list.is_valid(*row)) {
                    let ends = list.value_offsets();
                    let (from, to) = (index(ends[row]), index(ends[row + 1]));
                    *named |= (from..to).any(|at| self.is(users.value(at)));
                }
                continue;
            }
            let texts = cast(column, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string();
            for (named, text) in named.iter_mut().zip(texts) {
                *named |= text.is_some_and(|text| self.cell(table, name, text));
            }
        }
        Ok(BooleanArray::from(named))
    }

    fn cell(&self, table: &str, column: &str, text: &str) -> bool {
        match (table, column) {
            ("decks", "record") => (self.deck)(text, &self.ids),
            ("dead_letters", _) => self.base64(text) || self.json(text.as_bytes()) || self.key(text.as_bytes()),
            _ => self.is(text),
        }
    }
}

fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tables::lake_tables;

    fn names(ids: &[u64]) -> Names {
        Names::new(&ids.iter().map(|id| UserId(*id)).collect::<Vec<_>>(), |record, people| {
            people.iter().any(|id| record == format!("deck of {id}"))
        })
    }

    #[test]
    fn every_table_says_by_what_it_names_people() {
        for (table, schema) in lake_tables() {
            let columns = Names::columns(table);
            assert!(!columns.is_empty() && columns.iter().all(|name| schema.index_of(name).is_ok()), "{table}: {columns:?}");
            let people =
                |name: &str| matches!(name, "user_id" | "author_id" | "actor_id" | "target_id" | "viewer_id" | "sender_id" | "receiver_id");
            for field in schema.fields().iter().filter(|field| people(field.name())) {
                assert!(columns.contains(&field.name().as_str()), "{table}.{} names people", field.name());
            }
        }
    }

    #[test]
    fn records_name_people_by_key_and_by_value() {
        let names = names(&[42, u64::MAX]);
        for key in ["42", "p:42", "42|hiking", "18446744073709551615"] {
            assert!(names.record("portraits", Some(key.as_bytes()), None), "{key}");
        }
        for key in ["421", "m:42", "x|42", ""] {
            assert!(!names.record("portraits", Some(key.as_bytes()), None), "{key}");
        }
        let value = |text: &str| names.record("interactions", None, Some(text.as_bytes()));
        assert!(value(r#"{"actor_id":"7","target_id":"42"}"#) && value(r#"{"a":"18446744073709551615"}"#));
        assert!(!value(r#"{"actor_id":"7","text":"call 42, or \"42\"","n":42,"b":"421"}"#));
        assert!(
            names.record("decks", None, Some(br#"{"record":"deck of 42"}"#))
                && !names.record("pages", None, Some(br#"{"record":"deck of 42"}"#))
        );
        let letter = |raw: &str| format!(r#"{{"raw":"{}"}}"#, BASE64.encode(raw));
        assert!(names.record("dead_letters", None, Some(letter(r#"{"user_id":"42""#).as_bytes())));
        assert!(!names.record("dead_letters", None, Some(letter(r#"{"user_id":"43""#).as_bytes())));
    }

    proptest! {
        #[test]
        fn garbage_names_nobody_and_stops_nobody(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let names = names(&[u64::MAX - 3]);
            for topic in ["inbox", "dead_letters", "decks"] {
                prop_assert!(!names.record(topic, Some(&bytes), Some(&bytes)));
            }
        }

        #[test]
        fn an_id_is_found_among_others(ids in proptest::collection::vec(1u64.., 1..20), at in any::<prop::sample::Index>()) {
            let wanted = *at.get(&ids);
            let json = serde_json::json!({"items": ids.iter().map(|id| serde_json::json!({"user_id": id.to_string()})).collect::<Vec<_>>()});
            prop_assert!(names(&[wanted]).record("pages", None, Some(json.to_string().as_bytes())));
            let others: Vec<_> = ids.iter().filter(|id| **id != wanted).map(|id| serde_json::json!({"user_id": id.to_string()})).collect();
            let without = serde_json::json!({"items": others}).to_string();
            prop_assert!(!names(&[wanted]).record("pages", None, Some(without.as_bytes())));
        }
    }
}
