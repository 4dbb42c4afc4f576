//! The rows of a feature set, compactly: a hundred thousand keys are some ten megabytes.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::prelude::{col, lit};
use features::row::FeatureRow;
use features::sets::FeatureSet;

use crate::bus::{Bus, BusError, Offsets};
use crate::query::{batch_state, session};
use crate::runner::KeyedState;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) generation: u32,
    pub(super) version: i64,
    /// In the order of [`FeatureSet::value_columns`].
    pub(super) values: Box<[f64]>,
}

/// For every key of a feature set the row that counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    pub(super) rows: HashMap<Box<str>, Row>,
    /// Records of the topic that are no rows of the set.
    pub unreadable: u64,
}

impl Rows {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many events have been counted in all rows together.
    pub fn counted(&self) -> i64 {
        self.rows.values().map(|row| row.version).sum()
    }

    /// Leaves the rows of one generation only.
    pub fn keep_generation(&mut self, generation: u32) {
        self.rows.retain(|_, row| row.generation == generation);
    }

    /// Takes a row over, unless a known one supersedes it.
    pub fn take(&mut self, set: &FeatureSet, row: &FeatureRow) {
        let key = row.record_key();
        if self.rows.get(key.as_str()).is_some_and(|old| (old.generation, old.version) >= (row.generation, row.version)) {
            return;
        }
        let values = set.value_columns.iter().map(|column| row.values.get(column).copied().unwrap_or(0.0)).collect();
        self.rows.insert(key.into(), Row { generation: row.generation, version: row.version, values });
    }

    fn of_state(state: &KeyedState) -> Self {
        let row = |(key, version, values): (String, i64, &[f64])| (key.into(), Row { generation: 0, version, values: values.into() });
        Self { rows: state.rows().map(row).collect(), unreadable: 0 }
    }

    /// What a reader of `topic` has of a set once it has read everything that is there now: of every key the row that supersedes all others.
    ///
    /// # Errors
    /// When the event log does not answer or the topic is missing.
    pub async fn of_topic(bus: &Bus, topic: &str, set: &FeatureSet) -> Result<Self, BusError> {
        let mut found = Self::default();
        let there = bus.sweep("parity", &[topic.to_owned()], &Offsets::default()).await?;
        there
            .each(|record| match record.value.as_deref().map(|value| FeatureRow::decode(set, value)) {
                Some(Ok(row)) => found.take(set, &row),
                Some(Err(_)) => found.unreadable += 1,
                None => {}
            })
            .await?;
        Ok(found)
    }

    /// What a computation over the whole lake at `place` gives.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn of_lake(place: &str, set: &FeatureSet) -> Result<Self> {
        Ok(Self::of_state(&batch_state(place, set).await?))
    }

    /// Of every key the sums of the magnitudes of what went in, as far as the sign of an addend follows from the kind of its event: what rounding
    /// errors are measured by where addends of both signs cancel, as those of a published and deleted Moment do.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub(super) async fn magnitudes(place: &str, set: &FeatureSet) -> Result<Self> {
        let name = set.source.name();
        let kinds =
            session(place).await?.sql(&format!("SELECT DISTINCT CAST(kind AS VARCHAR) AS kind FROM {name}")).await?.collect().await?;
        let mut sums = Self::default();
        for batch in kinds {
            let kinds = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            for kind in kinds.as_string::<i32>().iter().flatten() {
                let session = session(place).await?;
                let whole = session.table(name).await?;
                session.deregister_table(name)?;
                session.register_table(name, whole.filter(col("kind").eq(lit(kind)))?.into_view())?;
                let mut state = KeyedState::new(set);
                state.add(set, &session.sql(&set.sql).await?.collect().await?)?;
                sums.add_magnitudes(Self::of_state(&state));
            }
        }
        Ok(sums)
    }

    fn add_magnitudes(&mut self, of_kind: Self) {
        for (key, row) in of_kind.rows {
            let sums =
                self.rows.entry(key).or_insert_with(|| Row { generation: 0, version: 0, values: vec![0.0; row.values.len()].into() });
            for (sum, value) in sums.values.iter_mut().zip(&row.values) {
                *sum += value.abs();
            }
        }
    }
}
