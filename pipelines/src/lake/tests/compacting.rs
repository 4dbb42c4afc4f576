//! Many files become few, and whoever reads sees every row once.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStore;

use super::super::commits::Commits;
use super::super::compact::compact_in;
use super::super::files::Files;
use super::super::reading::counted;
use super::super::*;
use super::store::Faulty;
use super::{committed, ids, now};
use crate::query::session;
use crate::snapshots::open_store;
use crate::testing;

pub(super) fn plan(target_mb: u64) -> CompactPlan {
    CompactPlan {
        tables: Vec::new(),
        before: "2027-01-01".parse().unwrap(),
        config: CompactConfig { target_mb, ..CompactConfig::default() },
        retention: RetentionConfig::default(),
        dry_run: false,
    }
}

fn quiet(_: usize, _: usize, _: &Compacted) {}

async fn files_of(place: &str) -> usize {
    stats(place).await.unwrap().last().unwrap().files
}

fn parquet_files(folder: &std::path::Path) -> usize {
    let hidden = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().starts_with('_');
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| !hidden(path)).map(|path| if path.is_dir() { parquet_files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn small_files_become_one_a_day_and_partition_with_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let events = testing::events(21, 1_200);
    committed(place, &testing::records(&events), 40).await;
    let (before, small) = (ids(place).await, stats(place).await.unwrap());
    assert_eq!(before.len(), events.len());
    let would = compact(place, &CompactPlan { dry_run: true, ..plan(256) }, now(), &quiet).await.unwrap();
    assert_eq!(parquet_files(dir.path()), small.last().unwrap().files, "a dry run does nothing");
    let done = compact(place, &plan(256), now(), &quiet).await.unwrap();
    assert_eq!(done.len(), would.len());
    assert!(done.iter().all(|group| group.what == "merged" && group.files > 1 && group.rows > 0));
    assert_eq!(ids(place).await, before);
    let merged = stats(place).await.unwrap();
    assert_eq!(merged.last().unwrap().rows, small.last().unwrap().rows);
    assert!(merged.last().unwrap().bytes < small.last().unwrap().bytes / 2, "{merged:?} {small:?}");
    assert_eq!(parquet_files(dir.path()), merged.last().unwrap().files, "globs see the merged ones alone");
    let session = session(place).await.unwrap();
    let sql = "SELECT dt, COUNT(DISTINCT event_id) FROM interactions GROUP BY dt ORDER BY dt";
    assert!(session.sql(sql).await.unwrap().count().await.unwrap() >= 10);
    let found = verify(place, &[], None, &|_, _| {}).await.unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(compact(place, &plan(256), now(), &quiet).await.unwrap(), [], "nothing is left to do");
    // The replaced files go in the end, and what reads has nothing left of them.
    compact(place, &plan(256), now() + TimeDelta::days(2), &quiet).await.unwrap();
    assert_eq!(super::walk(&dir.path().join("_replaced")), 0);
    assert_eq!(ids(place).await, before);
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
}

#[tokio::test]
async fn killed_at_any_point_no_row_is_lost_or_doubled_and_the_next_one_goes_on() {
    for copies in [false, true] {
        let day = "2026-10-28".parse().unwrap();
        let mut events = testing::events(22, 600);
        events.retain(|event| event.event_time().date_naive() == day);
        let records = testing::records(&events);
        let mut killed = 0;
        for changes in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().to_str().unwrap();
            committed(place, &records, 8).await;
            let before = ids(place).await;
            let faulty = Arc::new(Faulty::new(open_store(place).unwrap(), changes, copies));
            let only = CompactPlan { tables: vec!["interactions".to_owned()], ..plan(256) };
            let ended = compact_in(&Files::new(Arc::clone(&faulty) as Arc<dyn ObjectStore>), &only, now(), &quiet).await;
            assert_eq!(ids(place).await, before, "after {changes} changes");
            let found = verify(place, &[], None, &|_, _| {}).await.unwrap().findings;
            assert!(found.iter().all(|f| f.what == "unfinished"), "after {changes} changes: {found:?}");
            // A writer that was at work goes on beside it.
            committed(place, &testing::records(&testing::events(23, 30)), 15).await;
            let with_new = ids(place).await;
            assert_eq!(with_new.len(), before.len() + 30);
            compact(place, &plan(256), now() + TimeDelta::minutes(1), &quiet).await.unwrap();
            assert_eq!(ids(place).await, with_new, "after {changes} changes and another round");
            assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, [], "after {changes} changes");
            assert_eq!(parquet_files(dir.path()), files_of(place).await, "after {changes} changes: globs see what counts");
            if ended.is_ok() && faulty.left() > 0 {
                break;
            }
            killed += 1;
        }
        assert!(killed > 15, "only {killed} points");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_it_always_see_every_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap().to_owned();
    committed(&place, &testing::records(&testing::events(24, 900)), 20).await;
    let expected = ids(&place).await.len();
    let stop = tokio_util::sync::CancellationToken::new();
    let (stopped, there) = (stop.clone(), place.clone());
    let reader = tokio::spawn(async move {
        let session = session(&there).await.unwrap();
        let mut looks = 0;
        while !stopped.is_cancelled() || looks == 0 {
            let sql = "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM (SELECT event_id FROM interactions UNION ALL SELECT event_id FROM presence UNION ALL SELECT event_id FROM messages UNION ALL SELECT event_id FROM moments)";
            let found = session.sql(sql).await.unwrap().collect().await.unwrap();
            let count = |at: usize| arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(found[0].column(at)).value(0);
            assert_eq!((count(0), count(1)), (expected as i64, expected as i64), "look {looks}");
            looks += 1;
        }
        looks
    });
    for _ in 0..2 {
        compact(&place, &plan(256), now(), &quiet).await.unwrap();
    }
    stop.cancel();
    assert!(reader.await.unwrap() > 0);
}

