//! A feature row: the current absolute value of one key of a feature set.
//!
//! On the wire: `{"user_id":"12","version":7,"generation":1,"likes":3,"likes_d14":812.5}`, key columns first. Arroyo writes the
//! same columns inside a Debezium envelope (`{"before":…,"after":{…},"op":"u"}`) in records without a key, which [`FeatureRow::read`] unwraps.
//! Rows are upserts: the higher `generation` wins, then the higher `version`, so repeats, reordering and replays do no harm. Of rows in
//! envelopes only those of an announced generation count ([`crate::generation`]).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::sets::FeatureSet;

/// One row of a feature set.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    /// Values of the key columns, in the order of [`FeatureSet::key_columns`].
    pub key: Vec<String>,
    /// Number of events that went in; only grows.
    pub version: i64,
    /// Raised by a backfill, an erasure or a changed file.
    pub generation: u32,
    /// Value columns by name.
    pub values: BTreeMap<String, f64>,
}

/// How a row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As one object, by the embedded runner.
    Plain,
    /// In a Debezium envelope, by Arroyo.
    Envelope,
}

/// Why a record is not a row of its set.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Not an object, or an envelope without `after`.
    #[error("expected a JSON object with columns, or a Debezium envelope with `after`")]
    Shape,
    /// A column is missing or of a wrong type.
    #[error("column `{column}` of feature set `{set}`: expected {expected}")]
    Column {
        /// The feature set.
        set: String,
        /// The column.
        column: String,
        /// What it must hold.
        expected: &'static str,
    },
    /// A deletion, or a row whose key is null.
    #[error("an envelope that says nothing about anybody: a deletion, or a row with a null key")]
    Nobody,
}

