//! Invariant 1: stream state equals a batch recomputation, key by key, after crashes, duplicates and garbage.

use std::collections::BTreeMap;
use std::time::Duration;

use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;

use super::town::{Dice, Job, Town, counted, events, garbage, reported, same, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_equals_batch_after_crashes_duplicates_and_garbage() {
    let mut dice = Dice::thrown("stream equals batch");
    let mut town = Town::begin().await;
    // Two gates may meet: the one that is fenced off fails, and the one that lasts must be there in the end.
    town.supervised = true;
    let events = events(&mut dice, 4_000);
    let mut inbox = Vec::new();
    let mut refused = 0;
    for (n, event) in events.iter().enumerate() {
        inbox.push(reported(event));
        if dice.roll(5) == 0 {
            // Somebody reports again what was reported at some time before.
            inbox.push(reported(&events[dice.roll(n as u64 + 1) as usize]));
        }
        if dice.roll(30) == 0 {
            inbox.push(garbage(&mut dice));
            refused += 1;
        }
    }
    let mut jobs: [Job; 3] = [town.gate(), town.features(feature_sets().to_vec()), town.lake_writer()];
    for part in inbox.chunks(inbox.len() / 12) {
        town.report(part.to_vec()).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(400))).await;
        let victim = dice.roll(3) as usize;
        let fresh = match victim {
            0 => town.gate(),
            1 => town.features(feature_sets().to_vec()),
            _ => town.lake_writer(),
        };
        // The new one starts while the old one may still be at work, as after a partition of the network: it must be fenced off or harmless.
        if victim == 0 && dice.roll(2) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(60))).await;
        }
        std::mem::replace(&mut jobs[victim], fresh).kill().await;
    }
    let expected: BTreeMap<&str, usize> =
        Topic::FILED.iter().map(|t| (t.name(), events.iter().filter(|e| e.topic() == *t).count())).collect();
    until(|| async {
        for (table, count) in &expected {
            let there = town.count(table).await;
            if there != *count {
                return Err(format!("{there} of {count} rows of {table} in the lake"));
            }
        }
        match town.count("dead_letters").await {
            there if there == refused => Ok(()),
            there => Err(format!("{there} of {refused} dead letters in the lake")),
        }
    })
    .await;
    for (topic, count) in expected {
        assert_eq!(town.read(topic).await.len(), count, "every event is filed once: {topic}");
    }
    assert_eq!(town.read("dead_letters").await.len(), refused);
    let batches = town.caught_up().await;
    let [gate, features, lake] = jobs;
    for job in [gate, features, lake] {
        job.end().await;
    }
    for (set, batch) in batches {
        assert!(!batch.is_empty(), "{}", set.name);
        same(&set.name, &town.rows(set).await, &batch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_computed_anew_and_its_rows_win() {
    let mut dice = Dice::thrown("changed file");
    let town = Town::begin().await;
    let (gate, lake) = (town.gate(), town.lake_writer());
    let set = features::sets::feature_set("given").unwrap().clone();
    let features = town.features(vec![set.clone()]);
    let events = events(&mut dice, 600);
    town.report(events[..400].iter().map(reported).collect()).await;
    let interactions = |events: &[features::event::Event]| events.iter().filter(|e| e.topic() == Topic::Interactions).count() as i64;
    until(|| async {
        let there = counted(&town.rows(&set).await);
        if there == interactions(&events[..400]) { Ok(()) } else { Err(format!("{there} counted")) }
    })
    .await;
    features.end().await;
    let changed = FeatureSet { sql: set.sql.replace("'pass'", "'block'"), ..set.clone() };
    assert_ne!(changed.sql, set.sql);
    let features = town.features(vec![changed.clone()]);
    town.report(events[400..].iter().map(reported).collect()).await;
    until(|| async {
        let rows = town.rows(&changed).await;
        let there = counted(&rows);
        let anew = rows.values().all(|row| row.generation == 2);
        let stored = town.count("interactions").await as i64;
        if anew && there == interactions(&events) && stored == there {
            Ok(())
        } else {
            Err(format!("{there} counted, {stored} in the lake, anew: {anew}"))
        }
    })
    .await;
    same("changed", &town.rows(&changed).await, &town.over_the_lake(&changed).await);
    // The state is lost altogether: rows computed without it must still win over those that are there.
    features.end().await;
    std::fs::remove_dir_all(town.dir.path().join("state/features")).unwrap();
    let features = town.features(vec![changed.clone()]);
    until(|| async {
        let rows = town.rows(&changed).await;
        let anew = rows.values().all(|row| row.generation == 3);
        if anew && counted(&rows) == interactions(&events) { Ok(()) } else { Err(format!("anew: {anew}, {} counted", counted(&rows))) }
    })
    .await;
    for job in [gate, lake, features] {
        job.end().await;
    }
}
