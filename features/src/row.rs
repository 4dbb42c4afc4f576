//! A feature row: the current absolute value of one key of a feature set.
//!
//! On the wire: `{"user_id":"12","version":7,"generation":1,"likes":3,"likes_d14":812.5}`, key columns first. Arroyo writes the
//! same columns inside a Debezium envelope (`{"before":…,"after":{…},"op":"u"}`), which [`FeatureRow::decode`] unwraps.
//! Rows are upserts: the higher `generation` wins, then the higher `version`, so repeats, reordering and replays do no harm.

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
}

impl FeatureRow {
    /// Whether this row replaces `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        (self.generation, self.version) > (other.generation, other.version)
    }

    /// Reads a row of `set`, plain or in a Debezium envelope.
    ///
    /// # Errors
    /// When it is not JSON or a column is missing or of a wrong type.
    pub fn decode(set: &FeatureSet, bytes: &[u8]) -> Result<Self, RowError> {
        let mut value: Value = serde_json::from_slice(bytes)?;
        if value.get("op").is_some() && value.get("after").is_some() {
            value = value["after"].take();
        }
        let Value::Object(columns) = value else { return Err(RowError::Shape) };
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

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FeatureRow::decode(&feature_sets()[0], &bytes);
        }
    }
}