impl FeatureRow {
    /// Whether this row replaces `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        (self.generation, self.version) > (other.generation, other.version)
    }

    /// Reads a row of `set`, plain or in a Debezium envelope.
    ///
    /// # Errors
    /// When it is not JSON, a column is missing or of a wrong type, or an envelope holds no row.
    pub fn decode(set: &FeatureSet, bytes: &[u8]) -> Result<Self, RowError> {
        Self::read(set, bytes)?.map(|(row, _)| row).ok_or(RowError::Nobody)
    }

    /// Reads a row of `set` and how it was written. None for an envelope that says nothing about anybody: a deletion, which Arroyo writes when it
    /// forgets a key, or a row whose key is null, which the other runtimes leave out.
    ///
    /// # Errors
    /// When it is not JSON or a column is missing or of a wrong type.
    pub fn read(set: &FeatureSet, bytes: &[u8]) -> Result<Option<(Self, Form)>, RowError> {
        let value: Value = serde_json::from_slice(bytes)?;
        let Value::Object(mut columns) = value else { return Err(RowError::Shape) };
        let mut form = Form::Plain;
        if columns.contains_key("op") && (columns.contains_key("after") || columns.contains_key("before")) {
            form = Form::Envelope;
            columns = match columns.remove("after") {
                Some(Value::Object(after)) => after,
                None | Some(Value::Null) => return Ok(None),
                Some(_) => return Err(RowError::Shape),
            };
            if set.key_columns.iter().any(|key| columns.get(key).is_some_and(Value::is_null)) {
                return Ok(None);
            }
        }
        Ok(Some((Self::from_columns(set, &columns)?, form)))
    }

    fn from_columns(set: &FeatureSet, columns: &Map<String, Value>) -> Result<Self, RowError> {
        let wrong = |column: &str, expected| RowError::Column { set: set.name.clone(), column: column.to_owned(), expected };
        let mut key = Vec::with_capacity(set.key_columns.len());
        for column in &set.key_columns {
            key.push(match columns.get(column) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => return Err(wrong(column, "a string")),
            });
        }
        let version = columns.get("version").and_then(Value::as_i64).ok_or_else(|| wrong("version", "a whole number"))?;
        let generation = match columns.get("generation") {
            None => 0,
            Some(g) => g.as_u64().and_then(|g| u32::try_from(g).ok()).ok_or_else(|| wrong("generation", "a whole number"))?,
        };
        let mut values = BTreeMap::new();
        for column in &set.value_columns {
            let number = match columns.get(column) {
                None | Some(Value::Null) => 0.0,
                Some(v) => v.as_f64().ok_or_else(|| wrong(column, "a number"))?,
            };
            values.insert(column.clone(), number);
        }
        Ok(Self { key, version, generation, values })
    }

    /// Writes the row as one plain JSON object.
    pub fn encode(&self, set: &FeatureSet) -> Vec<u8> {
        let mut columns = Map::new();
        for (name, value) in set.key_columns.iter().zip(&self.key) {
            columns.insert(name.clone(), Value::from(value.as_str()));
        }
        columns.insert("version".to_owned(), Value::from(self.version));
        columns.insert("generation".to_owned(), Value::from(self.generation));
        for (name, value) in &self.values {
            columns.insert(name.clone(), Value::from(*value));
        }
        serde_json::to_vec(&columns).expect("a map of strings and numbers")
    }

    /// The record key: the key columns joined by `|`.
    pub fn record_key(&self) -> String {
        self.key.join("|")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sets::feature_sets;
    use proptest::prelude::*;

    #[test]
    fn debezium_is_unwrapped() {
        let set = &feature_sets()[0];
        let row = FeatureRow {
            key: set.key_columns.iter().map(|_| "7".to_owned()).collect(),
            version: 3,
            generation: 0,
            values: set.value_columns.iter().map(|c| (c.clone(), 1.5)).collect(),
        };
        let plain = row.encode(set);
        let text = String::from_utf8(plain.clone()).unwrap();
        let envelope = format!("{{\"before\":null,\"after\":{text},\"op\":\"u\"}}");
        assert_eq!(FeatureRow::decode(set, &plain).unwrap(), row);
        assert_eq!(FeatureRow::decode(set, envelope.as_bytes()).unwrap(), row);
    }

    #[test]
    fn generation_wins_before_version() {
        let row = |generation, version| FeatureRow { key: vec!["1".into()], version, generation, values: BTreeMap::new() };
        assert!(row(2, 1).supersedes(&row(1, 99)));
        assert!(row(1, 2).supersedes(&row(1, 1)));
        assert!(!row(1, 1).supersedes(&row(1, 1)));
    }

    /// A row of any set, with whatever text, numbers and generation.
    fn rows() -> impl Strategy<Value = (&'static FeatureSet, FeatureRow)> {
        (0..feature_sets().len(), proptest::collection::vec(".*", 2), 0i64.., any::<u32>(), proptest::collection::vec(-1e300f64..1e300, 16))
            .prop_map(|(at, keys, version, generation, numbers)| {
                let set = &feature_sets()[at];
                let key = set.key_columns.iter().zip(keys).map(|(_, key)| key).collect();
                let values = set.value_columns.iter().cloned().zip(numbers).collect();
                (set, FeatureRow { key, version, generation, values })
            })
    }

    /// The row as Arroyo writes it: what was there before, times and all, and no generation where the pipeline adds none.
    fn envelope(set: &FeatureSet, row: &FeatureRow, op: &str) -> Vec<u8> {
        let after: Value = serde_json::from_slice(&row.encode(set)).unwrap();
        serde_json::to_vec(&serde_json::json!({"before": if op == "c" { Value::Null } else { after.clone() }, "after": after, "op": op}))
            .unwrap()
    }

    #[test]
    fn an_envelope_without_a_row_is_nobodys() {
        let set = crate::sets::feature_set("moment_tags").unwrap();
        for text in [
            r#"{"before":{"user_id":"1","tag":"a","version":1},"after":null,"op":"d"}"#,
            r#"{"before":{"user_id":"1","tag":"a","version":1},"op":"d"}"#,
            r#"{"before":null,"after":{"user_id":"1","tag":null,"version":1,"published_d30":1.0},"op":"c"}"#,
        ] {
            assert!(FeatureRow::read(set, text.as_bytes()).unwrap().is_none(), "{text}");
            assert!(matches!(FeatureRow::decode(set, text.as_bytes()), Err(RowError::Nobody)), "{text}");
        }
        let bad = r#"{"before":null,"after":{"user_id":"1","version":1},"op":"c"}"#;
        assert!(matches!(FeatureRow::read(set, bad.as_bytes()), Err(RowError::Column { column, .. }) if column == "tag"));
        assert!(matches!(FeatureRow::read(set, br#"{"after":7,"op":"c"}"#), Err(RowError::Shape)));
        let bare = r#"{"before":null,"after":{"user_id":"1","tag":"a","version":2,"published_d30":null},"op":"u"}"#;
        let (row, form) = FeatureRow::read(set, bare.as_bytes()).unwrap().unwrap();
        assert_eq!((row.generation, row.version, row.values["published_d30"], form), (0, 2, 0.0, Form::Envelope));
    }

    proptest! {
        #[test]
        fn both_forms_say_the_same((set, row) in rows(), op in prop_oneof!["c", "u", "r"]) {
            let close = |read: &FeatureRow| {
                prop_assert_eq!((&read.key, read.version, read.generation), (&row.key, row.version, row.generation));
                for (name, value) in &row.values {
                    prop_assert!((read.values[name] - value).abs() <= 1e-15 * value.abs(), "{} {} {}", name, value, read.values[name]);
                }
                Ok(())
            };
            let (plain, form) = FeatureRow::read(set, &row.encode(set)).unwrap().unwrap();
            prop_assert_eq!(form, Form::Plain);
            close(&plain)?;
            let (wrapped, form) = FeatureRow::read(set, &envelope(set, &row, &op)).unwrap().unwrap();
            prop_assert_eq!(form, Form::Envelope);
            close(&wrapped)?;
        }

        #[test]
        fn one_of_two_rows_wins_whatever_the_order((set, one) in rows(), version in 0i64..4, generation in 0u32..3) {
            let other = FeatureRow { version, generation, ..one.clone() };
            let one = FeatureRow { version: one.version % 4, generation: one.generation % 3, ..one };
            let equal = (one.generation, one.version) == (other.generation, other.version);
            prop_assert_eq!(one.supersedes(&other) != other.supersedes(&one), !equal, "{}", set.name);
            prop_assert_eq!(one.supersedes(&other), (one.generation, one.version) > (generation, version));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FeatureRow::read(&feature_sets()[0], &bytes);
        }

        #[test]
        fn garbage_in_an_envelope_never_panics(inner in "[\\PC]{0,60}", op in ".{0,3}") {
            let text = format!("{{\"before\":null,\"after\":{inner},\"op\":{}}}", serde_json::to_string(&op).unwrap());
            let _ = FeatureRow::read(&feature_sets()[0], text.as_bytes());
        }
    }
}