#[tokio::test]
async fn of_two_that_compact_the_later_one_goes_on_and_the_other_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    committed(place, &testing::records(&testing::events(25, 200)), 20).await;
    let before = ids(place).await;
    let files = Files::new(open_store(place).unwrap());
    let mut cut_off = super::super::swaps::Swaps::claim(&files, now()).await.unwrap();
    compact(place, &plan(256), now(), &quiet).await.unwrap();
    let inputs: Vec<String> = counted(&files, "interactions").await.unwrap().iter().take(2).map(|file| file.name.path()).collect();
    let told = cut_off.swap(now(), None, inputs).await.unwrap_err();
    assert!(matches!(told, LakeError::Overtaken), "{told}");
    assert_eq!(ids(place).await, before);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let careless = Arc::new(Faulty::careless(open_store(dir.path().to_str().unwrap()).unwrap()));
    let files = Files::new(careless as Arc<dyn ObjectStore>);
    assert!(matches!(Commits::claim(files.clone()).await.err().unwrap(), LakeError::NoConditions));
    let told = compact_in(&files, &plan(1), now(), &quiet).await.unwrap_err().to_string();
    assert!(told.contains("If-None-Match"), "{told}");
}

#[tokio::test]
async fn retention_takes_whole_days_of_the_tables_that_have_one() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let day = |n: i64| now() - TimeDelta::days(n);
    committed(place, &super::portraits(&[(1, day(0)), (1, day(5)), (2, day(9)), (3, day(10)), (3, day(30))]), 1).await;
    let mut only = plan(256);
    only.retention.portraits = 9;
    let done = compact(place, &only, now(), &quiet).await.unwrap();
    let dropped: Vec<String> = done.iter().filter(|group| group.what == "dropped").map(|group| group.day.to_string()).collect();
    assert_eq!(dropped, [day(30), day(10)].map(|at: DateTime<Utc>| at.date_naive().to_string()));
    let rows = session(place).await.unwrap().table("portraits").await.unwrap().count().await.unwrap();
    assert_eq!(rows, 3);
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
}
