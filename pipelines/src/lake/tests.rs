use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use features::sets::feature_sets;
use features::topic::Topic;

use super::commits::Commits;
use super::files::{FileName, Files};
use super::write::{DayFile, files_of};
use super::*;
use crate::bus::Record;
use crate::query::{batch_features, session};
use crate::runner::{FeaturePlan, KeyedState};
use crate::snapshots::open_store;
use crate::tables::decode;
use crate::testing;

mod compacting;
mod days;
mod evolution;
mod forgetting;
mod store;
mod verifying;

fn now() -> DateTime<Utc> {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

/// Files below a folder.
fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

/// Versions of portraits as records of their topic: whose, and when it was assembled.
fn portraits(of: &[(u64, DateTime<Utc>)]) -> Vec<Record> {
    let record = |(n, (user, at)): (usize, &(u64, DateTime<Utc>))| {
        let value = serde_json::json!({
            "user_id": user.to_string(), "version": at.timestamp_millis(), "generation": 1, "updated_at": at,
            "profile": {"nickname": format!("p{user} {}", at.date_naive()), "gender": "female", "birth_date": "1996-05-04", "created_at": at},
            "counters": {"popularity.likes_d14": 1e9, "given.seen": n}, "content": {"scale": 0.01, "codes": "AQID"}, "model": "m"
        });
        Record {
            topic: Topic::Portraits.name().into(),
            partition: 0,
            offset: n as i64,
            timestamp_ms: 0,
            key: Some(user.to_string().into_bytes()),
            value: Some(value.to_string().into_bytes()),
            headers: Vec::new(),
        }
    };
    of.iter().enumerate().map(record).collect()
}

/// Writes records as the lake writer does, `together` in a flush, behind what is there.
async fn committed(place: &str, records: &[Record], together: usize) {
    let (mut commits, mut positions) = Commits::claim(Files::new(open_store(place).unwrap())).await.unwrap();
    let mut partitions: BTreeMap<(String, i32), Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions.entry((record.topic.to_string(), record.partition)).or_default().push(record.clone());
    }
    for ((topic, partition), records) in partitions {
        let begin = positions.get(&topic, partition).unwrap_or(0);
        for part in records.chunks(together) {
            let mut names = Vec::new();
            let (first, last) = (begin + part[0].offset, begin + part[part.len() - 1].offset);
            for DayFile { day, bytes, rows } in files_of(crate::tables::table_of(&topic).unwrap(), part).unwrap().days {
                let name = FileName { topic: topic.clone(), day, partition, first, last };
                commits.stage().put(&name, bytes).await.unwrap();
                names.push((name, rows));
            }
            positions.set(&topic, partition, last + 1);
            commits.commit(&positions, &names).await.unwrap();
        }
    }
}

/// Ids of all events in the lake, as often as they are there.
async fn ids(place: &str) -> Vec<String> {
    let session = session(place).await.unwrap();
    let mut ids = Vec::new();
    for table in ["interactions", "presence", "messages", "moments"] {
        for batch in session.sql(&format!("SELECT event_id FROM {table}")).await.unwrap().collect().await.unwrap() {
            let column = arrow::array::AsArray::as_string::<i32>(batch.column(0));
            ids.extend(column.iter().flatten().map(str::to_owned));
        }
    }
    ids.sort();
    ids
}

async fn fill(place: &str, records: &[Record]) {
    let files = Files::new(open_store(place).unwrap());
    let mut partitions: BTreeMap<(String, i32), Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions.entry((record.topic.to_string(), record.partition)).or_default().push(record.clone());
    }
    for ((topic, partition), records) in partitions {
        let table = crate::tables::table_of(&topic).unwrap();
        for part in records.chunks(100) {
            let written = files_of(table, part).unwrap();
            assert!(written.refused.is_empty());
            for DayFile { day, bytes, .. } in written.days {
                files
                    .put(
                        &FileName { topic: topic.clone(), day, partition, first: part[0].offset, last: part[part.len() - 1].offset },
                        bytes,
                    )
                    .await
                    .unwrap();
            }
        }
    }
}

#[tokio::test]
async fn the_batch_over_the_lake_equals_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let records = testing::records(&testing::events(11, 1500));
    fill(place, &records).await;
    for set in feature_sets() {
        let plan = FeaturePlan::new(set).await.unwrap();
        let mut state = KeyedState::new(set);
        let values: Vec<&[u8]> =
            records.iter().filter(|r| r.topic.as_ref() == set.source.name()).filter_map(|r| r.value.as_deref()).collect();
        for part in values.chunks(64) {
            state.add(set, &plan.run(decode(set.source, part).unwrap().batch).await.unwrap()).unwrap();
        }
        let stream: BTreeMap<String, _> = state.all_rows(set, 0).into_iter().map(|row| (row.record_key(), row)).collect();
        let batch: BTreeMap<String, _> = batch_features(place, set).await.unwrap().into_iter().map(|row| (row.record_key(), row)).collect();
        assert!(!stream.is_empty(), "{}", set.name);
        assert_eq!(stream.keys().collect::<Vec<_>>(), batch.keys().collect::<Vec<_>>(), "{}", set.name);
        for (key, row) in &stream {
            assert_eq!(row.version, batch[key].version, "{} {key}", set.name);
            for (name, value) in &row.values {
                let there = batch[key].values[name];
                assert!((value - there).abs() <= 1e-9 * value.abs().max(1.0), "{} {key}.{name}: {value} {there}", set.name);
            }
        }
    }
}

