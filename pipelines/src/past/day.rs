//! A day of the lake that is under way: of each table the rows that have not happened yet.

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use features::topic::Topic;

use super::ahead::{Ahead, Told};
use super::{PastError, Running};
use crate::lake::{DayRows, History, LakeError};

/// A day under way.
pub(super) struct Day {
    tables: Vec<Table>,
}

struct Table {
    topic: Topic,
    rows: DayRows,
    happened: usize,
    ahead: Ahead,
}

/// Rows of one table that happen together.
pub(super) struct Happened {
    pub(super) topic: Topic,
    pub(super) rows: RecordBatch,
    pub(super) told: Told,
}

/// The first moment of a day (UTC).
pub(super) fn begin(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

impl Day {
    /// Reads every table of a day.
    pub(super) async fn read(history: &History, day: NaiveDate) -> Result<Self, LakeError> {
        let mut tables = Vec::new();
        for topic in Topic::LIVED {
            let rows = history.day(topic, day).await?;
            tables.extend(rows.map(|rows| Table { topic, rows, happened: 0, ahead: Ahead::default() }));
        }
        Ok(Self { tables })
    }

    /// Takes rows strictly before a moment that were not taken before, some at a time; none when there are no more.
    pub(super) async fn next_before(&mut self, moment: DateTime<Utc>, features: &[Running]) -> Result<Option<Happened>, PastError> {
        for table in &mut self.tables {
            let (from, until) = (table.happened, table.rows.before(moment));
            if until <= from {
                continue;
            }
            if table.ahead.left() == 0 {
                table.ahead = Ahead::look(table.topic, &table.rows, from, features).await?;
            }
            let count = (until - from).min(table.ahead.left());
            table.happened += count;
            let (rows, told) = (table.rows.rows.slice(from, count), table.ahead.take(count));
            return Ok(Some(Happened { topic: table.topic, rows, told }));
        }
        Ok(None)
    }

    /// Whether every row was taken.
    pub(super) fn is_over(&self) -> bool {
        self.tables.iter().all(|table| table.happened == table.rows.times.len())
    }
}
