//! What readers of a feature topic hold: for each key the newest row, in the order of keys.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, RecordBatch, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use features::row::FeatureRow;
use features::sets::FeatureSet;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};

use super::error::BackfillError;
use super::workshop::Workshop;
use crate::bus::{Bus, BusError, Offsets, Record};
use crate::runner::JOIN;

type Batch = Result<RecordBatch, DataFusionError>;

/// Rows on their way from the topic into a sort.
#[derive(Debug)]
struct Way {
    schema: SchemaRef,
    rows: Mutex<Option<mpsc::Receiver<Batch>>>,
}

impl PartitionStream for Way {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rows = futures::stream::iter(rows).flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Keys that readers hold, in order, each with the newest of its rows.
pub(super) struct Held {
    rows: SendableRecordBatchStream,
    batch: Vec<(String, i64, i64)>,
    at: usize,
    newest: i64,
}

fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![field("key", DataType::Utf8), field("generation", DataType::Int64), field("version", DataType::Int64)]))
}

impl Held {
    /// Reads the topic of a set from its beginning to where it ends now.
    pub(super) async fn of(workshop: &Workshop, bus: &Bus, set: &FeatureSet) -> Result<Self, BackfillError> {
        let failed = |e: DataFusionError| BackfillError::failed(format!("sort the keys of `{}`", set.topic()), e);
        let (out, rows) = mpsc::channel(2);
        let way: Arc<dyn PartitionStream> = Arc::new(Way { schema: schema(), rows: Mutex::new(Some(rows)) });
        let session = workshop.session().map_err(failed)?;
        session.register_table("held", Arc::new(StreamingTable::try_new(schema(), vec![way]).map_err(failed)?)).map_err(failed)?;
        tokio::spawn(pour(bus.clone(), set.clone(), out));
        let (_, rows) = workshop
            .query(&session, "SELECT key, generation, version FROM held ORDER BY key, generation, version")
            .await
            .map_err(failed)?;
        Ok(Self { rows, batch: Vec::new(), at: 0, newest: 0 })
    }

    /// The highest generation among the rows that were handed out.
    pub(super) fn newest_generation(&self) -> u32 {
        u32::try_from(self.newest).unwrap_or(0)
    }

    async fn fill(&mut self) -> Result<bool, BackfillError> {
        let failed = |e: &dyn std::fmt::Display| BackfillError::failed("sort the keys of a feature topic", e);
        while self.at >= self.batch.len() {
            let Some(batch) = self.rows.next().await else { return Ok(false) };
            let batch = batch.map_err(|e| failed(&e))?;
            let keys = cast(batch.column(0), &DataType::Utf8).map_err(|e| failed(&e))?;
            let (keys, numbers) = (keys.as_string::<i32>(), |n: usize| batch.column(n).as_primitive::<Int64Type>());
            self.batch = (0..keys.len()).map(|row| (keys.value(row).to_owned(), numbers(1).value(row), numbers(2).value(row))).collect();
            self.at = 0;
        }
        Ok(true)
    }

    /// The next key and the version of its newest row; 0 where the key was taken back.
    pub(super) async fn next(&mut self) -> Result<Option<(String, i64)>, BackfillError> {
        let mut current: Option<(String, i64)> = None;
        while self.fill().await? {
            let (key, generation, version) = &self.batch[self.at];
            match &mut current {
                Some((mine, newest)) if mine == key => *newest = *version,
                Some(_) => break,
                None => current = Some((key.clone(), *version)),
            }
            self.newest = self.newest.max(*generation);
            self.at += 1;
        }
        Ok(current)
    }
}

/// Reads the topic and hands its rows on; ends when nobody takes them.
async fn pour(bus: Bus, set: FeatureSet, mut out: mpsc::Sender<Batch>) {
    if let Err(error) = read(&bus, &set, &mut out).await {
        drop(out.send(Err(DataFusionError::External(Box::new(error)))).await);
    }
}

async fn read(bus: &Bus, set: &FeatureSet, out: &mut mpsc::Sender<Batch>) -> Result<(), BusError> {
    let mut there = bus.sweep("backfill", &[set.topic()], &Offsets::default()).await?;
    while let Some(records) = there.next().await? {
        if out.send(rows(set, &records)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Records that are no rows of the set are left out: they are nobody's.
fn rows(set: &FeatureSet, records: &[Record]) -> Batch {
    let (mut keys, mut generations, mut versions) = (StringBuilder::new(), Int64Builder::new(), Int64Builder::new());
    let decoded = records.iter().filter_map(|record| FeatureRow::decode(set, record.value.as_deref()?).ok());
    for row in decoded {
        keys.append_value(row.key.join(&JOIN.to_string()));
        generations.append_value(row.generation.into());
        versions.append_value(row.version);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(generations.finish()), Arc::new(versions.finish())];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
