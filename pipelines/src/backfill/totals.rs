//! All days of a set together, in the order of keys, a batch at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use features::sets::FeatureSet;
use futures::StreamExt;

use super::error::BackfillError;
use super::partials::{Unit, columns, keys};
use super::workshop::{Store, Workshop};
use crate::runner::{Chunk, JOIN};

/// Rows of a set in the order of their joined keys.
pub(super) struct Totals {
    workshop: Workshop,
    rows: Option<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)>,
    width: usize,
    keys: usize,
    chunk: Chunk,
    at: usize,
}

fn kept(set: &FeatureSet) -> SchemaRef {
    let field = |name: &String, kind: DataType| Field::new(name, kind, true);
    let keys = set.key_columns.iter().map(|name| field(name, DataType::Utf8));
    let values = set.value_columns.iter().map(|name| field(name, DataType::Float64));
    Arc::new(Schema::new(keys.chain([field(&"version".to_owned(), DataType::Int64)]).chain(values).collect::<Vec<_>>()))
}

impl Totals {
    /// Adds the days of a set.
    pub(super) async fn over(workshop: &Workshop, set: &FeatureSet, units: &[Unit]) -> Result<Self, BackfillError> {
        let failed = |e: datafusion::error::DataFusionError| BackfillError::failed(format!("add the days of `{}`", set.name), e);
        let (width, key_columns) = (set.value_columns.len(), set.key_columns.len());
        let mut totals = Self { workshop: workshop.clone(), rows: None, width, keys: key_columns, chunk: Chunk::default(), at: 0 };
        if units.is_empty() {
            return Ok(totals);
        }
        let session = workshop.session().map_err(failed)?;
        let files: Vec<String> = units.iter().map(|unit| unit.path.clone()).collect();
        workshop.table(&session, "days", Store::Work, &files, kept(set)).map_err(failed)?;
        let columns = columns(set, |value| format!("SUM({value})"), "SUM(\"version\")");
        let sql = format!("SELECT {columns} FROM days GROUP BY {keys} ORDER BY {keys}", keys = keys(set));
        totals.rows = Some(workshop.query(&session, &sql).await.map_err(failed)?);
        Ok(totals)
    }

    /// Makes sure that there is a current row; false at the end.
    pub(super) async fn fill(&mut self) -> Result<bool, BackfillError> {
        while self.at >= self.chunk.keys.len() {
            let Some((plan, rows)) = &mut self.rows else { return Ok(false) };
            let Some(batch) = rows.next().await else {
                self.workshop.count(&**plan);
                self.rows = None;
                return Ok(false);
            };
            let batch = batch.map_err(|e| BackfillError::failed("add days", e))?;
            self.chunk = chunk(&batch, self.keys).map_err(|e| BackfillError::failed("read sums", e))?;
            self.at = 0;
        }
        Ok(true)
    }

    /// The current row: joined key, number of events, values. Only after [`Self::fill`] said true.
    pub(super) fn row(&self) -> (&str, i64, &[f64]) {
        let values = &self.chunk.values[self.at * self.width..][..self.width];
        (&self.chunk.keys[self.at], self.chunk.versions[self.at], values)
    }

    /// Goes on to the next row.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }
}

/// Key columns, `version` and value columns of a batch, in this order, as rows.
fn chunk(batch: &RecordBatch, key_columns: usize) -> Result<Chunk, ArrowError> {
    let text = |array: &ArrayRef| cast(array, &DataType::Utf8).map(|array| array.as_string::<i32>().clone());
    let keys: Vec<StringArray> = batch.columns()[..key_columns].iter().map(text).collect::<Result<_, _>>()?;
    let versions = cast(batch.column(key_columns), &DataType::Int64)?;
    let values = batch.columns()[key_columns + 1..].iter().map(|array| cast(array, &DataType::Float64)).collect::<Result<Vec<_>, _>>()?;
    let values: Vec<_> = values.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
    let mut chunk = Chunk { versions: versions.as_primitive::<Int64Type>().values().to_vec(), ..Chunk::default() };
    for row in 0..batch.num_rows() {
        let mut key = String::new();
        for (n, array) in keys.iter().enumerate() {
            if n > 0 {
                key.push(JOIN);
            }
            key.push_str(array.value(row));
        }
        chunk.keys.push(key);
        chunk.values.extend(values.iter().map(|array| if array.is_null(row) { 0.0 } else { array.value(row) }));
    }
    Ok(chunk)
}
