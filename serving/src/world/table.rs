//! Judged pairs as a table: one row per pair, every term in columns of its own.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use ranker::deck::{Side, Term};
use ranker::{DeckItem, TermName};

use super::{Pair, Refusal, Verdict};
use crate::commands::report::{Format, say};

/// Rows that are turned into columns together.
const TOGETHER: usize = 16_384;
/// Columns before those of the terms that a terminal has room for.
const SHORT: [&str; 10] =
    ["line", "viewer", "candidate", "time", "score", "match", "viewer_side", "candidate_side", "distance", "refused_by"];

/// A pair with what the world thought of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The two people and when.
    pub pair: Pair,
    /// What the world thought.
    pub verdict: Verdict,
}

/// Reads one number of a term.
type Part = fn(Term) -> f32;

/// Columns on the way to a batch.
#[derive(Default)]
struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn add(&mut self, name: impl Into<String>, array: ArrayRef) {
        self.fields.push(Field::new(name.into(), array.data_type().clone(), true));
        self.arrays.push(array);
    }

    fn number(&mut self, name: impl Into<String>, rows: &[Judged], value: impl Fn(&DeckItem) -> Option<f32>) {
        let values: Float32Array = rows.iter().map(|row| row.verdict.item.as_ref().and_then(&value)).collect();
        self.add(name, Arc::new(values));
    }

    fn text(&mut self, name: &str, rows: &[Judged], value: impl Fn(&Judged) -> Option<String>) {
        self.add(name, Arc::new(rows.iter().map(value).collect::<StringArray>()));
    }

    fn term(&mut self, rows: &[Judged], side: (Side, &str), name: TermName) {
        let of = |item: &DeckItem| item.terms.iter().find(|term| term.side == side.0 && term.name == name).copied();
        let parts: [(&str, Part); 3] =
            [("value", |term| term.value), ("weight", |term| term.weight), ("contribution", |term| term.contribution)];
        for (part, read) in parts {
            self.number(format!("{}_{}_{part}", side.1, name.name()), rows, |item| of(item).map(read));
        }
    }
}

/// The rows as one batch.
fn batch(rows: &[Judged]) -> anyhow::Result<RecordBatch> {
    let mut columns = Columns::default();
    columns.add("line", Arc::new(rows.iter().map(|row| Some(row.pair.line)).collect::<UInt64Array>()));
    columns.text("viewer", rows, |row| Some(row.pair.viewer.to_string()));
    columns.text("candidate", rows, |row| Some(row.pair.candidate.to_string()));
    let times: TimestampMicrosecondArray = rows.iter().map(|row| Some(row.pair.time.timestamp_micros())).collect();
    columns.add("time", Arc::new(times.with_timezone("UTC")));
    columns.number("score", rows, |item| Some(item.score));
    columns.number("match", rows, |item| Some(item.sides.mutual));
    columns.number("viewer_side", rows, |item| Some(item.sides.viewer));
    columns.number("candidate_side", rows, |item| Some(item.sides.candidate));
    columns.text("distance", rows, |row| row.verdict.item.as_ref().map(|item| item.distance.label().to_owned()));
    columns.number("popularity", rows, |item| Some(item.draw.popularity));
    columns.number("exposure", rows, |item| Some(item.draw.exposure));
    let refusal = |row: &Judged| row.verdict.refusal.clone();
    columns.text("refused_by", rows, |row| refusal(row).map(|refusal| refusal.name().to_owned()));
    columns.text("reason", rows, |row| refusal(row).as_ref().map(Refusal::reason).map(str::to_owned));
    for side in [(Side::Viewer, "viewer"), (Side::Candidate, "candidate")] {
        for name in TermName::ALL {
            columns.term(rows, side, *name);
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(columns.fields)), columns.arrays)?)
}

/// The rows in batches; at least one, so that a file always has its header.
fn batches(rows: &[Judged]) -> impl Iterator<Item = anyhow::Result<RecordBatch>> {
    let empty = rows.is_empty().then(|| batch(&[]));
    empty.into_iter().chain(rows.chunks(TOGETHER).map(batch))
}

/// Writes the rows to a file by its extension, `csv` or `parquet`.
///
/// # Errors
/// When the extension is another, or the file cannot be written.
pub fn write_file(path: &Path, rows: &[Judged]) -> anyhow::Result<()> {
    let told = || format!("{} cannot be written", path.display());
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("csv") => {
            let mut writer = arrow::csv::Writer::new(File::create(path).with_context(told)?);
            batches(rows).try_for_each(|batch| writer.write(&batch?).with_context(told))
        }
        Some("parquet") => {
            let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build();
            let schema = batch(&[])?.schema();
            let mut writer = ArrowWriter::try_new(File::create(path).with_context(told)?, schema, Some(properties))?;
            batches(rows).try_for_each(|batch| writer.write(&batch?).with_context(told))?;
            writer.close().map(drop).with_context(told)
        }
        _ => anyhow::bail!("--out {}: the name must end in .csv or .parquet", path.display()),
    }
}

/// Prints the rows: every column as CSV or JSON, those that fit a terminal as a table.
///
/// # Errors
/// When standard output is closed.
pub fn write_text(rows: &[Judged], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Table => {
            let short = |batch: RecordBatch| {
                let places: Result<Vec<usize>, _> = SHORT.iter().map(|name| batch.schema().index_of(name)).collect();
                Ok(batch.project(&places?)?)
            };
            let found = batches(rows).map(|found| found.and_then(short)).collect::<anyhow::Result<Vec<_>>>()?;
            say(pretty_format_batches(&found)?)
        }
        Format::Json => {
            let mut writer = arrow::json::ArrayWriter::new(std::io::stdout());
            batches(rows).try_for_each(|batch| anyhow::Ok(writer.write(&batch?)?))?;
            writer.finish()?;
            say("")
        }
        Format::Csv => {
            let mut writer = arrow::csv::Writer::new(std::io::stdout());
            batches(rows).try_for_each(|batch| anyhow::Ok(writer.write(&batch?)?))
        }
    }
}
