//! Tables of other people: Parquet, CSV with a header, or columns parted by blanks; cells by the name of their column.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono::{DateTime, TimeDelta, Utc};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A row; every cell as text, blank cells as none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'a> {
    header: &'a [String],
    cells: &'a [Option<String>],
}

impl<'a> Cells<'a> {
    /// The text of a cell; none when it is blank or there is no such column.
    pub(crate) fn text(&self, column: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.cells.get(at)?.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The number of a cell; none when it is blank.
    ///
    /// # Errors
    /// When there is text that is no number.
    pub(crate) fn number(&self, column: &str) -> Result<Option<f64>, String> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number.map(Some).ok_or_else(|| format!("{column}: `{text}` is not a number"))
    }

    /// The number of a cell that must have one.
    ///
    /// # Errors
    /// When it is blank or no number.
    pub(crate) fn must(&self, column: &str) -> Result<f64, String> {
        self.number(column)?.ok_or_else(|| format!("{column}: is missing"))
    }

    /// A whole number from 0 to 2^53, such as an id.
    ///
    /// # Errors
    /// When it is blank or anything else.
    pub(crate) fn whole(&self, column: &str) -> Result<u64, String> {
        let number = self.must(column)?;
        let fits = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within the range")]
        let whole = fits.then_some(number as u64);
        whole.ok_or_else(|| format!("{column}: `{number}` is not a whole number of 0 or more"))
    }

    /// A moment given in seconds since 1970.
    ///
    /// # Errors
    /// When it is blank, no number, or no moment.
    pub(crate) fn moment(&self, column: &str) -> Result<DateTime<Utc>, String> {
        let seconds = self.must(column)?;
        #[expect(clippy::cast_possible_truncation, reason = "within the range")]
        let micros = (seconds.abs() < 1e11).then_some((seconds * 1e6).round() as i64);
        let moment = micros.and_then(DateTime::from_timestamp_micros);
        moment.ok_or_else(|| format!("{column}: `{seconds}` is not a time in seconds since 1970"))
    }
}

/// Takes a row's line (in Parquet its number, from 1) and its cells, or what is wrong with it.
pub(crate) type Each<'e> = &'e mut dyn FnMut(u64, Result<Cells<'_>, String>) -> anyhow::Result<()>;

/// Reads a table by the ending of its name: `.parquet`, `.csv` (with a header; UTF-8 or latin-1), `.txt` (no header: the columns of
/// `required` in their order, parted by blanks, lines that begin with `#` are passed over).
///
/// # Errors
/// When the file cannot be read, its ending is another, a column of `required` is missing, or `each` says so.
pub(crate) fn read(path: &Path, required: &[&str], each: Each<'_>) -> anyhow::Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let done = match ending.as_deref() {
        Some("parquet") => parquet_rows(path, required, each),
        Some("csv") => csv_rows(path, required, each),
        Some("txt") => plain_rows(path, required, each),
        _ => Err(anyhow::anyhow!("the name must end with .parquet, .csv or .txt")),
    };
    done.with_context(|| path.display().to_string())
}

/// The name of a file without its folders, for messages and derived ids.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn check(header: &[String], required: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> = required.iter().copied().filter(|column| header.iter().all(|name| name != column)).collect();
    anyhow::ensure!(missing.is_empty(), "the column {} is missing; there are {}", missing.join(", "), header.join(", "));
    Ok(())
}

fn parquet_rows(path: &Path, required: &[&str], each: Each<'_>) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let header: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    check(&header, required)?;
    let mut line = 0;
    for batch in builder.with_batch_size(2_048).build()? {
        for cells in texts(&batch?)? {
            line += 1;
            each(line, Ok(Cells { header: &header, cells: &cells }))?;
        }
    }
    Ok(())
}

/// The rows of a batch, every cell as text.
fn texts(batch: &RecordBatch) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let texts = cast(column, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        rows.iter_mut().enumerate().for_each(|(at, row)| row.push(texts.is_valid(at).then(|| texts.value(at).to_owned())));
    }
    Ok(rows)
}

fn csv_rows(path: &Path, required: &[&str], each: Each<'_>) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let header: Vec<String> =
        reader.byte_headers()?.iter().map(|name| text(name).trim_start_matches('\u{feff}').trim().to_owned()).collect();
    check(&header, required)?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<Option<String>> = record.iter().map(|cell| Some(text(cell))).collect();
        if cells.len() == header.len() {
            each(line, Ok(Cells { header: &header, cells: &cells }))?;
        } else {
            each(line, Err(format!("has {} cells where the header has {}", cells.len(), header.len())))?;
        }
    }
    Ok(())
}

/// UTF-8, or latin-1 where it is not: that is the first 256 characters of Unicode.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|b| char::from(*b)).collect(), str::to_owned)
}

fn plain_rows(path: &Path, required: &[&str], each: Each<'_>) -> anyhow::Result<()> {
    let header: Vec<String> = required.iter().map(|name| (*name).to_owned()).collect();
    for (line, bytes) in (1..).zip(BufReader::new(File::open(path)?).split(b'\n')) {
        let line_text = text(&bytes?);
        let cells: Vec<Option<String>> = line_text.split_whitespace().map(|cell| Some(cell.to_owned())).collect();
        if cells.is_empty() || line_text.starts_with('#') {
            continue;
        }
        if cells.len() == header.len() {
            each(line, Ok(Cells { header: &header, cells: &cells }))?;
        } else {
            each(line, Err(format!("has {} columns; {} are expected: {}", cells.len(), header.len(), header.join(" "))))?;
        }
    }
    Ok(())
}

/// How much later everything happens, so that the last moment of `column` falls on `shift_to`; nothing without it.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn shift(path: &Path, required: &[&str], column: &str, shift_to: Option<DateTime<Utc>>) -> anyhow::Result<TimeDelta> {
    let Some(to) = shift_to else { return Ok(TimeDelta::zero()) };
    let mut last: Option<DateTime<Utc>> = None;
    read(path, required, &mut |_, cells| {
        last = last.max(cells.and_then(|cells| cells.moment(column)).ok());
        Ok(())
    })?;
    Ok(last.map_or_else(TimeDelta::zero, |last| to - last))
}
