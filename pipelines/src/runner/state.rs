//! Keyed state of one feature set: for each key the number of events and the sums, in columns.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use features::row::FeatureRow;
use features::sets::FeatureSet;

/// Joins key columns; the gate lets no text with a NUL pass.
pub(crate) const JOIN: char = '\0';

const TO_EMIT: u8 = 1;
const TO_SAVE: u8 = 2;

/// The state of one feature set.
#[derive(Debug, Default)]
pub struct KeyedState {
    width: usize,
    rows: HashMap<Arc<str>, u32>,
    keys: Vec<Arc<str>>,
    versions: Vec<i64>,
    values: Vec<f64>,
    marks: Vec<u8>,
    to_emit: Vec<u32>,
    to_save: Vec<u32>,
}

impl KeyedState {
    /// Empty state for a set.
    pub fn new(set: &FeatureSet) -> Self {
        Self { width: set.value_columns.len(), ..Self::default() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of rows that changed since they were last taken for their topic.
    pub fn waiting(&self) -> usize {
        self.to_emit.len()
    }

    /// Adds what a query over some events returned. Rows with a null in their key are left out: they belong to nobody.
    ///
    /// # Errors
    /// When the columns are not those of the set.
    pub fn add(&mut self, set: &FeatureSet, partials: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in partials {
            self.add_batch(set, batch)?;
        }
        Ok(())
    }

    fn add_batch(&mut self, set: &FeatureSet, batch: &RecordBatch) -> Result<(), ArrowError> {
        let column = |name: &String| {
            let found = batch.column_by_name(name).cloned();
            found.ok_or_else(|| ArrowError::SchemaError(format!("feature set `{}` returned no column `{name}`", set.name)))
        };
        let text = |array: ArrayRef| cast(&array, &DataType::Utf8).map(|array| array.as_string::<i32>().clone());
        let keys: Vec<StringArray> = set.key_columns.iter().map(|name| column(name).and_then(text)).collect::<Result<_, _>>()?;
        let versions = cast(&column(&"version".to_owned())?, &DataType::Int64)?;
        let versions = versions.as_primitive::<Int64Type>();
        let values: Vec<ArrayRef> = set
            .value_columns
            .iter()
            .map(|name| column(name).and_then(|array| cast(&array, &DataType::Float64)))
            .collect::<Result<_, _>>()?;
        let values: Vec<_> = values.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
        let mut key = String::new();
        for row in 0..batch.num_rows() {
            if keys.iter().any(|array| array.is_null(row)) {
                continue;
            }
            key.clear();
            for (n, array) in keys.iter().enumerate() {
                if n > 0 {
                    key.push(JOIN);
                }
                key.push_str(array.value(row));
            }
            let at = self.row(&key);
            self.versions[at as usize] += versions.value(row);
            let sums = &mut self.values[at as usize * self.width..][..self.width];
            for (sum, array) in sums.iter_mut().zip(&values) {
                *sum += if array.is_null(row) { 0.0 } else { array.value(row) };
            }
            self.mark(at);
        }
        Ok(())
    }

    fn row(&mut self, key: &str) -> u32 {
        if let Some(at) = self.rows.get(key) {
            return *at;
        }
        let at = u32::try_from(self.keys.len()).expect("four billion keys do not fit the memory of one process");
        let key: Arc<str> = Arc::from(key);
        self.rows.insert(Arc::clone(&key), at);
        self.keys.push(key);
        self.versions.push(0);
        self.values.resize(self.values.len() + self.width, 0.0);
        self.marks.push(0);
        at
    }

    fn mark(&mut self, at: u32) {
        let marks = &mut self.marks[at as usize];
        if *marks & TO_EMIT == 0 {
            self.to_emit.push(at);
        }
        if *marks & TO_SAVE == 0 {
            self.to_save.push(at);
        }
        *marks |= TO_EMIT | TO_SAVE;
    }

    /// Sets a row as it was saved.
    pub(super) fn restore(&mut self, key: &str, version: i64, values: &[f64]) {
        let at = self.row(key) as usize;
        self.versions[at] = version;
        self.values[at * self.width..][..self.width].copy_from_slice(values);
    }

    /// Sets a row as it was computed elsewhere: neither its topic nor the saved state has it.
    pub(super) fn take_over(&mut self, key: &str, version: i64, values: &[f64]) {
        self.restore(key, version, values);
        if let Some(at) = self.rows.get(key) {
            self.mark(*at);
        }
    }

    /// Every row goes to its topic again.
    pub(super) fn mark_all(&mut self) {
        for at in 0..self.keys.len() {
            self.mark(u32::try_from(at).expect("rows are numbered so"));
        }
    }

    /// Drops every row whose first key column is one of some texts; their joined keys. What waits to be sent or saved of the others waits on.
    pub(super) fn forget(&mut self, first: &[String]) -> Vec<String> {
        let is_gone = |key: &str| key.split(JOIN).next().is_some_and(|part| first.iter().any(|text| text == part));
        let gone: Vec<String> = self.keys.iter().filter(|key| is_gone(key)).map(|key| key.to_string()).collect();
        if gone.is_empty() {
            return gone;
        }
        let old = std::mem::replace(self, Self { width: self.width, ..Self::default() });
        for (at, key) in old.keys.iter().enumerate().filter(|(_, key)| !is_gone(key)) {
            self.restore(key, old.versions[at], &old.values[at * old.width..][..old.width]);
            let now = self.keys.len() - 1;
            let row = u32::try_from(now).expect("fewer than before");
            self.marks[now] = old.marks[at];
            if old.marks[at] & TO_EMIT != 0 {
                self.to_emit.push(row);
            }
            if old.marks[at] & TO_SAVE != 0 {
                self.to_save.push(row);
            }
        }
        gone
    }

    /// Whether there is such a key, joined as in the state.
    pub(super) fn contains(&self, key: &str) -> bool {
        self.rows.contains_key(key)
    }

    /// Every row in the order of its joined key: key, version, values.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (&str, i64, &[f64])> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by(|a, b| self.keys[*a].cmp(&self.keys[*b]));
        order.into_iter().map(|at| (&*self.keys[at], self.versions[at], &self.values[at * self.width..][..self.width]))
    }

    /// Takes the changed rows that their topic does not have yet, as record key and JSON.
    pub fn take_emitted(&mut self, set: &FeatureSet, generation: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.take_some(set, generation, usize::MAX)
    }

    /// The same with at most so many rows.
    pub(super) fn take_some(&mut self, set: &FeatureSet, generation: u32, most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rest = self.to_emit.split_off(self.to_emit.len().min(most));
        let changed = std::mem::replace(&mut self.to_emit, rest);
        let head: Vec<String> = set.key_columns.iter().map(|name| format!("{}:", json_text(name))).collect();
        let names: Vec<String> = set.value_columns.iter().map(|name| format!(",{}:", json_text(name))).collect();
        let mut out = Vec::with_capacity(changed.len());
        for at in changed {
            let at = at as usize;
            self.marks[at] &= !TO_EMIT;
            let mut json = Vec::with_capacity(64 + 24 * self.width);
            for (n, (name, part)) in head.iter().zip(self.keys[at].split(JOIN)).enumerate() {
                json.push(if n == 0 { b'{' } else { b',' });
                json.extend_from_slice(name.as_bytes());
                json.extend_from_slice(json_text(part).as_bytes());
            }
            write!(json, ",\"version\":{},\"generation\":{generation}", self.versions[at]).expect("memory takes every byte");
            for (name, value) in names.iter().zip(&self.values[at * self.width..]) {
                json.extend_from_slice(name.as_bytes());
                serde_json::to_writer(&mut json, value).expect("memory takes every byte");
            }
            json.push(b'}');
            out.push((self.keys[at].replace(JOIN, "|").into_bytes(), json));
        }
        out
    }

    /// Whether anything changed since it was last saved.
    pub(super) fn unsaved(&self) -> usize {
        self.to_save.len()
    }

    /// Takes the rows that changed since they were last saved, or all of them.
    pub(super) fn take_unsaved(&mut self, all: bool) -> (Vec<String>, Vec<i64>, Vec<f64>) {
        let changed = std::mem::take(&mut self.to_save);
        for at in &changed {
            self.marks[*at as usize] &= !TO_SAVE;
        }
        if all {
            return (self.keys.iter().map(|key| key.to_string()).collect(), self.versions.clone(), self.values.clone());
        }
        let rows = || changed.iter().map(|at| *at as usize);
        let values = rows().flat_map(|at| self.values[at * self.width..][..self.width].iter().copied()).collect();
        (rows().map(|at| self.keys[at].to_string()).collect(), rows().map(|at| self.versions[at]).collect(), values)
    }

    /// Takes the changed rows that were not taken yet, as [`Self::take_emitted`] does, as rows.
    pub fn take_rows(&mut self, set: &FeatureSet, generation: u32) -> Vec<FeatureRow> {
        let changed = std::mem::take(&mut self.to_emit);
        for at in &changed {
            self.marks[*at as usize] &= !TO_EMIT;
        }
        changed.into_iter().map(|at| self.feature_row(set, at as usize, generation)).collect()
    }

    /// Every row.
    pub fn all_rows(&self, set: &FeatureSet, generation: u32) -> Vec<FeatureRow> {
        (0..self.len()).map(|at| self.feature_row(set, at, generation)).collect()
    }

    /// Every row as its record key, its version and its values in the order of the set's columns.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, i64, &[f64])> {
        (0..self.len()).map(|at| (self.keys[at].replace(JOIN, "|"), self.versions[at], &self.values[at * self.width..][..self.width]))
    }

    fn feature_row(&self, set: &FeatureSet, at: usize, generation: u32) -> FeatureRow {
        FeatureRow {
            key: self.keys[at].split(JOIN).map(str::to_owned).collect(),
            version: self.versions[at],
            generation,
            values: set.value_columns.iter().cloned().zip(self.values[at * self.width..].iter().copied()).collect(),
        }
    }
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("text is always JSON")
}
