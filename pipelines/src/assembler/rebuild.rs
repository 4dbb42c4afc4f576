//! The assembler's state made again, and taken over: opinions out of the lake, which holds those that the log no longer has; profiles, vectors and
//! feature rows from their compacted topics, which hold everything that stands.

use features::topic::Topic;

use super::job::{pack, topics, unpack};
use super::people::People;
use crate::backfill::BackfillError;
use crate::bus::{Bus, Offsets};
use crate::lake::{History, Stock};
use crate::runner::PLACE;
use crate::snapshots::{SnapshotError, SnapshotStore};
use crate::supervisor::JobError;
use crate::tables;

/// States that were computed elsewhere and wait for the assembler.
#[derive(Clone)]
pub(crate) struct Handed {
    store: SnapshotStore,
}

fn name(number: u64) -> String {
    format!("{number:020}")
}

impl Handed {
    /// Those beside the states of all jobs.
    pub(crate) fn new(all: &SnapshotStore) -> Self {
        Self { store: all.below(PLACE).below("people") }
    }

    /// Hands a state over.
    pub(crate) async fn put(&self, number: u64, state: &[u8]) -> Result<(), SnapshotError> {
        self.store.put(&name(number), state).await
    }

    /// Whether a state waits still.
    pub(crate) async fn waits(&self, number: u64) -> Result<bool, SnapshotError> {
        Ok(self.store.list().await?.contains(&name(number)))
    }

    /// The newest state that waits, with its number.
    pub(super) async fn newest(&self) -> Result<Option<(u64, People, Offsets)>, JobError> {
        let Some(newest) = self.store.list().await?.pop() else { return Ok(None) };
        let number = newest.parse().unwrap_or(0);
        let Some(bytes) = self.store.get(&newest).await? else { return Ok(None) };
        match unpack(&bytes) {
            Ok((people, offsets)) => Ok(Some((number, people, offsets))),
            Err(reason) => {
                tracing::error!(number, reason, "a state that a backfill handed over is of another version; it is left out");
                self.done(number).await?;
                Ok(None)
            }
        }
    }

    /// The state of that number, and those before it, are taken over and durable.
    pub(super) async fn done(&self, number: u64) -> Result<(), SnapshotError> {
        for old in self.store.list().await? {
            if old.parse().is_ok_and(|old: u64| old <= number) {
                self.store.delete(&old).await?;
            }
        }
        Ok(())
    }
}

/// Everything the assembler knows, with the offsets that led there, as it is saved; and the number of people. `step` hears of every day.
///
/// # Errors
/// When lake or log cannot be read, or the log does not go on where the lake ends.
pub(crate) async fn rebuild(
    bus: &Bus,
    lake: &str,
    mut step: impl AsyncFnMut(u64, u64) -> Result<(), BackfillError>,
) -> Result<(usize, Vec<u8>), BackfillError> {
    let failed =
        |e: &dyn std::fmt::Display| BackfillError::Failed { what: "compute what the assembler knows".to_owned(), reason: e.to_string() };
    let topic = Topic::Interactions;
    let stock = Stock::take(lake, &[topic]).await?;
    let (begin, end) = bus.bounds(&topics()).await?;
    let mut from = begin.clone();
    for ((name, partition), first) in begin.of_topic(topic.name()).0 {
        let next = stock.positions.get(&name, partition).unwrap_or(0);
        if next < first || end.get(&name, partition).is_some_and(|end| next > end) {
            return Err(BackfillError::Refused(format!(
                "the lake ends at offset {next} of `{name}` partition {partition}, and the log does not go on there: it begins at {first}"
            )));
        }
        from.set(&name, partition, next);
    }
    let mut people = People::default();
    let history = History::open(lake).await?;
    let days: Vec<chrono::NaiveDate> = history.days().into_iter().collect();
    for (n, day) in days.iter().enumerate() {
        if let Some(rows) = history.day(topic, *day).await? {
            let events = tables::events(&rows.rows).map_err(|e| failed(&e))?;
            events.into_iter().for_each(|event| people.event(event));
        }
        step(n as u64 + 1, days.len() as u64).await?;
    }
    let mut rest = bus.sweep_until("backfill", &topics(), from, end).await?;
    while let Some(records) = rest.next().await? {
        // What cannot be read the assembler has refused before.
        records.iter().for_each(|record| drop(people.apply(record)));
        step(days.len() as u64, days.len() as u64).await?;
    }
    people.settle();
    let state = pack(&people, rest.position()).map_err(|e| failed(&e))?;
    Ok((people.len(), state))
}
