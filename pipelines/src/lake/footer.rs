//! What a Parquet file says about itself.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::files::{Files, LakeError};

/// A file in a store, read by ranges.
pub(super) struct Ranges {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.store.get_range(&self.path, range).await.map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, _: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let bytes = self.bytes;
        async move { ParquetMetaDataReader::new().load_and_finish(self, bytes).await.map(Arc::new) }.boxed()
    }
}

/// The end of a file.
pub(super) struct Footer {
    /// How many rows it has.
    pub(super) rows: u64,
    /// Its columns.
    pub(super) schema: SchemaRef,
    /// Reads the rows.
    pub(super) reader: ParquetRecordBatchStreamBuilder<Ranges>,
}

/// Reads the footer of a file.
pub(super) async fn footer(files: &Files, path: &str) -> Result<Footer, LakeError> {
    let location = Path::from(path);
    let bytes = files.size(&location).await?;
    let file = Ranges { store: Arc::clone(&files.store), path: location, bytes };
    let failed = |e| LakeError::data(format!("read `{path}` of the lake"), e);
    let reader = ParquetRecordBatchStreamBuilder::new(file).await.map_err(failed)?;
    let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok(Footer { rows, schema: Arc::clone(reader.schema()), reader })
}
