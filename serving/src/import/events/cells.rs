//! CSV and Parquet: rows of named cells.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use super::columns::Table;

/// Takes a row's number and its fields, or what is wrong with it.
type Each<'a> = &'a mut dyn FnMut(u64, Result<Map<String, Value>, String>) -> anyhow::Result<()>;

/// CSV with a header (RFC 4180, UTF-8, with or without a byte-order mark).
pub(super) fn read_csv(path: &Path, table: &Table, ignore_unknown: bool, each: Each<'_>) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let header: Vec<String> =
        reader.headers().context("line 1")?.iter().map(|h| h.trim().trim_start_matches('\u{feff}').to_owned()).collect();
    table.check(&header, ignore_unknown).map_err(anyhow::Error::msg)?;
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(error.into()),
        }
        let line = record.position().map_or(0, csv::Position::line);
        each(line, csv_row(&header, &record).and_then(|row| table.event(row)))?;
    }
}

fn csv_row(header: &[String], record: &csv::ByteRecord) -> Result<Map<String, Value>, String> {
    if record.len() != header.len() {
        return Err(format!("has {} cells where the header has {}", record.len(), header.len()));
    }
    let cell = |(name, bytes): (&String, &[u8])| {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{name}: is not UTF-8"))?;
        Ok((name.clone(), Value::from(text)))
    };
    header.iter().zip(record.iter()).map(cell).collect()
}

/// Parquet; the row number stands for the line. Columns may be flat, or nested as in the lake.
pub(super) fn read_parquet(path: &Path, table: &Table, ignore_unknown: bool, each: Each<'_>) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let header: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    table.check(&header, ignore_unknown).map_err(anyhow::Error::msg)?;
    let mut line = 0;
    for batch in builder.with_batch_size(2_048).build()? {
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(&batch?)?;
        json.finish()?;
        for row in serde_json::Deserializer::from_slice(&json.into_inner()).into_iter::<Map<String, Value>>() {
            line += 1;
            each(line, table.event(row?))?;
        }
    }
    Ok(())
}
