//! Where a backfill computes: DataFusion with a bound on its memory, and the files it makes.
//!
//! A computation runs in one partition and has a memory pool of its own: what does not fit is spilled to a local folder. So the order in which
//! sums are added depends on the rows and the bound alone, and a computation that is done again gives the same bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::error::BackfillError;
use crate::query::{STORE, table_of, write_rows};
use crate::snapshots::open_store;

/// Where the files lie that backfills make.
const WORK: &str = "work://hongniang";

/// Rows of a row group: what a writer holds in memory.
const ROW_GROUP: usize = 100_000;

/// Which store a file lies in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Store {
    Lake,
    Work,
}

/// Makes sessions.
#[derive(Clone)]
pub(super) struct Workshop {
    lake: Arc<dyn ObjectStore>,
    work: Arc<dyn ObjectStore>,
    memory: usize,
    spill: PathBuf,
    spilled: Arc<AtomicU64>,
}

impl Workshop {
    /// Computations over `lake` that put files into `work`, each with `memory` bytes; what does not fit goes to the folder `spill`.
    pub(super) fn open(lake: &str, work: &str, memory: usize, spill: PathBuf) -> std::result::Result<Self, BackfillError> {
        std::fs::create_dir_all(&spill).map_err(|e| BackfillError::failed(format!("make the folder {}", spill.display()), e))?;
        Ok(Self { lake: crate::lake::readable(lake)?, work: open_store(work)?, memory, spill, spilled: Arc::default() })
    }

    /// Bytes that did not fit into memory so far.
    pub(super) fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    pub(super) fn work(&self) -> &Arc<dyn ObjectStore> {
        &self.work
    }

    /// A session with memory of its own.
    pub(super) fn session(&self) -> Result<SessionContext> {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![self.spill.clone()]));
        let pool = Arc::new(FairSpillPool::new(self.memory));
        let runtime = Arc::new(RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build()?);
        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().execution.sort_spill_reservation_bytes = (self.memory / 8).min(10 << 20);
        let session = SessionContext::new_with_config_rt(config, runtime);
        for (url, store) in [(STORE, &self.lake), (WORK, &self.work)] {
            session.runtime_env().register_object_store(ObjectStoreUrl::parse(url)?.as_ref(), Arc::clone(store));
        }
        Ok(session)
    }

    /// Makes files known to a session as one table.
    pub(super) fn table(&self, session: &SessionContext, name: &str, store: Store, files: &[String], schema: SchemaRef) -> Result<()> {
        let at = match store {
            Store::Lake => STORE,
            Store::Work => WORK,
        };
        session.register_table(name, table_of(at, files, schema)?).map(drop)
    }

    /// Runs a query.
    pub(super) async fn query(&self, session: &SessionContext, sql: &str) -> Result<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
        let plan = session.sql(sql).await?.create_physical_plan().await?;
        let stream = execute_stream(Arc::clone(&plan), session.task_ctx())?;
        Ok((plan, stream))
    }

    /// Writes what a query returns as one Parquet file, which is there as a whole or not at all.
    pub(super) async fn write(&self, session: &SessionContext, sql: &str, path: &str) -> std::result::Result<(), BackfillError> {
        let what = || format!("compute `{path}`");
        let (plan, rows) = self.query(session, sql).await.map_err(|e| BackfillError::failed(what(), e))?;
        let level = ZstdLevel::try_new(1).map_err(|e| BackfillError::failed(what(), e))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by("hongniang".to_owned())
            .build();
        let written = write_rows(&self.work, &Path::from(path), rows.schema(), properties, rows).await;
        written.map_err(|e| BackfillError::failed(what(), e))?;
        self.count(&*plan);
        Ok(())
    }

    /// Counts what a plan that has run spilled.
    pub(super) fn count(&self, plan: &dyn ExecutionPlan) {
        let bytes = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
        self.spilled.fetch_add(bytes as u64, Ordering::Relaxed);
        plan.children().into_iter().for_each(|child| self.count(&**child));
    }

    /// Removes a file that backfills made.
    pub(super) async fn remove(&self, path: &str) -> std::result::Result<(), BackfillError> {
        match self.work.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BackfillError::failed(format!("remove `{path}`"), error)),
        }
    }
}
