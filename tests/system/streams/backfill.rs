//! Backfills beside the live stream: what they compute takes the place of what is there, and nothing that arrives meanwhile is missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, Utc};
use features::event::Event;
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_set, feature_sets};
use features::topic::Topic;
use pipelines::backfill::{Backfill, BackfillError, Effort, FeaturesReport, Places, Request, Watcher, dry_run, runs};
use pipelines::bus::OutRecord;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::town::{Dice, Town, counted, events, reported, same, until};

fn places(town: &Town) -> Places {
    let below = |name: &str| town.dir.path().join(name);
    Places { bus: town.bus.clone(), lake: town.lake(), state: below("state").display().to_string(), spill: below("spill") }
}

/// Whom nothing is told.
fn nobody() -> Watcher {
    Arc::new(|_| {})
}

const EFFORT: Effort = Effort { memory: 64 << 20, parallel: 2, accept_gone: false };

async fn backfill_of(town: &Town, sets: &[FeatureSet], days: Option<(NaiveDate, NaiveDate)>) -> Result<FeaturesReport, BackfillError> {
    // What the stream has counted since the newest flush is not in the lake yet, and a small town has many new keys.
    with_effort(town, sets, days, Effort { accept_gone: true, ..EFFORT }).await
}

async fn with_effort(
    town: &Town,
    sets: &[FeatureSet],
    days: Option<(NaiveDate, NaiveDate)>,
    effort: Effort,
) -> Result<FeaturesReport, BackfillError> {
    let (from, to) = days.unzip();
    let request = Request { sets: sets.iter().map(|set| set.name.clone()).collect(), from, to, ..Request::default() };
    let mut backfill = Backfill::begin(&places(town), sets.to_vec(), request, effort, Utc::now, nobody()).await?;
    let report = backfill.features().await?;
    assert!(backfill.taken_over(Duration::from_secs(90)).await?, "the runner takes over");
    backfill.finish().await?;
    Ok(report)
}

fn counts(events: &[Event], topic: Topic) -> usize {
    events.iter().filter(|event| event.topic() == topic).count()
}

async fn in_the_lake(town: &Town, events: &[Event]) {
    until(|| async {
        for topic in Topic::LIVED {
            let (there, all) = (town.count(topic.name()).await, counts(events, topic));
            if there != all {
                return Err(format!("{there} of {all} rows of {}", topic.name()));
            }
        }
        Ok(())
    })
    .await;
}

