//! Imports: what others have recorded, as events through `inbox`, like any traffic.
//!
//! Event ids are derived from the source and the row, so a repeat adds nothing; a checkpoint remembers how far an import came. Rows that cannot be
//! read are told by line and left out. A source is read twice, once to count and check and once to send, so that nothing is sent from a source that
//! is refused, and no source has to fit into memory.

mod events;
mod speed_dating;

use chrono::{DateTime, Utc};
use features::event::Event;
use serde::Serialize;

pub use self::events::{EventFile, columns_markdown, event_files};
pub use self::speed_dating::{SpeedDating, speed_dating};

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// File.
    pub file: String,
    /// Line, from 1; in Parquet the row.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// What a row comes to.
pub type Row = Result<Event, Refused>;

/// What can be imported.
#[derive(Debug)]
pub enum Source {
    /// Files of events.
    Files {
        /// The files, in the order in which they are read.
        files: Vec<EventFile>,
        /// Leaves unknown columns out instead of refusing the file.
        ignore_unknown: bool,
    },
    /// Rows that are there already.
    Rows(Vec<Row>),
}

impl Source {
    /// Hands out row after row; `each` ends the reading by an error.
    ///
    /// # Errors
    /// When a file cannot be read or is not what its name says, or `each` says so.
    pub fn read(&self, now: DateTime<Utc>, each: &mut dyn FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Self::Rows(rows) => rows.iter().try_for_each(|row| each(row.clone())),
            Self::Files { files, ignore_unknown } => files.iter().try_for_each(|file| file.read(*ignore_unknown, now, each)),
        }
    }
}

/// An event that passes the gate's rules, or what is wrong with it.
fn checked(event: Event, now: DateTime<Utc>) -> Result<Event, String> {
    match features::validate::validate(&event, now) {
        Ok(()) => Ok(event),
        Err(fields) => Err(fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

#[cfg(test)]
mod tests;
