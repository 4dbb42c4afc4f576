//! SQL over the lake: sessions in which tables go by their names, functions of ours, and what keeps a session reading only.
//!
//! Tables are `lake.<table>` (just `<table>` will do), one for each table of [`crate::tables`], with the day as the column `dt`. The feature sets
//! are there as `features.<set>`: computed while one asks, by the SQL of `features/sql`. A condition on `dt` or on the time of the rows reads only the
//! files of those days ([`days`]); statistics and bloom filters of the files skip more; what is left is filtered while it is decoded.

mod days;
mod error;
mod files;
mod guard;
mod progress;
mod table;
mod tell;
mod udf;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::catalog::memory::MemorySchemaProvider;
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_sets};
use serde::{Deserialize, Serialize};

pub use error::QueryError;
pub(crate) use files::{table_of, write_rows};
pub use guard::{Allowed, plan};
pub use progress::Scanned;
pub use tell::{ColumnFacts, TableFacts, columns, facts, meaning, names};
pub use udf::FUNCTIONS;

use crate::lake::readable;
use crate::runner::KeyedState;
use crate::tables::lake_tables;

/// The catalog of every session.
pub const CATALOG: &str = "hongniang";
/// The schema of the lake's tables, which need not be named.
pub const LAKE: &str = "lake";
/// The schema of the feature sets.
pub const FEATURES: &str = "features";

/// Where the session finds the lake.
pub(crate) const STORE: &str = "lake://hongniang";

/// What the queries of a session may use together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for sorting, grouping and joining; what does not fit is spilled to disk. None: no limit.
    pub memory: Option<usize>,
    /// Bytes that may be spilled; 0: nothing is.
    pub spill: u64,
    /// The folder to spill to, made when it is needed; none: one of the system's for temporary files.
    pub spill_to: Option<PathBuf>,
}

/// What the queries of people and programs may use together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// MiB of memory for sorting, grouping and joining; what does not fit is spilled to disk.
    pub memory_mb: usize,
    /// MiB that may be spilled; 0: nothing is, and what does not fit fails.
    pub spill_mb: u64,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self { memory_mb: 1_024, spill_mb: 10_240 }
    }
}

impl QueryConfig {
    /// The limits of a session that spills to `folder`, or to one of the system's for temporary files.
    pub fn limits(&self, folder: Option<PathBuf>) -> Limits {
        Limits { memory: Some(self.memory_mb << 20), spill: self.spill_mb << 20, spill_to: folder }
    }
}

/// A session without limits in which every table of the lake at `place` (a folder or a URL) can be queried. Besides the columns of the events each
/// table has `dt`, the day; a condition on it reads only the files of those days. New files are seen by every new query.
///
/// # Errors
/// When the place cannot be used.
pub async fn session(place: &str) -> Result<SessionContext> {
    open_with(place, RuntimeEnvBuilder::new()).await
}

/// The same within limits, for people and programs whose queries nobody knows beforehand.
///
/// # Errors
/// When the place cannot be used.
pub async fn open(place: &str, limits: &Limits) -> Result<SessionContext> {
    let mode = match &limits.spill_to {
        _ if limits.spill == 0 => DiskManagerMode::Disabled,
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let mut disk = DiskManagerBuilder::default().with_mode(mode);
    if limits.spill > 0 {
        disk = disk.with_max_temp_directory_size(limits.spill);
    }
    let mut runtime = RuntimeEnvBuilder::new().with_disk_manager_builder(disk);
    if let Some(bytes) = limits.memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    open_with(place, runtime).await
}

async fn open_with(place: &str, runtime: RuntimeEnvBuilder) -> Result<SessionContext> {
    // Footers and statistics of files are kept, lists of files are not: the next query sees what was written since.
    let runtime = runtime.with_object_list_cache_limit(0).build_arc()?;
    let mut config = SessionConfig::new().with_information_schema(true).with_default_catalog_and_schema(CATALOG, LAKE);
    // With statistics of columns DataFusion 55 estimates some conditions on casts of times to more than all rows, and fails the query for it
    // ("Selectivity is out of limit"). Files and row groups are left out by their own statistics all the same.
    config.options_mut().execution.collect_statistics = false;
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    parquet.bloom_filter_on_read = true;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let store = readable(place).map_err(|e| DataFusionError::External(Box::new(e)))?;
    context.runtime_env().register_object_store(ObjectStoreUrl::parse(STORE)?.as_ref(), store);
    for (name, schema) in lake_tables() {
        context.register_table(name, Arc::new(table::LakeTable::of(name, schema)?))?;
    }
    udf::register(&context);
    if let Some(catalog) = context.catalog(CATALOG) {
        catalog.register_schema(FEATURES, Arc::new(MemorySchemaProvider::new()))?;
    }
    for set in feature_sets() {
        let plan = context.state().create_logical_plan(&set.sql).await?;
        let name = TableReference::partial(FEATURES, set.name.as_str());
        context.register_table(name, Arc::new(ViewTable::new(plan, Some(set.sql.clone()))))?;
    }
    Ok(context)
}

/// What a feature set gives when it is computed over the whole lake: one row per key, of generation 0.
///
/// # Errors
/// When the lake cannot be read.
pub async fn batch_features(place: &str, set: &FeatureSet) -> Result<Vec<FeatureRow>> {
    Ok(batch_state(place, set).await?.all_rows(set, 0))
}

/// The same, compactly.
pub(crate) async fn batch_state(place: &str, set: &FeatureSet) -> Result<KeyedState> {
    let batches = session(place).await?.sql(&set.sql).await?.collect().await?;
    let mut state = KeyedState::new(set);
    state.add(set, &batches)?;
    Ok(state)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
