//! Everybody's portrait at the end of each day.

use std::collections::HashSet;

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Int64Type};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use features::ids::UserId;

use super::super::*;
use super::{committed, now, portraits};
use crate::query::session;

const MEMORY: usize = 64 << 20;

fn at(days: i64, hours: i64) -> DateTime<Utc> {
    "2026-11-10T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(days) + TimeDelta::hours(hours)
}

fn day(days: i64) -> NaiveDate {
    at(days, 0).date_naive()
}

fn everybody() -> HashSet<UserId> {
    (1..=9).map(UserId).collect()
}

/// Who is in the snapshot of a day: id, name, likes.
async fn people(place: &str, of: NaiveDate) -> Vec<(String, String, f32)> {
    let sql = format!("SELECT user_id, nickname, likes, version FROM portrait_days WHERE dt = DATE '{of}' ORDER BY user_id");
    let batches = session(place).await.unwrap().sql(&sql).await.unwrap().collect().await.unwrap();
    let mut all = Vec::new();
    for batch in batches {
        assert!(batch["version"].as_primitive::<Int64Type>().values().iter().all(|version| *version > 0));
        for row in 0..batch.num_rows() {
            let text = |column: &str| batch[column].as_string::<i32>().value(row).to_owned();
            all.push((text("user_id"), text("nickname"), batch["likes"].as_primitive::<Float32Type>().value(row)));
        }
    }
    all
}

fn names(of: &[(String, String, f32)]) -> Vec<&str> {
    of.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn a_day_has_the_last_version_before_midnight_and_carries_over_whoever_did_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let versions = [(1, at(0, 3)), (1, at(0, 23)), (2, at(0, 1)), (1, at(1, 0)), (3, at(2, 5)), (2, at(2, 23)), (2, at(3, 0))];
    committed(place, &portraits(&versions), 2).await;
    for of in 0..3 {
        let taken = take(place, day(of), &everybody(), MEMORY).await.unwrap();
        assert_eq!(taken.from, (of > 0).then(|| day(of - 1)));
    }
    let first = people(place, day(0)).await;
    assert_eq!(names(&first), ["p1 2026-11-10", "p2 2026-11-10"]);
    let second = people(place, day(1)).await;
    assert_eq!(names(&second), ["p1 2026-11-11", "p2 2026-11-10"]);
    assert!((f64::from(second[1].2) / f64::from(first[1].2) - (-1.0f64 / 14.0).exp2()).abs() < 1e-6, "it faded for a day");
    assert_eq!(names(&people(place, day(2)).await), ["p1 2026-11-11", "p2 2026-11-12", "p3 2026-11-12"]);
    assert_eq!(days_without(place, day(4)).await.unwrap(), [day(3), day(4)]);
    // Made of versions alone it is the same file.
    let path = dir.path().join(format!("portrait_days/dt={}/portrait_days-0-0-0.parquet", day(2)));
    let carried = std::fs::read(&path).unwrap();
    std::fs::remove_dir_all(dir.path().join("portrait_days")).unwrap();
    let taken = take(place, day(2), &everybody(), MEMORY).await.unwrap();
    assert_eq!((taken.from, taken.people), (None, 3));
    assert_eq!(std::fs::read(&path).unwrap(), carried);
    take(place, day(2), &everybody(), MEMORY).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), carried, "made again it is the same");
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    assert_eq!(
        compact(place, &super::compacting::plan(256), now(), &|_, _, _| {}).await.unwrap().len(),
        1,
        "the versions of the first day"
    );
    assert_eq!(names(&people(place, day(2)).await).len(), 3);
}

#[tokio::test]
async fn whoever_was_erased_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    committed(place, &portraits(&[(1, at(0, 3)), (2, at(0, 4)), (2, at(1, 4))]), 9).await;
    take(place, day(0), &everybody(), MEMORY).await.unwrap();
    let without: HashSet<UserId> = [UserId(1)].into();
    for of in [day(1), day(0)] {
        assert_eq!(take(place, of, &without, MEMORY).await.unwrap().people, 1);
        assert_eq!(people(place, of).await[0].0, "1");
    }
    let told = take(place, day(1), &HashSet::new(), MEMORY).await.unwrap_err().to_string();
    assert!(told.contains("not the log of this lake"), "{told}");
    assert_eq!(people(place, day(1)).await.len(), 1, "what was there is still there");
}

#[tokio::test]
async fn an_empty_lake_has_no_days() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    assert_eq!(days_without(place, day(0)).await.unwrap(), Vec::<NaiveDate>::new());
    assert_eq!(take(place, day(0), &HashSet::new(), MEMORY).await.unwrap().people, 0);
}
