//! What the columns of CSV and Parquet files mean: one flat row becomes the JSON of one event.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};
use features::ids::UserId;
use serde_json::{Map, Number, Value};

/// How the text of a cell is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Text,
    Id,
    Time,
    Date,
    Whole,
    Real,
    Truth,
    List,
    Json,
}

impl Cell {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "id",
            Self::Time => "time, RFC 3339; UTC when it names no zone",
            Self::Date => "date, YYYY-MM-DD",
            Self::Whole => "whole number",
            Self::Real => "number",
            Self::Truth => "true or false",
            Self::List => "list, `a\\|b` in CSV",
            Self::Json => "JSON",
        }
    }
}

/// One documented column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    cell: Cell,
    /// Where the value goes in the event.
    at: &'static str,
    required: bool,
}

const fn must(name: &'static str, cell: Cell, at: &'static str) -> Column {
    Column { name, cell, at, required: true }
}

const fn may(name: &'static str, cell: Cell, at: &'static str) -> Column {
    Column { name, cell, at, required: false }
}

/// A table: what the name of its file begins with, and its columns.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The kind of rows that name none.
    kind: Option<&'static str>,
    /// A column that stands in for a missing `event_time`.
    time: Option<&'static str>,
    columns: &'static [Column],
}

const HEAD: [Column; 4] = [
    may("event_id", Cell::Text, "event_id"),
    may("event_time", Cell::Time, "event_time"),
    may("kind", Cell::Text, "kind"),
    may("request_id", Cell::Text, "request_id"),
];

/// In the order in which they are sent: people before what they do.
pub(super) const TABLES: [Table; 5] = [
    Table {
        name: "profiles",
        kind: Some("profile_updated"),
        time: Some("created_at"),
        columns: &[
            must("user_id", Cell::Id, "user_id"),
            must("nickname", Cell::Text, "profile.nickname"),
            must("gender", Cell::Text, "profile.gender"),
            must("birth_date", Cell::Date, "profile.birth_date"),
            must("created_at", Cell::Time, "profile.created_at"),
            may("height_cm", Cell::Whole, "profile.height_cm"),
            may("education", Cell::Text, "profile.education"),
            may("occupation", Cell::Text, "profile.occupation"),
            may("city", Cell::Text, "profile.city"),
            may("lat", Cell::Real, "profile.position.lat"),
            may("lon", Cell::Real, "profile.position.lon"),
            may("languages", Cell::List, "profile.languages"),
            may("tags", Cell::List, "profile.tags"),
            may("bio", Cell::Text, "profile.bio"),
            may("photos", Cell::Whole, "profile.photos"),
            may("genders", Cell::List, "profile.preferences.genders"),
            may("min_age", Cell::Whole, "profile.preferences.min_age"),
            may("max_age", Cell::Whole, "profile.preferences.max_age"),
            may("max_distance_km", Cell::Whole, "profile.preferences.max_distance_km"),
            may("hidden", Cell::Truth, "profile.hidden"),
            may("banned", Cell::Truth, "profile.banned"),
            may("virtual", Cell::Truth, "profile.virtual"),
            may("extend_data", Cell::Json, "profile.extend_data"),
            may("visibility", Cell::Text, "profile.visibility"),
            may("verified", Cell::Truth, "profile.verified"),
            may("album", Cell::List, "profile.album"),
        ],
    },
    Table {
        name: "moments",
        kind: Some("moment_published"),
        time: Some("published_at"),
        columns: &[
            must("moment_id", Cell::Id, "moment_id"),
            must("author_id", Cell::Id, "author_id"),
            must("published_at", Cell::Time, "published_at"),
            may("title", Cell::Text, "title"),
            may("text", Cell::Text, "text"),
            may("answers", Cell::Json, "answers"),
            may("tags", Cell::List, "tags"),
            may("media", Cell::Json, "media"),
        ],
    },
    Table {
        name: "interactions",
        kind: None,
        time: None,
        columns: &[
            must("actor_id", Cell::Id, "actor_id"),
            must("target_id", Cell::Id, "target_id"),
            may("moment_id", Cell::Id, "moment_id"),
            may("text", Cell::Text, "text"),
            may("tags", Cell::List, "tags"),
            may("deck_id", Cell::Text, "deck_id"),
            may("position", Cell::Whole, "position"),
            may("experiments", Cell::List, "experiments"),
            may("propensity", Cell::Real, "propensity"),
        ],
    },
    Table {
        name: "presence",
        kind: None,
        time: None,
        columns: &[must("user_id", Cell::Id, "user_id"), may("lat", Cell::Real, "position.lat"), may("lon", Cell::Real, "position.lon")],
    },
    Table {
        name: "messages",
        kind: None,
        time: None,
        columns: &[
            must("conversation_id", Cell::Text, "conversation_id"),
            must("sender_id", Cell::Id, "sender_id"),
            must("receiver_id", Cell::Id, "receiver_id"),
            may("chars", Cell::Whole, "chars"),
        ],
    },
];