#[tokio::test]
async fn days_are_folders_and_a_condition_on_them_counts_right() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let events = testing::events(12, 800);
    fill(place, &testing::records(&events)).await;
    let day: NaiveDate = "2026-10-28".parse().unwrap();
    let expected = events.iter().filter(|e| e.topic() == Topic::Interactions && e.event_time().date_naive() == day).count();
    assert!(expected > 0);
    let session = session(place).await.unwrap();
    let sql = format!("SELECT COUNT(*) AS n FROM interactions WHERE dt = DATE '{day}'");
    let counted = session.sql(&sql).await.unwrap().collect().await.unwrap();
    let counted = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&counted[0]["n"]).value(0);
    assert_eq!(usize::try_from(counted).unwrap(), expected);
    let none = session.sql("SELECT * FROM dead_letters").await.unwrap().collect().await.unwrap();
    assert_eq!(none.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 0);
}

#[test]
fn tombstones_leave_no_row_and_garbage_is_named() {
    let mut records = testing::records(&testing::events(13, 200));
    records.retain(|r| r.topic.as_ref() == "interactions");
    let rows = records.len();
    records[3].value = None;
    records[5].value = Some(b"{".to_vec());
    let written = files_of(Topic::Interactions, &records).unwrap();
    assert_eq!(written.refused.len(), 1);
    assert_eq!(written.refused[0].0.offset, records[5].offset);
    let stored: i64 = written
        .days
        .iter()
        .map(|file| {
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file.bytes.clone()))
                .unwrap()
                .metadata()
                .file_metadata()
                .num_rows()
        })
        .sum();
    assert_eq!(usize::try_from(stored).unwrap(), rows - 2);
}

#[test]
fn files_carry_statistics_bloom_filters_and_their_order() {
    let records = testing::records(&testing::events(14, 300));
    let mine: Vec<Record> = records.into_iter().filter(|r| r.topic.as_ref() == "interactions").collect();
    let written = files_of(Topic::Interactions, &mine).unwrap();
    let bytes = bytes::Bytes::from(written.days[0].bytes.clone());
    let file = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let group = file.metadata().row_group(0);
    assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 1);
    for column in group.columns() {
        let name = column.column_path().string();
        assert_eq!(column.bloom_filter_offset().is_some(), name.ends_with("_id") && name != "request_id", "{name}");
    }
    assert!(group.column(1).statistics().is_some());
}

#[tokio::test]
async fn history_comes_day_by_day_in_the_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let events = testing::events(15, 900);
    fill(place, &testing::records(&events)).await;
    let history = History::open(place).await.unwrap();
    let mut expected: Vec<_> = events.iter().filter(|e| e.topic() == Topic::Interactions).cloned().collect();
    expected.sort_by_key(|e| (e.event_time(), e.event_id().to_string()));
    let mut found = Vec::new();
    for day in history.days() {
        let Some(rows) = history.day(Topic::Interactions, day).await.unwrap() else { continue };
        assert_eq!(rows.before(DateTime::<Utc>::MAX_UTC), rows.times.len());
        let middle = rows.times[rows.times.len() / 2];
        let before = rows.before(DateTime::from_timestamp_micros(middle).unwrap());
        assert!(rows.times[..before].iter().all(|t| *t < middle) && rows.times[before..].iter().all(|t| *t >= middle));
        found.extend(crate::tables::events(&rows.rows).unwrap());
    }
    assert_eq!(found, expected);
    assert!(history.day(Topic::Interactions, "1999-01-01".parse().unwrap()).await.unwrap().is_none());
    // The same events written without a log are the same history.
    let beside = tempfile::tempdir().unwrap();
    write_events(beside.path().to_str().unwrap(), &events).await.unwrap();
    let again = History::open(beside.path().to_str().unwrap()).await.unwrap();
    assert_eq!(again.days(), history.days());
    let day = *again.days().first().unwrap();
    let (one, other) = (again.day(Topic::Moments, day).await.unwrap().unwrap(), history.day(Topic::Moments, day).await.unwrap().unwrap());
    assert_eq!(one.rows, other.rows);
}
