//! Events as files: JSON lines, CSV and Parquet, read row by row in bounded memory.

mod cells;
mod columns;
mod lines;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use features::event::Event;
use features::ids::derived_event_id;
use serde_json::{Map, Value};

pub use self::columns::columns_markdown;
use self::columns::{TABLES, Table};
use super::{Refused, Row, checked};

/// A file of events.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    /// The path below the imported folder, which goes into derived ids and messages.
    name: String,
    format: Format,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Lines,
    Csv(&'static Table),
    Parquet(&'static Table),
}

/// Every file of events below `place`, which may be a single file: people first, then what they do; each kind by name.
///
/// # Errors
/// When there is none, or a table's name does not say what it holds.
pub fn event_files(place: &Path) -> anyhow::Result<Vec<EventFile>> {
    let mut paths = Vec::new();
    walk(place, &mut paths).with_context(|| format!("{} cannot be read", place.display()))?;
    let root = if place.is_dir() { place } else { place.parent().unwrap_or(place) };
    let mut files = paths.into_iter().filter_map(|path| EventFile::of(root, path).transpose()).collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(!files.is_empty(), "{} has no *.jsonl, *.ndjson, *.csv or *.parquet", place.display());
    files.sort_by_cached_key(|file| (file.turn(), file.name.clone()));
    Ok(files)
}

fn walk(place: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if place.is_file() {
        into.push(place.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(place)? {
        walk(&entry?.path(), into)?;
    }
    Ok(())
}

/// The table whose name the file or one of its folders begins with.
fn table(name: &str) -> Option<&'static Table> {
    let of = |part: &str| TABLES.iter().find(|t| part.strip_prefix(t.name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)));
    name.rsplit('/').find_map(of)
}

impl EventFile {
    fn of(root: &Path, path: PathBuf) -> anyhow::Result<Option<Self>> {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let tabular = || {
            table(&name).with_context(|| {
                format!("{name}: the name must begin with what it holds: profiles, moments, interactions, presence or messages")
            })
        };
        let format = match path.extension().and_then(OsStr::to_str) {
            Some("jsonl" | "ndjson") => Format::Lines,
            Some("csv") => Format::Csv(tabular()?),
            Some("parquet") => Format::Parquet(tabular()?),
            _ => return Ok(None),
        };
        Ok(Some(Self { path, name, format }))
    }

    /// Files whose name tells nothing come last.
    fn turn(&self) -> usize {
        table(&self.name).and_then(|table| TABLES.iter().position(|t| t.name == table.name)).unwrap_or(TABLES.len())
    }

    /// Hands out row after row; `each` ends the reading by an error.
    ///
    /// # Errors
    /// When the file cannot be read, its header is not that of its table, or `each` says so.
    pub fn read(&self, ignore_unknown: bool, now: DateTime<Utc>, each: &mut dyn FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut take = |line: u64, read: Result<Map<String, Value>, String>| each(self.row(line, read, now));
        match self.format {
            Format::Lines => lines::read(&self.path, &mut take),
            Format::Csv(table) => cells::read_csv(&self.path, table, ignore_unknown, &mut take),
            Format::Parquet(table) => cells::read_parquet(&self.path, table, ignore_unknown, &mut take),
        }
        .with_context(|| self.name.clone())
    }

    fn row(&self, line: u64, read: Result<Map<String, Value>, String>, now: DateTime<Utc>) -> Row {
        let event = read.and_then(|mut fields| {
            let id = || Value::String(derived_event_id(&["import", &self.name, &line.to_string()]).to_string());
            fields.entry("event_id").or_insert_with(id);
            Event::decode(Value::Object(fields).to_string().as_bytes()).map_err(|e| e.to_string())
        });
        let event = event.map(|event| if let Event::Moment(moment) = event { Event::Moment(moment.with_counts()) } else { event });
        event.and_then(|event| checked(event, now)).map_err(|reason| Refused { file: self.name.clone(), line, reason })
    }
}
