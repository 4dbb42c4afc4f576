//! Imports: what others have recorded, as events through `inbox`, like any traffic.
//!
//! Event ids are derived from the source and the row, so a repeat adds nothing; a checkpoint remembers how far an import came. Rows that cannot be
//! read are told by line and left out. A source is read twice, once to count and check and once to send, so that nothing is sent from a source that
//! is refused, and no source has to fit into memory.

mod events;
mod gowalla;
mod networks;
mod okcupid;
pub(crate) mod rows;
pub(crate) mod speed_dating;

use chrono::{DateTime, Utc};
use features::event::Event;
use serde::Serialize;

pub use self::events::{EventFile, columns_markdown, event_files};
pub use self::gowalla::Gowalla;
pub use self::networks::{Links, Network};
pub use self::okcupid::OkCupid;
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

/// How a data set is placed among what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placing {
    /// User ids are those of the data plus this.
    pub offset: u64,
    /// Moves every time, so that the last one falls here.
    pub shift_to: Option<DateTime<Utc>>,
}

/// What one row of a data set tells; a row that tells of several events is told several times.
#[derive(Debug)]
pub struct Told<'a> {
    /// File.
    pub file: &'a str,
    /// Line, from 1; in Parquet the row.
    pub line: u64,
    /// The event, or what is wrong with the row.
    pub event: Result<Event, String>,
}

/// A data set of others, in a form of its own, read row by row in bounded memory.
pub trait Recorded: std::fmt::Debug + Send {
    /// Hands out what each row tells, in the same order every time; `each` ends the reading by an error.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be, or `each` says so.
    fn read(&self, each: &mut dyn FnMut(Told<'_>) -> anyhow::Result<()>) -> anyhow::Result<()>;
}

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
    /// A data set of others.
    Recorded(Box<dyn Recorded>),
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
            Self::Recorded(data) => data.read(&mut |told| {
                let refused = |reason| Refused { file: told.file.to_owned(), line: told.line, reason };
                each(told.event.and_then(|event| checked(event, now)).map_err(refused))
            }),
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
