//! Rows as Parquet, for notebooks.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use ranker::eval::Row;

/// Writes the rows with the columns `strategy`, `slice`, `metric` (text), `value`, `low`, `high` (numbers; the last two may be null).
///
/// # Errors
/// When the file cannot be written.
pub fn write_parquet(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let text = |of: fn(&Row) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let number = |of: fn(&Row) -> Option<f64>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Float64Array>()) };
    let field = |name: &str, kind: DataType, nullable: bool| Field::new(name, kind, nullable);
    let schema = Arc::new(Schema::new(vec![
        field("strategy", DataType::Utf8, false),
        field("slice", DataType::Utf8, false),
        field("metric", DataType::Utf8, false),
        field("value", DataType::Float64, false),
        field("low", DataType::Float64, true),
        field("high", DataType::Float64, true),
    ]));
    let columns = vec![
        text(|row| &row.strategy),
        text(|row| &row.slice),
        text(|row| &row.metric),
        number(|row| Some(row.value)),
        number(|row| row.low),
        number(|row| row.high),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
