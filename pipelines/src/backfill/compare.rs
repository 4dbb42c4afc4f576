//! What the stream has against what the lake gives, key by key, without changing anything.
//!
//! The two stand at different offsets: the lake where its newest flush ended, the saved state where its newest checkpoint was. What lies
//! between is read from the log and added to the one that lacks it, so that both have seen the same events, to the last one.

use std::iter::Peekable;

use features::sets::FeatureSet;
use serde::Serialize;

use super::error::BackfillError;
use super::partials::Unit;
use super::totals::Totals;
use super::workshop::Workshop;
use crate::bus::{Bus, Offsets, Record};
use crate::runner::{FeaturePlan, JOIN, KeyedState, NAME, StateStore};
use crate::snapshots::SnapshotStore;
use crate::tables::decode;

/// Sums agree when they differ by less than this part of themselves.
const TOLERANCE: f64 = 1e-9;

/// How the stream's state of a set differs from what the lake gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The set.
    pub set: String,
    /// Keys of the stream.
    pub keys_stream: u64,
    /// Keys that the lake gives.
    pub keys_lake: u64,
    /// Keys on which both agree.
    pub equal: u64,
    /// Keys whose count or sums differ.
    pub different: u64,
    /// Keys that only the stream has: a backfill takes them back.
    pub only_stream: u64,
    /// Keys that only the lake has: a backfill brings them.
    pub only_lake: u64,
    /// The largest difference of a sum, as a part of itself.
    pub worst: f64,
    /// One key that differs, and how.
    pub example: String,
    /// What has to be known to read the row.
    pub note: String,
}

impl Comparison {
    /// Whether a backfill would change anything.
    pub fn differs(&self) -> bool {
        self.different + self.only_stream + self.only_lake > 0
    }

    fn add(&mut self, set: &FeatureSet, key: &str, stream: Option<&Sum>, lake: Option<&Sum>) {
        self.keys_stream += u64::from(stream.is_some());
        self.keys_lake += u64::from(lake.is_some());
        let (what, counter) = match (stream, lake) {
            (Some(_), None) => ("only in the stream".to_owned(), &mut self.only_stream),
            (None, Some(_)) => ("only in the lake".to_owned(), &mut self.only_lake),
            (Some(stream), Some(lake)) => {
                let parts = stream.values.iter().zip(&lake.values).map(|(a, b)| (a - b).abs() / a.abs().max(1.0));
                let (column, worst) = parts.enumerate().fold((0, 0.0), |most, part| if part.1 > most.1 { part } else { most });
                self.worst = self.worst.max(worst);
                if stream.version == lake.version && worst <= TOLERANCE {
                    self.equal += 1;
                    return;
                }
                let told = if stream.version == lake.version {
                    let name = set.value_columns.get(column).map_or("", String::as_str);
                    format!("{name} {} in the stream, {} in the lake", stream.values[column], lake.values[column])
                } else {
                    format!("{} events in the stream, {} in the lake", stream.version, lake.version)
                };
                (told, &mut self.different)
            }
            (None, None) => return,
        };
        *counter += 1;
        if self.example.is_empty() {
            self.example = format!("{}: {what}", key.replace(JOIN, "|"));
        }
    }
}

/// A count and its sums.
#[derive(Debug, Clone, Default)]
struct Sum {
    version: i64,
    values: Vec<f64>,
}

