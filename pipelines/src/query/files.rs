//! Parquet files in a store: as a table of a session, and as what comes out of one.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::file::properties::WriterProperties;

/// Bytes of a row group that are held in memory at most.
const ROW_GROUP_BYTES: usize = 96 << 20;

/// Files of the store that a session knows as `store`, as one table; columns they lack are null.
pub(crate) fn table_of(store: &str, paths: &[String], schema: SchemaRef) -> Result<Arc<ListingTable>> {
    let urls = paths.iter().map(|path| ListingTableUrl::parse(format!("{store}/{path}"))).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// Writes rows as one object, which is there as a whole in the end or not at all; the number of rows.
pub(crate) async fn write_rows(
    store: &Arc<dyn ObjectStore>,
    to: &Path,
    schema: SchemaRef,
    properties: WriterProperties,
    mut rows: SendableRecordBatchStream,
) -> Result<u64> {
    let object = BufWriter::new(Arc::clone(store), to.clone());
    let mut writer = AsyncArrowWriter::try_new(object, schema, Some(properties))?;
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows() as u64;
        writer.write(&batch).await?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush().await?;
        }
    }
    writer.close().await?;
    Ok(count)
}
