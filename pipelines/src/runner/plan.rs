//! A feature file, planned once and run on batch after batch.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use features::sets::FeatureSet;

use crate::tables::schema;

/// The place where the batch of the moment is put for the plan to read.
#[derive(Debug)]
struct Slot {
    schema: SchemaRef,
    batch: Mutex<Option<RecordBatch>>,
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner).take();
        match MemoryStream::try_new(batch.into_iter().collect(), Arc::clone(&self.schema), None) {
            Ok(stream) => Box::pin(stream),
            Err(error) => Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                futures::stream::once(async { Err(error) }),
            )),
        }
    }
}

/// A planned feature set.
pub struct FeaturePlan {
    slot: Arc<Slot>,
    context: Arc<TaskContext>,
    plan: Arc<dyn ExecutionPlan>,
}

impl FeaturePlan {
    /// Plans the SQL of a feature set over batches of its source topic.
    ///
    /// # Errors
    /// When the SQL does not fit the source's schema.
    pub async fn new(set: &FeatureSet) -> Result<Self> {
        let schema = schema(set.source).ok_or_else(|| DataFusionError::Plan(format!("topic `{}` has no table", set.source.name())))?;
        let slot = Arc::new(Slot { schema: Arc::clone(&schema), batch: Mutex::new(None) });
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1).with_batch_size(65_536));
        let stream: Arc<dyn PartitionStream> = Arc::clone(&slot) as _;
        session.register_table(set.source.name(), Arc::new(StreamingTable::try_new(schema, vec![stream])?))?;
        let plan = session.sql(&set.sql).await?.create_physical_plan().await?;
        Ok(Self { slot, context: session.task_ctx(), plan })
    }

    /// Aggregates one batch: the key columns, `version`, and the value columns of every key in it.
    ///
    /// # Errors
    /// When DataFusion fails.
    pub async fn run(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        *self.slot.batch.lock().unwrap_or_else(PoisonError::into_inner) = Some(batch);
        // Operators keep metrics and some keep state: each run gets nodes of its own.
        collect(reset_plan_states(Arc::clone(&self.plan))?, Arc::clone(&self.context)).await
    }
}
