//! Several files into one, sorted, in bounded memory.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use features::topic::Topic;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::file::properties::WriterProperties;

use super::files::{FileName, Files, LakeError};
use super::footer::footer;
use super::write::{properties, sorted_by};
use crate::tables::schema;

/// Rows that travel together: a version of a portrait is several kilobytes.
const TOGETHER: usize = 2_048;
/// Bytes of a row group that are held in memory at most.
const ROW_GROUP_BYTES: usize = 96 << 20;
/// zstd level of a merged file: it is written once and read often, and six packs nearly as well as the slow ones.
const THOROUGH: i32 = 6;
/// Footers that are read at the same time.
const FOOTERS: usize = 16;

/// Under what a store is known inside of a session.
pub(super) const URL: &str = "lake://hongniang";

/// A session whose sorts take at most `memory` bytes, and go to temporary files beyond.
pub(super) fn bounded(store: Arc<dyn ObjectStore>, memory: usize) -> Result<SessionContext, DataFusionError> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory, 1.0).with_object_list_cache_limit(0).build_arc()?;
    let config = SessionConfig::new().with_batch_size(TOGETHER).with_target_partitions(1);
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.runtime_env().register_object_store(ObjectStoreUrl::parse(URL)?.as_ref(), store);
    Ok(context)
}

/// Makes files known to a session as one table of a schema; columns they lack are null.
pub(super) fn register(context: &SessionContext, name: &str, paths: &[String], schema: SchemaRef) -> Result<(), DataFusionError> {
    let urls = paths.iter().map(|path| ListingTableUrl::parse(format!("{URL}/{path}"))).collect::<Result<Vec<_>, _>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    context.register_table(name, Arc::new(ListingTable::try_new(config)?))?;
    Ok(())
}

/// Writes rows as one object, which is there as a whole in the end or not at all; the number of rows.
pub(super) async fn write(
    store: &Arc<dyn ObjectStore>,
    to: &Path,
    schema: SchemaRef,
    properties: WriterProperties,
    mut rows: SendableRecordBatchStream,
) -> Result<u64, LakeError> {
    let failed = |e: &dyn std::fmt::Display| LakeError::data(format!("write `{to}` in the lake"), e);
    let object = BufWriter::new(Arc::clone(store), to.clone());
    let mut writer = AsyncArrowWriter::try_new(object, schema, Some(properties)).map_err(|e| failed(&e))?;
    let mut count = 0;
    while let Some(batch) = rows.try_next().await.map_err(|e| failed(&e))? {
        count += batch.num_rows() as u64;
        writer.write(&batch).await.map_err(|e| failed(&e))?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush().await.map_err(|e| failed(&e))?;
        }
    }
    writer.close().await.map_err(|e| failed(&e))?;
    Ok(count)
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
    let written = write(&files.store, to, schema, properties, rows).await?;
    if written != expected {
        return Err(LakeError::data(what(), format!("{written} rows came out of {expected}; `hongniang lake verify` looks for the cause")));
    }
    Ok(written)
}
