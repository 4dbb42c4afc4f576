//! The Parquet file of a day: written where nobody looks, then put on the shelf as a whole.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use anyhow::Context;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use pipelines::shelf::Shelf;

/// Rows of a row group: with vectors about 50 MB before compression.
const GROUP: usize = 8_192;

/// Where the file of a day lies.
pub(super) fn name(day: NaiveDate) -> String {
    format!("dt={day}/impressions.parquet")
}

/// A day's file under way. It has no name yet: nothing is left of it when the process dies.
pub(super) struct DayFile {
    writer: ArrowWriter<File>,
}

fn properties(schema: &SchemaRef) -> anyhow::Result<WriterProperties> {
    let time = i32::try_from(schema.index_of("event_time")?)?;
    let sorting = SortingColumn { column_idx: time, descending: false, nulls_first: false };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP))
        .set_sorting_columns(Some(vec![sorting]))
        .set_created_by("hongniang".to_owned());
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::FixedSizeList(..)) {
            // Numbers of vectors are all different, and nobody looks for their bounds.
            let path = ColumnPath::new(vec![field.name().clone(), "list".to_owned(), "element".to_owned()]);
            properties =
                properties.set_column_dictionary_enabled(path.clone(), false).set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(properties.set_column_dictionary_enabled(ColumnPath::from("event_id"), false).build())
}

impl DayFile {
    pub(super) fn begin(schema: &SchemaRef) -> anyhow::Result<Self> {
        let file = tempfile::tempfile().context("no temporary file can be made; is there room, and does TMPDIR name a folder?")?;
        Ok(Self { writer: ArrowWriter::try_new(file, schema.clone(), Some(properties(schema)?))? })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        Ok(self.writer.write(batch)?)
    }

    /// Ends the file and puts it on the shelf, in place of one that was made before.
    pub(super) async fn put(self, shelf: &Shelf, day: NaiveDate) -> anyhow::Result<()> {
        let mut file = self.writer.into_inner()?;
        file.seek(SeekFrom::Start(0))?;
        shelf.put_all(&name(day), &mut file).await.with_context(|| format!("the dataset of {day}"))
    }
}
