//! Where results go, batch by batch: nothing but tables for people is gathered in memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Table,
    /// With a header line; lists and records as JSON.
    Csv,
    /// One JSON array.
    Json,
    /// A JSON object a line.
    Jsonl,
    /// A Parquet file; needs --output.
    Parquet,
}

impl Form {
    /// The form that the name of a file announces.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }
}

/// A place for one result.
pub(super) enum Place {
    /// Standard output.
    Screen,
    /// A file, which is there as a whole or not at all.
    File(PathBuf),
}

type Out = Box<dyn Write + Send>;

/// Takes one result that is not a table for people.
pub(super) struct Sink {
    writer: Writer,
    schema: SchemaRef,
    file: Option<(PathBuf, PathBuf)>,
}

enum Writer {
    Csv(Box<arrow::csv::Writer<Out>>),
    Json(arrow::json::ArrayWriter<Out>),
    Jsonl(arrow::json::LineDelimitedWriter<Out>),
    Parquet(Box<ArrowWriter<Out>>),
}

impl Sink {
    /// Opens the place; [`Form::Table`] is none of a sink.
    pub(super) fn open(form: Form, schema: &SchemaRef, place: &Place) -> anyhow::Result<Self> {
        let (out, file): (Out, _) = match place {
            Place::Screen => (Box::new(BufWriter::new(std::io::stdout())), None),
            Place::File(path) => {
                let part = path.with_file_name(format!("{}.part", path.file_name().unwrap_or_default().to_string_lossy()));
                let file = File::create(&part).with_context(|| format!("{} cannot be written", part.display()))?;
                (Box::new(BufWriter::new(file)), Some((part, path.clone())))
            }
        };
        let schema = if form == Form::Csv { flat(schema) } else { Arc::clone(schema) };
        let writer = match form {
            Form::Csv => Writer::Csv(Box::new(arrow::csv::Writer::new(out))),
            Form::Json => Writer::Json(arrow::json::ArrayWriter::new(out)),
            Form::Jsonl => Writer::Jsonl(arrow::json::LineDelimitedWriter::new(out)),
            Form::Parquet => {
                anyhow::ensure!(file.is_some(), "Parquet goes to a file: name one with --output");
                let level = Compression::ZSTD(ZstdLevel::try_new(3)?);
                let properties = WriterProperties::builder().set_compression(level).set_created_by("hongniang".to_owned()).build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?))
            }
            Form::Table => anyhow::bail!("a table is not written batch by batch"),
        };
        let mut sink = Self { writer, schema, file };
        if let Writer::Csv(_) = sink.writer {
            // The header is there, even where no row is.
            let empty = RecordBatch::new_empty(Arc::clone(&sink.schema));
            sink.write(&empty)?;
        }
        Ok(sink)
    }

    /// Writes some rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match &mut self.writer {
            Writer::Csv(writer) => {
                let columns = batch.columns().iter().map(as_text).collect::<anyhow::Result<Vec<_>>>()?;
                writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
            }
            Writer::Json(writer) => writer.write(batch)?,
            Writer::Jsonl(writer) => writer.write(batch)?,
            Writer::Parquet(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Ends the result; a file gets its name only now.
    pub(super) fn end(self) -> anyhow::Result<()> {
        match self.writer {
            Writer::Csv(writer) => writer.into_inner().flush()?,
            Writer::Json(mut writer) => {
                writer.finish()?;
                let mut out = writer.into_inner();
                writeln!(out)?;
                out.flush()?;
            }
            Writer::Jsonl(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush()?;
            }
            Writer::Parquet(writer) => writer.into_inner()?.flush()?,
        }
        if let Some((part, path)) = self.file {
            std::fs::rename(&part, &path).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// Gives the result up; nothing of it stays.
    pub(super) fn abandon(self) {
        if let Some((part, _)) = self.file {
            drop(std::fs::remove_file(part));
        }
    }
}

/// The schema of what CSV can hold.
fn flat(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        if field.data_type().is_nested() { Arc::new(Field::new(field.name(), DataType::Utf8, true)) } else { Arc::clone(field) }
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// Lists and records as JSON texts; everything else as it is.
fn as_text(column: &ArrayRef) -> anyhow::Result<ArrayRef> {
    if !column.data_type().is_nested() {
        return Ok(Arc::clone(column));
    }
    let alone = RecordBatch::try_from_iter_with_nullable([("v", Arc::clone(column), true)])?;
    let mut json = arrow::json::LineDelimitedWriter::new(Vec::new());
    json.write(&alone)?;
    json.finish()?;
    let text = String::from_utf8(json.into_inner())?;
    // Every line is {"v":…}, or {} where there is nothing.
    let values = text.lines().map(|line| line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}')));
    Ok(Arc::new(values.collect::<StringArray>()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..rows).map(|n| (n % 2 == 0).then(|| vec![Some(n), None])));
        let columns: [(&str, ArrayRef, bool); 2] =
            [("n", Arc::new(Int64Array::from_iter_values(0..rows)), true), ("list", Arc::new(lists), true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn written(form: Form, batches: &[RecordBatch]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut sink = Sink::open(form, &batch(0).schema(), &Place::File(path.clone())).unwrap();
        batches.iter().for_each(|batch| sink.write(batch).unwrap());
        assert!(!path.exists(), "half a file is none");
        sink.end().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn every_form_holds_all_batches() {
        let text = |form| String::from_utf8(written(form, &[batch(2), batch(1)])).unwrap();
        assert_eq!(text(Form::Csv), "n,list\n0,\"[0,null]\"\n1,\n0,\"[0,null]\"\n");
        assert_eq!(text(Form::Json), "[{\"n\":0,\"list\":[0,null]},{\"n\":1},{\"n\":0,\"list\":[0,null]}]\n");
        assert_eq!(text(Form::Jsonl), "{\"n\":0,\"list\":[0,null]}\n{\"n\":1}\n{\"n\":0,\"list\":[0,null]}\n");
        let file = bytes::Bytes::from(written(Form::Parquet, &[batch(2), batch(1)]));
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(arrow::compute::concat_batches(&read[0].schema(), &read).unwrap().num_rows(), 3);
    }

    #[test]
    fn no_rows_are_a_result_too() {
        let text = |form| String::from_utf8(written(form, &[])).unwrap();
        assert_eq!((text(Form::Csv).as_str(), text(Form::Json).as_str(), text(Form::Jsonl).as_str()), ("n,list\n", "[]\n", ""));
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_parquet_needs_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let sink = Sink::open(Form::Csv, &batch(0).schema(), &Place::File(folder.path().join("x.csv"))).unwrap();
        sink.abandon();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Sink::open(Form::Parquet, &batch(0).schema(), &Place::Screen).is_err());
    }
}
