use std::path::Path;

use chrono::TimeDelta;
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use features::sets::{FeatureSet, feature_set};

use super::partials::{self, Unit};
use super::totals::Totals;
use super::workshop::Workshop;
use crate::lake::write_events;
use crate::query::batch_features;

const PEOPLE: u64 = 40_000;

/// A like of everybody on each of two days.
fn likes() -> Vec<Event> {
    let begin: chrono::DateTime<chrono::Utc> = "2026-10-01T08:00:00Z".parse().unwrap();
    let like = |n: u64| {
        let at = begin + TimeDelta::days((n / PEOPLE) as i64) + TimeDelta::milliseconds((n % PEOPLE) as i64);
        let (one, other) = (UserId(1 + n % PEOPLE), UserId(1 + (n * 7_919 + 1) % PEOPLE));
        Event::Interaction(InteractionEvent::new(derived_event_id(&["spill", &n.to_string()]), at, InteractionKind::Like, one, other))
    };
    (0..2 * PEOPLE).map(like).collect()
}

/// The days of a lake that was written without an event log.
fn units(lake: &Path, set: &FeatureSet) -> Vec<Unit> {
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let table = lake.join("interactions");
    let unit = |dt: String| {
        let day = dt.trim_start_matches("dt=").parse().unwrap();
        let files = names(&table.join(&dt)).into_iter().map(|file| format!("interactions/{dt}/{file}")).collect();
        Unit { day, files, bytes: 0, path: format!("backfill/partials/{}/{day}-x.parquet", set.name) }
    };
    names(&table).into_iter().map(unit).collect()
}

type Rows = Vec<(String, i64, Vec<f64>)>;

async fn rows(mut totals: Totals) -> Rows {
    let mut rows = Vec::new();
    while totals.fill().await.unwrap() {
        let (key, version, values) = totals.row();
        rows.push((key.to_owned(), version, values.to_vec()));
        totals.step();
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_into_memory_goes_through_the_disk_and_comes_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let lake = dir.path().join("lake");
    let place = lake.to_str().unwrap();
    write_events(place, &likes()).await.unwrap();
    let set = feature_set("popularity").unwrap();
    let units = units(&lake, set);
    assert_eq!(units.len(), 2);
    let mut found = Vec::new();
    for (name, memory) in [("wide", 256 << 20), ("narrow", 4 << 20), ("narrow again", 4 << 20)] {
        let work = dir.path().join(name);
        let workshop = Workshop::open(place, work.to_str().unwrap(), memory, dir.path().join("spill")).unwrap();
        let mut events = 0;
        for unit in &units {
            events += partials::compute(&workshop, set, unit).await.unwrap();
        }
        assert_eq!(events, 2 * PEOPLE);
        let rows = rows(Totals::over(&workshop, set, &units).await.unwrap()).await;
        assert_eq!(name == "wide", workshop.spilled() == 0, "{name}: {} bytes spilled", workshop.spilled());
        let files: Vec<Vec<u8>> = units.iter().map(|unit| std::fs::read(work.join(&unit.path)).unwrap()).collect();
        found.push((rows, files));
    }
    assert!(found[1] == found[2], "the same bound, the same bytes");
    assert!(found[0].0.windows(2).all(|pair| pair[0].0 < pair[1].0), "in the order of keys");
    let batch = batch_features(place, set).await.unwrap();
    assert_eq!(batch.len(), found[0].0.len());
    for (rows, _) in &found {
        let mut batch = batch.clone();
        batch.sort_by(|a, b| a.key.cmp(&b.key));
        for ((key, version, values), row) in rows.iter().zip(&batch) {
            assert_eq!((key, version), (&row.key[0], &row.version));
            for (name, value) in set.value_columns.iter().zip(values) {
                let there = row.values[name];
                assert!((value - there).abs() <= 1e-9 * there.abs().max(1.0), "{key}.{name}: {value} and {there}");
            }
        }
    }
}
