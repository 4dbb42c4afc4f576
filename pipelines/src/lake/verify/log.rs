//! The rows of the lake against the records of the log, counted.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use features::topic::{Cleanup, Topic};

use super::super::commits;
use super::super::files::{FileName, Files, LakeError};
use super::super::job::NAME;
use super::super::manifest;
use super::Finding;
use crate::bus::{Bus, BusError, Offsets};
use crate::query::session;
use crate::snapshots::open_store;

type Counts = BTreeMap<(String, i32), u64>;

/// Counts the records of the log that the lake should have as rows, and compares. Only topics whose log is whole can be counted: those that are not
/// compacted and begin at offset 0; and only where every file has its rows noted. `step` is told how many records were read.
///
/// # Errors
/// When the log or the lake cannot be read.
pub async fn count_against_log(place: &str, bus: &Bus, step: &(dyn Fn(u64) + Send + Sync)) -> Result<Vec<Finding>, LakeError> {
    let asked = |e: BusError| LakeError::data("count the records of the event log", e);
    let files = Files::new(open_store(place)?);
    let (_, commit) = commits::newest(&files).await?;
    let positions = Offsets::from_named(&commit.positions);
    let topics = Topic::LIVED.into_iter().filter(|topic| topic.cleanup() == Cleanup::Delete).map(|topic| topic.name().to_owned());
    let topics: Vec<String> = topics.collect();
    let (begin, _) = bus.bounds(&topics).await.map_err(asked)?;
    let mut until = Offsets::default();
    for ((topic, partition), at) in positions.0.iter().filter(|((topic, partition), _)| begin.get(topic, *partition) == Some(0)) {
        until.set(topic, *partition, *at);
    }
    let rows = rows(&files, &until).await?;
    let refused = refused(place).await?;
    let records = if rows.is_empty() { Counts::new() } else { records(bus, &topics, &begin, &until, step).await.map_err(asked)? };
    let of = |counts: &Counts, at: &(String, i32)| counts.get(at).copied().unwrap_or(0);
    let differ = rows.iter().filter(|(at, rows)| **rows + of(&refused, at) != of(&records, at));
    let finding = |(at, rows): (&(String, i32), &u64)| Finding {
        what: "count",
        table: at.0.clone(),
        place: format!("{}/{}", at.0, at.1),
        detail: format!(
            "the log has {} records before offset {}, and the lake {rows} rows of them and {} refused ones",
            of(&records, at),
            until.get(&at.0, at.1).unwrap_or(0),
            of(&refused, at)
        ),
        remedy: "more rows: some are there twice, look for `event_id`s that are; fewer: a file was lost before its rows were noted; a new lake can be written from the log",
    };
    Ok(differ.map(finding).collect())
}

/// Rows by partition, where all are noted.
async fn rows(files: &Files, until: &Offsets) -> Result<Counts, LakeError> {
    let mut counts: BTreeMap<(String, i32), Option<u64>> = until.0.keys().map(|at| (at.clone(), Some(0))).collect();
    for (path, rows) in manifest::current(files).await?.1.files {
        let Some(name) = FileName::parse(&path) else { continue };
        if let Some(count) = counts.get_mut(&(name.topic, name.partition)) {
            *count = count.zip(rows).map(|(sum, rows)| sum + rows);
        }
    }
    Ok(counts.into_iter().filter_map(|(at, rows)| rows.map(|rows| (at, rows))).collect())
}

/// What the lake writer refused, by partition.
async fn refused(place: &str) -> Result<Counts, LakeError> {
    let failed = |e| LakeError::data("read `dead_letters` of the lake", e);
    let session = session(place).await.map_err(failed)?;
    let sql = format!(
        "SELECT topic, \"partition\", COUNT(DISTINCT \"offset\") FROM dead_letters WHERE job = '{NAME}' GROUP BY topic, \"partition\""
    );
    let mut counts = Counts::new();
    for batch in session.sql(&sql).await.map_err(failed)?.collect().await.map_err(failed)? {
        let topics = batch.column(0).as_string_opt::<i32>();
        let (partitions, numbers) = (batch.column(1).as_primitive_opt::<Int32Type>(), batch.column(2).as_primitive_opt::<Int64Type>());
        let (Some(topics), Some(partitions), Some(numbers)) = (topics, partitions, numbers) else { continue };
        for row in 0..batch.num_rows() {
            counts.insert((topics.value(row).to_owned(), partitions.value(row)), numbers.value(row).unsigned_abs());
        }
    }
    Ok(counts)
}

/// Records with a value before `until`, by partition.
async fn records(
    bus: &Bus,
    topics: &[String],
    begin: &Offsets,
    until: &Offsets,
    step: &(dyn Fn(u64) + Send + Sync),
) -> Result<Counts, BusError> {
    let (mut counts, mut read) = (Counts::new(), 0u64);
    let mut there = bus.sweep_until("lake-verify", topics, begin.clone(), until.clone()).await?;
    while let Some(batch) = there.next().await? {
        for record in batch {
            read += 1;
            let before = until.get(&record.topic, record.partition).is_some_and(|at| record.offset < at);
            if before && record.value.is_some() {
                *counts.entry((record.topic.to_string(), record.partition)).or_default() += 1;
            }
        }
        step(read);
    }
    Ok(counts)
}