/// The rows of a set without the keys that were taken back.
async fn standing(town: &Town, set: &FeatureSet) -> BTreeMap<String, FeatureRow> {
    let mut rows = town.rows(set).await;
    rows.retain(|_, row| row.version > 0);
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sets_are_exchanged_beside_the_live_stream_and_nothing_is_lost() {
    let mut dice = Dice::thrown("backfill");
    let mut town = Town::begin().await;
    town.supervised = true;
    let sets = feature_sets();
    let events = events(&mut dice, 3_000);
    let (before, meanwhile) = events.split_at(1_500);
    let (gate, lake) = (town.gate(), town.lake_writer());
    let mut features = town.features(sets.to_vec());
    town.report(before.iter().map(reported).collect()).await;
    in_the_lake(&town, before).await;
    town.caught_up().await;
    // A key that no event speaks of, as a mistake of former times would have left it.
    let popularity = feature_set("popularity").unwrap();
    let values = popularity.value_columns.iter().map(|name| (name.clone(), 2.0)).collect();
    let stray = FeatureRow { key: vec!["4711".to_owned()], version: 3, generation: 1, values };
    town.report(vec![OutRecord::new(popularity.topic(), stray.record_key(), Some(stray.encode(popularity)))]).await;
    let seen = town.rows(popularity).await;
    assert!(seen.contains_key("4711") && seen.values().all(|row| row.generation == 1));

    // More comes while it runs, and the runner is killed while it takes over.
    let pauses: Vec<u64> = (0..3).map(|_| dice.roll(1_500)).collect();
    let writing = async {
        for part in meanwhile.chunks(75) {
            town.report(part.iter().map(reported).collect()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let killing = async {
        for pause in pauses {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let fresh = town.features(sets.to_vec());
            std::mem::replace(&mut features, fresh).kill().await;
        }
    };
    let (report, (), ()) = tokio::join!(backfill_of(&town, sets, None), writing, killing);
    let report = report.unwrap();
    assert!(report.sets.iter().all(|set| set.generation == 2 && set.known == 0 && set.days > 0), "{report:?}");
    assert!(report.sets.iter().any(|set| set.set == "popularity" && set.gone > 0), "{report:?}");
    in_the_lake(&town, &events).await;
    for (set, batch) in town.caught_up().await {
        let rows = standing(&town, set).await;
        same(&set.name, &rows, &batch);
        assert!(rows.values().all(|row| row.generation == 2), "{}: every row is of the new generation", set.name);
    }
    let taken_back = town.rows(popularity).await.remove("4711").unwrap();
    assert_eq!((taken_back.generation, taken_back.version), (2, 0));
    assert!(taken_back.values.values().all(|value| *value == 0.0));

    again(&town, sets).await;
    for job in [features, lake, gate] {
        job.end().await;
    }
}

/// What is known of days is used again, except for those that are asked for; nothing differs any more, and nothing is left behind.
async fn again(town: &Town, sets: &[FeatureSet]) {
    let looked = dry_run(&places(town), sets.to_vec(), EFFORT, &nobody()).await.unwrap();
    assert!(looked.iter().all(|row| !row.differs() && row.equal > 0 && row.note.is_empty()), "{looked:?}");
    let report = backfill_of(town, sets, None).await.unwrap();
    assert!(report.sets.iter().all(|set| set.generation == 3 && set.known == set.days && set.gone == 0), "{report:?}");
    assert_eq!(report.events, 0, "nothing is read twice");
    let days = ("2026-11-01".parse().unwrap(), "2026-11-04".parse().unwrap());
    let report = backfill_of(town, sets, Some(days)).await.unwrap();
    assert!(report.sets.iter().all(|set| set.generation == 4 && set.known + 3 == set.days), "{report:?}");
    for set in sets {
        same(&set.name, &standing(town, set).await, &town.over_the_lake(set).await);
    }
    let state = town.state().below("backfill");
    let left = state.list().await.unwrap();
    assert!(!left.iter().any(|name| name.starts_with("swaps/") || name.starts_with("staged/")), "{left:?}");
    let known = runs(&town.state()).await.unwrap();
    assert!(known.len() == 3 && known.iter().all(|run| run.is_over() && run.starts == 1), "{known:?}");
}

/// Removes everything but the newest records of a topic's partitions, as retention would.
async fn cut(town: &Town, topic: Topic, keep: i64) {
    let topics = [topic.name().to_owned()];
    let end = town.bus.end_offsets(&topics).await.unwrap();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &town.bus.config().brokers).create().unwrap();
    let mut list = TopicPartitionList::new();
    for ((topic, partition), end) in &end.0 {
        list.add_partition_offset(topic, *partition, Offset::Offset((end - keep).max(0))).unwrap();
    }
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_gets_its_past_from_the_lake() {
    let mut dice = Dice::thrown("changed by backfill");
    let town = Town::begin().await;
    let set = feature_set("given").unwrap();
    let wider = set.sql.replace(
        "SUM(CASE WHEN kind = 'pass' THEN 1 ELSE 0 END) AS passes_given,",
        "SUM(CASE WHEN kind = 'pass' THEN 1 ELSE 0 END) AS passes_given, SUM(CASE WHEN kind = 'block' THEN 1 ELSE 0 END) AS blocks_given,",
    );
    let wider = FeatureSet::parse("given", &wider).unwrap();
    assert_eq!(wider.value_columns.len(), set.value_columns.len() + 1);
    let events = events(&mut dice, 1_200);
    let (gate, lake, features) = (town.gate(), town.lake_writer(), town.features(vec![set.clone()]));
    town.report(events[..1_000].iter().map(reported).collect()).await;
    in_the_lake(&town, &events[..1_000]).await;
    features.end().await;
    cut(&town, Topic::Interactions, 40).await;
    let features = town.features(vec![wider.clone()]);
    let interactions = counts(&events[..1_000], Topic::Interactions) as i64;
    until(|| async {
        let rows = town.rows(&wider).await;
        let anew: i64 = rows.values().filter(|row| row.generation == 2).map(|row| row.version).sum();
        if anew > 0 && anew < interactions { Ok(()) } else { Err(format!("{anew} of {interactions} counted out of what the log has left")) }
    })
    .await;
    let seen = town.rows(&wider).await;
    // The checkpoint comes a moment after the rows.
    until(|| async {
        let looked = dry_run(&places(&town), vec![wider.clone()], EFFORT, &nobody()).await.unwrap();
        let row = &looked[0];
        let told = row.different + row.only_lake > 0 && row.note.is_empty() && !row.example.is_empty();
        if told { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    same("a dry run changes nothing", &town.rows(&wider).await, &seen);

    let report = backfill_of(&town, std::slice::from_ref(&wider), None).await.unwrap();
    assert_eq!(report.sets[0].generation, 3);
    town.report(events[1_000..].iter().map(reported).collect()).await;
    in_the_lake(&town, &events).await;
    let batch = town.over_the_lake(&wider).await;
    until(|| async {
        let there = counted(&standing(&town, &wider).await);
        if there == counted(&batch) { Ok(()) } else { Err(format!("{there} counted")) }
    })
    .await;
    let rows = standing(&town, &wider).await;
    same("wider", &rows, &batch);
    assert!(rows.values().any(|row| row.values["blocks_given"] > 0.0), "the new column has its past");
    for job in [features, lake, gate] {
        job.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_right_is_refused_and_said() {
    let mut dice = Dice::thrown("refused backfills");
    let town = Town::begin().await;
    let sets = [feature_set("given").unwrap().clone()];
    let refused = async |town: &Town| with_effort(town, &sets, None, EFFORT).await.unwrap_err().to_string();
    let told = refused(&town).await;
    assert!(told.contains("holds nothing of interactions yet"), "{told}");
    let mut events = events(&mut dice, 800);
    let (gate, lake, features) = (town.gate(), town.lake_writer(), town.features(sets.to_vec()));
    // The newest flush is one of interactions.
    events.sort_by_key(|event| event.topic() == Topic::Interactions);
    for part in [&events[..799], &events[799..]] {
        town.report(part.iter().map(reported).collect()).await;
        in_the_lake(&town, &events[..if part.len() == 1 { 800 } else { 799 }]).await;
    }
    lake.end().await;
    let batch = town.over_the_lake(&sets[0]).await;
    until(|| async { if counted(&town.rows(&sets[0]).await) == counted(&batch) { Ok(()) } else { Err("counting".to_owned()) } }).await;

    // A lake that lacks a part of the past would take back what people did.
    let values: BTreeMap<String, f64> = sets[0].value_columns.iter().map(|name| (name.clone(), 1.0)).collect();
    let stray = |user: u64| FeatureRow { key: vec![user.to_string()], version: 1, generation: 1, values: values.clone() };
    let strays = (9_000..9_030).map(stray).map(|row| OutRecord::new(sets[0].topic(), row.record_key(), Some(row.encode(&sets[0]))));
    town.report(strays.collect()).await;
    let told = refused(&town).await;
    assert!(told.contains("30 of") && told.contains("--accept-gone"), "{told}");

    // A flush that is committed and not moved in is waited for, and then missed.
    let mut files: Vec<_> = std::fs::read_dir(town.dir.path().join("lake/interactions"))
        .unwrap()
        .flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap().map(|file| file.unwrap().path()))
        .collect();
    files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
    let (newest, aside) = (files.pop().unwrap(), town.dir.path().join("aside"));
    std::fs::rename(&newest, &aside).unwrap();
    let told = refused(&town).await;
    assert!(told.contains("is committed and not there yet"), "{told}");
    std::fs::rename(&aside, &newest).unwrap();

    // What lies between lake and log is nowhere.
    let more: Vec<OutRecord> = super::town::events(&mut Dice(dice.roll(1 << 40)), 300).iter().map(reported).collect();
    town.report(more).await;
    until(|| async {
        let there = town.read("interactions").await.len();
        if there > counts(&events, Topic::Interactions) + 150 { Ok(()) } else { Err(format!("{there} filed")) }
    })
    .await;
    cut(&town, Topic::Interactions, 0).await;
    let told = refused(&town).await;
    assert!(told.contains("the log begins at") && told.contains("interactions"), "{told}");
    let known = runs(&town.state()).await.unwrap();
    assert!(known.iter().all(|run| run.swap.is_none()), "{known:?}");
    for job in [features, gate] {
        job.end().await;
    }
}
