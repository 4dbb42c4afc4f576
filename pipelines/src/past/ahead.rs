//! Rows of a day summed up ahead of their time, every moment apart.
//!
//! A run of a feature set costs about the same for a thousand rows as for one, so sums are taken of many rows together. They are kept apart by the time
//! of the events, and added one time after the other: so they depend neither on the steps that lead to a moment nor on what comes at or after it, to
//! the last bit.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use features::event::Event;
use features::sets::FeatureSet;
use features::topic::Topic;

use super::{PastError, Running, failed};
use crate::lake::DayRows;
use crate::tables;

/// Rows that are summed up together: enough to make the cost of a run small beside them.
const TOGETHER: usize = 16_384;
/// Columns that name people: the first key column of every feature set is one of them.
const PEOPLE: [&str; 6] = ["user_id", "actor_id", "target_id", "author_id", "sender_id", "receiver_id"];
/// Hexadecimal digits that stand before an id while the SQL runs: the number of the moment.
const STAMP: usize = 8;

/// What is known of some rows of a table, from the next that has not happened on.
#[derive(Default)]
pub(super) struct Ahead {
    /// Of every row the number of its moment among these rows.
    ticks: Vec<u32>,
    taken: usize,
    events: VecDeque<Event>,
    sums: Vec<Sums>,
}

/// What a feature set says of these rows.
struct Sums {
    /// The place of the set among the running ones.
    set: usize,
    /// Of every row of `rows` the number of its moment, ascending.
    ticks: Vec<u32>,
    rows: RecordBatch,
    taken: usize,
}

/// Rows that have happened.
#[derive(Default)]
pub(super) struct Told {
    /// What they were, of topics whose events are looked at one by one.
    pub(super) events: Vec<Event>,
    /// Of each feature set what is added to it.
    pub(super) sums: Vec<(usize, RecordBatch)>,
}

impl Ahead {
    /// Looks at rows of a table from `first` on, to the end of a moment.
    pub(super) async fn look(topic: Topic, day: &DayRows, first: usize, features: &[Running]) -> Result<Self, PastError> {
        let wrong = |e: ArrowError| PastError::Rows { table: topic.name(), reason: e.to_string() };
        let last = day.times[(first + TOGETHER).min(day.times.len()) - 1];
        let end = day.times.partition_point(|time| *time <= last);
        let rows = day.rows.slice(first, end - first);
        let ticks = ticks(&day.times[first..end]);
        let one_by_one = matches!(topic, Topic::Profiles | Topic::Moments | Topic::Interactions);
        let events = if one_by_one { tables::events(&rows).map_err(wrong)?.into() } else { VecDeque::new() };
        let stamped = stamped(&rows, &ticks).map_err(wrong)?;
        let mut sums = Vec::new();
        for (set, running) in features.iter().enumerate().filter(|(_, running)| running.set.source == topic) {
            let found = running.plan.run(stamped.clone()).await.map_err(|e| failed(running.set, e))?;
            sums.push(Sums::of(set, running.set, &found).map_err(|e| failed(running.set, e.into()))?);
        }
        Ok(Self { ticks, taken: 0, events, sums })
    }

    /// Rows that have not been taken.
    pub(super) fn left(&self) -> usize {
        self.ticks.len() - self.taken
    }

    /// Takes the next `count` rows, which end with a moment.
    pub(super) fn take(&mut self, count: usize) -> Told {
        let Some(last) = count.checked_sub(1).map(|before| self.ticks[self.taken + before]) else { return Told::default() };
        self.taken += count;
        let events = self.events.drain(..count.min(self.events.len())).collect();
        let sums = self.sums.iter_mut().filter_map(|sums| sums.take(last).map(|rows| (sums.set, rows))).collect();
        Told { events, sums }
    }
}

impl Sums {
    /// Reads what a set said of stamped rows, and puts it in the order of moments.
    fn of(set: usize, what: &FeatureSet, found: &[RecordBatch]) -> Result<Self, ArrowError> {
        let Some(first) = found.first() else {
            return Ok(Self { set, ticks: Vec::new(), rows: RecordBatch::new_empty(Arc::new(Schema::empty())), taken: 0 });
        };
        let all = concat_batches(&first.schema(), found)?;
        let key = what.key_columns.first().map_or("", String::as_str);
        let place = all.schema().index_of(key)?;
        let keys = cast(all.column(place), &DataType::Utf8)?;
        let keys = keys.as_string::<i32>();
        let mut order: Vec<(u32, u64)> = Vec::with_capacity(keys.len());
        for (row, key) in (0..).zip(keys.iter()) {
            // Rows without a key belong to nobody.
            let Some(key) = key else { continue };
            let tick = key.get(..STAMP).and_then(|stamp| u32::from_str_radix(stamp, 16).ok());
            let tick = tick.ok_or_else(|| ArrowError::ComputeError(format!("its first key column holds `{key}`, which names nobody")))?;
            order.push((tick, row));
        }
        order.sort_unstable();
        let sorted = take_record_batch(&all, &order.iter().map(|(_, row)| *row).collect::<UInt64Array>())?;
        let sorted_keys = cast(sorted.column(place), &DataType::Utf8)?;
        let plain: StringArray = sorted_keys.as_string::<i32>().iter().map(|key| key.and_then(|key| key.get(STAMP..))).collect();
        let rows = replaced(&sorted, place, Arc::new(plain))?;
        Ok(Self { set, ticks: order.into_iter().map(|(tick, _)| tick).collect(), rows, taken: 0 })
    }

    /// Takes what belongs to moments up to one; nothing when there is nothing.
    fn take(&mut self, last: u32) -> Option<RecordBatch> {
        let until = self.ticks.partition_point(|tick| *tick <= last);
        let from = std::mem::replace(&mut self.taken, until);
        (until > from).then(|| self.rows.slice(from, until - from))
    }
}

/// Numbers of moments: rows of the same time have the same.
fn ticks(times: &[i64]) -> Vec<u32> {
    let mut ticks = Vec::with_capacity(times.len());
    let mut tick = 0;
    for (at, time) in times.iter().enumerate() {
        tick += u32::from(at > 0 && times[at - 1] != *time);
        ticks.push(tick);
    }
    ticks
}

/// The same rows with the number of its moment before every id of a person.
fn stamped(rows: &RecordBatch, ticks: &[u32]) -> Result<RecordBatch, ArrowError> {
    let mut stamped = rows.clone();
    for (place, field) in rows.schema().fields().iter().enumerate().filter(|(_, field)| PEOPLE.contains(&field.name().as_str())) {
        let ids = cast(rows.column(place), field.data_type())?;
        let ids = ids.as_string::<i32>();
        let with: StringArray = ids.iter().zip(ticks).map(|(id, tick)| id.map(|id| format!("{tick:0STAMP$x}{id}"))).collect();
        stamped = replaced(&stamped, place, Arc::new(with))?;
    }
    Ok(stamped)
}

/// A batch with another column in a place.
fn replaced(batch: &RecordBatch, place: usize, column: ArrayRef) -> Result<RecordBatch, ArrowError> {
    let (schema, mut columns) = (batch.schema(), batch.columns().to_vec());
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    if fields[place].data_type() != column.data_type() {
        fields[place] = Arc::new(fields[place].as_ref().clone().with_data_type(column.data_type().clone()));
    }
    columns[place] = column;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