impl Table {
    fn all(&self) -> impl Iterator<Item = &Column> {
        HEAD.iter().chain(self.columns)
    }

    /// Whether `name` is in the event as it is, as in files of the lake, or is a note of the writer's own (`_row`).
    fn passes(&self, name: &str) -> bool {
        let nested = |c: &Column| c.at.split('.').next() == Some(name) && c.at.contains('.');
        name.starts_with('_') || ["text_chars", "answer_chars", "media_count"].contains(&name) || self.columns.iter().any(nested)
    }

    /// Holds a file's header to the table.
    ///
    /// # Errors
    /// What is unknown or missing, and the remedy.
    pub(super) fn check(&self, header: &[String], ignore_unknown: bool) -> Result<(), String> {
        let nested = |c: &Column| c.at.split_once('.').is_some_and(|(head, _)| header.iter().any(|h| h == head));
        let has = |name: &str| header.iter().any(|h| h == name);
        let unknown: Vec<&str> =
            header.iter().map(String::as_str).filter(|h| !self.passes(h) && self.all().all(|c| c.name != *h)).collect();
        if !unknown.is_empty() && !ignore_unknown {
            let known: Vec<&str> = self.all().map(|c| c.name).collect();
            return Err(format!(
                "`{}` has no column {}; it has {}. Rename them, or give --ignore-unknown to leave them out",
                self.name,
                unknown.join(", "),
                known.join(", ")
            ));
        }
        let missing: Vec<&str> = self.columns.iter().filter(|c| c.required && !has(c.name) && !nested(c)).map(|c| c.name).collect();
        let missing_head = [("kind", self.kind), ("event_time", self.time)];
        let missing: Vec<&str> = missing
            .into_iter()
            .chain(missing_head.iter().filter(|(name, stand_in)| stand_in.is_none() && !has(name)).map(|(n, _)| *n))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("the column {} is missing", missing.join(", "))) }
    }

    /// The event of a row; cells are text (CSV) or typed (Parquet).
    ///
    /// # Errors
    /// The column and what is wrong with it.
    pub(super) fn event(&self, mut row: Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut event = Map::new();
        for column in self.all() {
            let Some(value) = row.remove(column.name).filter(|v| !is_blank(v)) else { continue };
            let value = if value.is_object() { value } else { read(column.cell, value).map_err(|e| format!("{}: {e}", column.name))? };
            put(&mut event, column.at, value);
        }
        let nested = row.into_iter().filter(|(name, value)| self.passes(name) && !name.starts_with('_') && !is_blank(value));
        for (name, value) in nested {
            event.entry(name).or_insert(value);
        }
        open_json(&mut event)?;
        if let Some(kind) = self.kind {
            event.entry("kind").or_insert_with(|| kind.into());
        }
        let time = self.time.and_then(|name| event.get(name).or_else(|| event.get("profile").and_then(|p| p.get(name))).cloned());
        if let Some(time) = time {
            event.entry("event_time").or_insert(time);
        }
        Ok(event)
    }
}