impl Sum {
    fn add(into: &mut Option<Self>, version: i64, values: &[f64]) {
        let sum = into.get_or_insert_with(|| Self { version: 0, values: vec![0.0; values.len()] });
        sum.version += version;
        sum.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
}

/// Compares one set; `units` have been computed, and `lake` is where they end.
pub(super) async fn compare(
    workshop: &Workshop,
    bus: &Bus,
    state: &SnapshotStore,
    set: &FeatureSet,
    units: &[Unit],
    lake: &Offsets,
) -> Result<Comparison, BackfillError> {
    let mut found = Comparison { set: set.name.clone(), ..Comparison::default() };
    let saved = StateStore::new(&state.below(NAME), set, 0).load(set).await?;
    let (stream, at) = match saved {
        Some(saved) if saved.same_sql => (saved.state, Some(saved.offsets)),
        Some(_) => {
            "the stream's state is of another SQL".clone_into(&mut found.note);
            (KeyedState::new(set), None)
        }
        None => {
            "the stream has no saved state".clone_into(&mut found.note);
            (KeyedState::new(set), None)
        }
    };
    let (mut to_stream, mut to_lake) = (KeyedState::new(set), KeyedState::new(set));
    if let Some(at) = &at {
        match between(bus, set, at, lake).await? {
            Some((stream, lake)) => (to_stream, to_lake) = (stream, lake),
            None => "stream and lake stand apart, and the log no longer has what lies between".clone_into(&mut found.note),
        }
    }
    let mut totals = Totals::over(workshop, set, units).await?;
    let (mut stream, mut to_stream, mut to_lake) = (stream.sorted().peekable(), to_stream.sorted().peekable(), to_lake.sorted().peekable());
    loop {
        let row = if totals.fill().await? { Some(totals.row()) } else { None };
        let heads =
            [row.map(|row| row.0), stream.peek().map(|row| row.0), to_stream.peek().map(|row| row.0), to_lake.peek().map(|row| row.0)];
        let Some(key) = heads.into_iter().flatten().min().map(str::to_owned) else { return Ok(found) };
        let (mut one, mut other) = (None, None);
        take(&mut stream, &key, &mut one);
        take(&mut to_stream, &key, &mut one);
        take(&mut to_lake, &key, &mut other);
        if let Some((_, version, values)) = row.filter(|row| row.0 == key) {
            Sum::add(&mut other, version, values);
            totals.step();
        }
        found.add(set, &key, one.as_ref(), other.as_ref());
    }
}

fn take<'a>(rows: &mut Peekable<impl Iterator<Item = (&'a str, i64, &'a [f64])>>, key: &str, into: &mut Option<Sum>) {
    if let Some((_, version, values)) = rows.next_if(|row| row.0 == key) {
        Sum::add(into, version, values);
    }
}

/// What lies between two positions: what the stream lacks and what the lake lacks; none where the log no longer has it.
async fn between(bus: &Bus, set: &FeatureSet, stream: &Offsets, lake: &Offsets) -> Result<Option<(KeyedState, KeyedState)>, BackfillError> {
    let topic = set.source.name();
    let topics = [topic.to_owned()];
    let (begin, end) = bus.bounds(&topics).await?;
    let at = |offsets: &Offsets, partition: i32| offsets.get(topic, partition).unwrap_or(0);
    let (mut from, mut to) = (Offsets::default(), Offsets::default());
    for ((_, partition), first) in &begin.0 {
        let (one, other) = (at(stream, *partition), at(lake, *partition));
        if one == other {
            // Nothing of this partition is wanted; a reader reads it all the same, so it begins at its end.
            from.set(topic, *partition, end.get(topic, *partition).unwrap_or(*first));
            continue;
        }
        if one.min(other) < *first {
            return Ok(None);
        }
        from.set(topic, *partition, one.min(other));
        to.set(topic, *partition, one.max(other));
    }
    let failed =
        |e: &dyn std::fmt::Display| BackfillError::failed(format!("count what lies between stream and lake for `{}`", set.name), e);
    let plan = FeaturePlan::new(set).await.map_err(|e| failed(&e))?;
    let (mut to_stream, mut to_lake) = (KeyedState::new(set), KeyedState::new(set));
    if to.0.is_empty() {
        return Ok(Some((to_stream, to_lake)));
    }
    let mut there = bus.sweep_until("backfill", &topics, from, to).await?;
    while let Some(records) = there.next().await? {
        for (state, lacking, having) in [(&mut to_stream, stream, lake), (&mut to_lake, lake, stream)] {
            let wanted = |record: &&Record| record.offset >= at(lacking, record.partition) && record.offset < at(having, record.partition);
            let values: Vec<&[u8]> = records.iter().filter(wanted).filter_map(|record| record.value.as_deref()).collect();
            let decoded = decode(set.source, &values).map_err(|e| failed(&e))?;
            if decoded.batch.num_rows() > 0 {
                let sums = plan.run(decoded.batch).await.map_err(|e| failed(&e))?;
                state.add(set, &sums).map_err(|e| failed(&e))?;
            }
        }
    }
    Ok(Some((to_stream, to_lake)))
}
