//! The lake read back in the order of time, one day after the other.
//!
//! Memory holds one day of one table at a time, however long the lake; within a day rows come by `event_time`, those of the same time by
//! `event_id`, whichever files they lie in. So what is read of the time before a moment does not depend on what came at or after it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::prelude::SessionContext;
use features::topic::Topic;

use super::files::{FileName, Files, LakeError};
use super::write::{DayFile, files_of};
use crate::bus::Record;
use crate::query::session;
use crate::snapshots::open_store;
use crate::tables::{schema, time_column};

/// A lake that is read in the order of time.
pub struct History {
    session: SessionContext,
    days: BTreeMap<Topic, BTreeSet<NaiveDate>>,
}

/// Rows of one table, in the order of time.
#[derive(Debug, Clone)]
pub struct DayRows {
    /// The rows, with the columns of the table's schema.
    pub rows: RecordBatch,
    /// Their times in microseconds since 1970, ascending.
    pub times: Vec<i64>,
}

impl DayRows {
    /// How many of the rows lie strictly before a moment.
    pub fn before(&self, until: DateTime<Utc>) -> usize {
        let until = until.timestamp_micros();
        self.times.partition_point(|time| *time < until)
    }
}

impl History {
    /// Looks which days the lake at `place` (a folder or a URL) has. Days that are written later are not seen.
    ///
    /// # Errors
    /// When the place cannot be used or listed.
    pub async fn open(place: &str) -> Result<Self, LakeError> {
        let files = Files::new(open_store(place)?);
        let mut days = BTreeMap::new();
        for topic in Topic::LIVED {
            let found = files.of_table(topic.name()).await?;
            days.insert(topic, found.into_iter().map(|file| file.day).collect());
        }
        let session = session(place).await.map_err(|e| LakeError::data("open the lake", e))?;
        Ok(Self { session, days })
    }

    /// Every day on which something happened, in order.
    pub fn days(&self) -> BTreeSet<NaiveDate> {
        self.days.values().flatten().copied().collect()
    }

    /// The rows of the table of one of [`Topic::LIVED`] on one day (UTC); none when it has none then.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn day(&self, topic: Topic, day: NaiveDate) -> Result<Option<DayRows>, LakeError> {
        if !self.days.get(&topic).is_some_and(|days| days.contains(&day)) {
            return Ok(None);
        }
        let what = || format!("read `{}` of {day} from the lake", topic.name());
        let schema = schema(topic).ok_or_else(|| LakeError::data(what(), "the topic has no table"))?;
        let columns: Vec<String> = schema.fields().iter().map(|field| format!("\"{}\"", field.name())).collect();
        let time = time_column(topic);
        let sql = format!("SELECT {} FROM {} WHERE dt = DATE '{day}' ORDER BY \"{time}\", \"event_id\"", columns.join(", "), topic.name());
        let frame = self.session.sql(&sql).await.map_err(|e| LakeError::data(what(), e))?;
        let batches = frame.collect().await.map_err(|e| LakeError::data(what(), e))?;
        let rows = batches.into_iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()));
        let rows = rows.collect::<Result<Vec<_>, _>>().and_then(|batches| concat_batches(&schema, &batches));
        let rows = rows.map_err(|e| LakeError::data(what(), e))?;
        let times = rows[time].as_primitive::<TimestampMicrosecondType>().values().to_vec();
        Ok((!times.is_empty()).then_some(DayRows { rows, times }))
    }
}

/// Writes events into the lake at `place` as the lake writer would, without an event log: for evaluation on events that never were on one,
/// and for tests. The events must be as the gate files them. The lake must not be that of a running platform.
///
/// # Errors
/// When the store refuses, or an event is no row of its table (an erasure, which the gate files as a tombstone).
pub async fn write_events(place: &str, events: &[features::event::Event]) -> Result<(), LakeError> {
    let files = Files::new(open_store(place)?);
    for topic in Topic::FILED {
        let filed = events.iter().filter(|event| event.topic() == topic).enumerate();
        let record = |(n, event): (usize, &features::event::Event)| Record {
            topic: topic.name().into(),
            partition: 0,
            offset: i64::try_from(n).unwrap_or(i64::MAX),
            timestamp_ms: event.event_time().timestamp_millis(),
            key: Some(event.key().into_bytes()),
            value: Some(event.encode()),
            headers: Vec::new(),
        };
        let records: Vec<Record> = filed.map(record).collect();
        let (Some(first), Some(last)) = (records.first().map(|r| r.offset), records.last().map(|r| r.offset)) else { continue };
        let written = files_of(topic, &records)?;
        if let Some((_, reason)) = written.refused.first() {
            return Err(LakeError::data(format!("make rows of `{}`", topic.name()), reason));
        }
        for DayFile { day, bytes, .. } in written.days {
            files.put(&FileName { topic: topic.name().to_owned(), day, partition: 0, first, last }, bytes).await?;
        }
    }
    Ok(())
}
