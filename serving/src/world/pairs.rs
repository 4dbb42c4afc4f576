//! Pairs to be judged: viewer, candidate and, if need be, the time, from CSV or Parquet.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDateTime, Utc};
use features::ids::UserId;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::import::Refused;

/// Names that the three columns may have; those of the lake's interactions among them.
const COLUMNS: [[&str; 3]; 3] =
    [["viewer", "viewer_id", "actor_id"], ["candidate", "candidate_id", "target_id"], ["time", "event_time", "at"]];

/// Two people and a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Line of the file, from 1; in Parquet the row.
    pub line: u64,
    /// Who looks.
    pub viewer: UserId,
    /// Who might be shown.
    pub candidate: UserId,
    /// When.
    pub time: DateTime<Utc>,
}

/// What was read of a file.
#[derive(Debug, Default)]
pub struct Pairs {
    /// Rows that can be judged, in the order of the file.
    pub good: Vec<Pair>,
    /// Rows that were left out.
    pub bad: Vec<Refused>,
    /// Columns that are of no use here.
    pub extra: Vec<String>,
}

/// Where the three columns are.
struct Places {
    viewer: usize,
    candidate: usize,
    time: Option<usize>,
}

impl Places {
    fn of(header: &[String]) -> anyhow::Result<(Self, Vec<String>)> {
        let place = |names: &[&str]| header.iter().position(|h| names.contains(&h.as_str()));
        let must = |names: &[&str]| {
            place(names).with_context(|| {
                format!("the column `{}` is missing (or `{}`, `{}`); there are {}", names[0], names[1], names[2], header.join(", "))
            })
        };
        let places = Self { viewer: must(&COLUMNS[0])?, candidate: must(&COLUMNS[1])?, time: place(&COLUMNS[2]) };
        let used = [Some(places.viewer), Some(places.candidate), places.time];
        let extra = header.iter().enumerate().filter(|(at, _)| !used.contains(&Some(*at))).map(|(_, name)| name.clone());
        Ok((places, extra.collect()))
    }
}

/// Reads `path` by its extension, `csv` or `parquet`. Rows without a time are of `default`.
///
/// # Errors
/// When the file cannot be read, is of another kind, or a column is missing.
pub fn read_pairs(path: &Path, default: DateTime<Utc>) -> anyhow::Result<Pairs> {
    let mut pairs = Pairs::default();
    let read = match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("csv") => read_csv(path, default, &mut pairs),
        Some("parquet") => read_parquet(path, default, &mut pairs),
        _ => Err(anyhow::anyhow!("neither *.csv nor *.parquet")),
    };
    read.with_context(|| path.display().to_string())?;
    Ok(pairs)
}

impl Pairs {
    /// Takes a row over; blank cells are none.
    fn take(&mut self, file: &Path, line: u64, cells: [Option<&str>; 2], time: Result<DateTime<Utc>, String>) {
        let id = |name: &str, cell: Option<&str>| {
            let text = cell.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| format!("{name}: is missing"))?;
            text.parse::<UserId>().map_err(|e| format!("{name}: {e}"))
        };
        let pair = id("viewer", cells[0]).and_then(|viewer| {
            let candidate = id("candidate", cells[1])?;
            Ok(Pair { line, viewer, candidate, time: time.map_err(|e| format!("time: {e}"))? })
        });
        match pair {
            Ok(pair) => self.good.push(pair),
            Err(reason) => {
                let file = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                self.bad.push(Refused { file, line, reason });
            }
        }
    }
}

fn read_csv(path: &Path, default: DateTime<Utc>, pairs: &mut Pairs) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let header: Vec<String> =
        reader.headers().context("line 1")?.iter().map(|h| h.trim().trim_start_matches('\u{feff}').to_owned()).collect();
    let (places, extra) = Places::of(&header)?;
    pairs.extra = extra;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let time = match places.time.and_then(|at| record.get(at)).map(String::from_utf8_lossy) {
            Some(text) if !text.trim().is_empty() => moment(text.trim()),
            _ => Ok(default),
        };
        pairs.take(path, line, [cell(places.viewer), cell(places.candidate)], time);
    }
    Ok(())
}

/// RFC 3339; times without a zone are UTC.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let naive = |text: &str| text.parse::<NaiveDateTime>().or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"));
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| naive(text).map(|time| time.and_utc()))
        .map_err(|_| format!("`{text}` is not a time such as 2026-10-01T08:00:00Z"))
}

fn read_parquet(path: &Path, default: DateTime<Utc>, pairs: &mut Pairs) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let header: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    let (places, extra) = Places::of(&header)?;
    pairs.extra = extra;
    let mut line = 0;
    for batch in builder.build()? {
        let batch = batch?;
        let (viewers, candidates) = (text(&batch, places.viewer)?, text(&batch, places.candidate)?);
        let times = places.time.map(|at| Times::of(batch.column(at))).transpose()?;
        let cell = |column: &ArrayRef, row: usize| {
            let column = column.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            line += 1;
            let time = times.as_ref().and_then(|times| times.at(row)).unwrap_or(Ok(default));
            pairs.take(path, line, [cell(&viewers, row).as_deref(), cell(&candidates, row).as_deref()], time);
        }
    }
    Ok(())
}

/// A column as text; ids may be integers.
fn text(batch: &RecordBatch, at: usize) -> anyhow::Result<ArrayRef> {
    let column = batch.column(at);
    let name = || batch.schema().field(at).name().clone();
    anyhow::ensure!(!column.data_type().is_floating(), "{}: ids are numbers with a fraction; write them as integers or as text", name());
    cast(column, &DataType::Utf8).with_context(|| format!("{}: cannot be read as text", name()))
}

/// A column of times: timestamps, or text.
enum Times {
    Micros(ArrayRef),
    Text(ArrayRef),
}

impl Times {
    fn of(column: &ArrayRef) -> anyhow::Result<Self> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(match column.data_type() {
            DataType::Timestamp(..) | DataType::Date32 => Self::Micros(cast(column, &micros).context("time: is out of range")?),
            _ => Self::Text(cast(column, &DataType::Utf8).context("time: is neither a timestamp nor text")?),
        })
    }

    fn at(&self, row: usize) -> Option<Result<DateTime<Utc>, String>> {
        match self {
            Self::Micros(array) => {
                let array = array.as_primitive::<TimestampMicrosecondType>();
                array.is_valid(row).then(|| DateTime::from_timestamp_micros(array.value(row)).ok_or_else(|| "is out of range".to_owned()))
            }
            Self::Text(array) => {
                let array = array.as_string::<i32>();
                let text = array.is_valid(row).then(|| array.value(row).trim()).filter(|text| !text.is_empty())?;
                Some(moment(text))
            }
        }
    }
}