/// Files of the lake keep `extend_data` as text.
fn open_json(event: &mut Map<String, Value>) -> Result<(), String> {
    if let Some(data) = event.get_mut("profile").and_then(|p| p.get_mut("extend_data"))
        && data.is_string()
    {
        *data = read(Cell::Json, data.take()).map_err(|e| format!("extend_data: {e}"))?;
    }
    Ok(())
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn put(event: &mut Map<String, Value>, at: &str, value: Value) {
    match at.split_once('.') {
        None => drop(event.insert(at.to_owned(), value)),
        Some((head, rest)) => {
            if let Some(inner) = event.entry(head).or_insert_with(|| Value::Object(Map::new())).as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Brings a cell into the form that events have.
fn read(cell: Cell, value: Value) -> Result<Value, String> {
    let Value::String(text) = value else { return Ok(typed(cell, value)) };
    let text = text.trim();
    Ok(match cell {
        Cell::Text => text.into(),
        Cell::Id => text.parse::<UserId>().map_err(|e| e.to_string())?.to_string().into(),
        Cell::Date => text.parse::<NaiveDate>().map_err(|_| format!("`{text}` is not a date such as 1996-05-04"))?.to_string().into(),
        Cell::Time => time(text)?.into(),
        Cell::Whole => text.parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"))?.into(),
        Cell::Real => text.parse().ok().and_then(Number::from_f64).ok_or_else(|| format!("`{text}` is not a number"))?.into(),
        Cell::Truth => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => true.into(),
            "false" | "0" | "no" => false.into(),
            _ => return Err(format!("`{text}` is neither true nor false")),
        },
        Cell::List if !text.starts_with('[') => text.split('|').map(str::trim).filter(|t| !t.is_empty()).collect(),
        Cell::List | Cell::Json => serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?,
    })
}

/// Typed cells of Parquet: ids may be integers there, and whole numbers may come as floats, as pandas writes columns with gaps.
fn typed(cell: Cell, value: Value) -> Value {
    match (cell, &value) {
        (Cell::Id | Cell::Text, Value::Number(number)) => number.to_string().into(),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        (Cell::Whole, Value::Number(number)) => match number.as_f64() {
            Some(n) if number.as_i64().is_none() && n.fract() == 0.0 && n.abs() < 9e15 => (n as i64).into(),
            _ => value,
        },
        _ => value,
    }
}

/// RFC 3339; naive times, as Parquet without a zone gives them, are UTC.
fn time(text: &str) -> Result<String, String> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|t| t.to_utc());
    let read = zoned.or_else(|error| {
        text.parse::<NaiveDateTime>()
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
            .map(|t| t.and_utc())
            .map_err(|_| error)
    });
    read.map(|t| t.to_rfc3339_opts(SecondsFormat::Micros, true)).map_err(|_| format!("`{text}` is not a time such as 2026-10-01T08:00:00Z"))
}

/// The tables of docs/IMPORT.md.
pub fn columns_markdown() -> String {
    let mut out = String::new();
    for table in &TABLES {
        let kind = table.kind.map_or_else(|| "required".to_owned(), |kind| format!("`{kind}` when left out"));
        let time = table.time.map_or_else(|| "required".to_owned(), |time| format!("`{time}` when left out"));
        let _ = writeln!(
            out,
            "\n### `{}`\n\n`kind`: {kind}. `event_time`: {time}.\n\n| column | read as | required |\n| --- | --- | --- |",
            table.name
        );
        for column in table.columns {
            let _ = writeln!(out, "| `{}` | {} | {} |", column.name, column.cell.name(), if column.required { "yes" } else { "" });
        }
    }
    out
}
