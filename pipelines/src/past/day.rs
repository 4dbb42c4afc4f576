//! A day of the lake that is under way: of each table the rows that have not happened yet.

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use features::topic::Topic;

use crate::lake::{DayRows, History, LakeError};

/// A day under way.
pub(super) struct Day {
    tables: Vec<Table>,
}

struct Table {
    topic: Topic,
    rows: DayRows,
    happened: usize,
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
            tables.extend(rows.map(|rows| Table { topic, rows, happened: 0 }));
        }
        Ok(Self { tables })
    }

    /// Takes the rows strictly before a moment that were not taken before.
    pub(super) fn take_before(&mut self, moment: DateTime<Utc>) -> Vec<(Topic, RecordBatch)> {
        let take = |table: &mut Table| {
            let until = table.rows.before(moment);
            let from = std::mem::replace(&mut table.happened, until);
            (until > from).then(|| (table.topic, table.rows.rows.slice(from, until - from)))
        };
        self.tables.iter_mut().filter_map(take).collect()
    }

    /// Whether every row was taken.
    pub(super) fn is_over(&self) -> bool {
        self.tables.iter().all(|table| table.happened == table.rows.times.len())
    }
}
