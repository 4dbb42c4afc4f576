//! Several files into one, sorted, in bounded memory.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use features::topic::Topic;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;

use super::files::{FileName, Files, LakeError};
use super::footer::footer;
use super::write::{THOROUGH, properties, sorted_by};
use crate::query::{STORE, table_of, write_rows};
use crate::tables::schema;

/// Rows that travel together: a version of a portrait is several kilobytes.
const TOGETHER: usize = 2_048;
/// Footers that are read at the same time.
const FOOTERS: usize = 16;

/// A session whose sorts take at most `memory` bytes, and go to temporary files beyond.
pub(super) fn bounded(store: Arc<dyn ObjectStore>, memory: usize) -> Result<SessionContext, DataFusionError> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory, 1.0).with_object_list_cache_limit(0).build_arc()?;
    let config = SessionConfig::new().with_batch_size(TOGETHER).with_target_partitions(1);
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.runtime_env().register_object_store(ObjectStoreUrl::parse(STORE)?.as_ref(), store);
    Ok(context)
}

/// Makes files known to a session as one table of a schema; columns they lack are null.
pub(super) fn register(context: &SessionContext, name: &str, paths: &[String], schema: SchemaRef) -> Result<(), DataFusionError> {
    context.register_table(name, table_of(STORE, paths, schema)?).map(drop)
}

/// Merges files of one table into the object `to`; the number of rows.
///
/// # Errors
/// When one cannot be read, or fewer or more rows come out than are in the files; then nothing is to be made of `to`.
pub(super) async fn merge(files: &Files, topic: Topic, inputs: &[FileName], to: &Path, memory: usize) -> Result<u64, LakeError> {
    let what = || format!("merge {} files of `{}`", inputs.len(), topic.name());
    let schema = schema(topic).ok_or_else(|| LakeError::data(what(), "the topic has no table"))?;
    let paths: Vec<String> = inputs.iter().map(FileName::path).collect();
    let footers = stream::iter(paths.clone()).map(|path| async move { footer(files, &path).await.map(|f| f.rows) });
    let expected: u64 = footers.buffer_unordered(FOOTERS).try_collect::<Vec<u64>>().await?.into_iter().sum();
    let failed = |e: DataFusionError| LakeError::data(what(), e);
    let context = bounded(Arc::clone(&files.store), memory).map_err(failed)?;
    register(&context, "parts", &paths, Arc::clone(&schema)).map_err(failed)?;
    let [first, second] = sorted_by(topic);
    let sql = format!("SELECT * FROM parts ORDER BY \"{first}\", \"{second}\"");
    let rows = context.sql(&sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
    let properties = properties(topic, &schema, expected.min(1 << 20), THOROUGH)?;
    let written = write_rows(&files.store, to, schema, properties, rows).await.map_err(failed)?;
    if written != expected {
        return Err(LakeError::data(what(), format!("{written} rows came out of {expected}; `hongniang lake verify` looks for the cause")));
    }
    Ok(written)
}
