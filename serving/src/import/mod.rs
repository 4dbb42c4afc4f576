//! Imports: what others have recorded, as events through `inbox`, like any traffic.
//!
//! Event ids are derived from the source and the row, so a repeat adds nothing; a checkpoint remembers how far an import came. Rows that cannot be
//! read are told by line and left out.

mod lines;
mod speed_dating;

use features::event::Event;
use serde::Serialize;

pub use self::lines::json_lines;
pub use self::speed_dating::{SpeedDating, speed_dating};

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// What a source comes to.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Events in the order in which they are sent.
    pub events: Vec<Event>,
    /// Rows that were left out.
    pub refused: Vec<Refused>,
}

impl Parsed {
    fn refuse(&mut self, file: &str, line: u64, reason: impl Into<String>) {
        self.refused.push(Refused { file: file.to_owned(), line, reason: reason.into() });
    }

    /// Takes an event that passes the gate's rules, and refuses one that does not.
    fn take(&mut self, file: &str, line: u64, event: Event, now: chrono::DateTime<chrono::Utc>) {
        match features::validate::validate(&event, now) {
            Ok(()) => self.events.push(event),
            Err(fields) => self.refuse(file, line, fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

#[cfg(test)]
mod tests;
