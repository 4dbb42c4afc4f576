//! Parts that are down or full: clear answers, and nothing lost.

use std::time::Duration;

use pipelines::bus::{Bus, BusConfig, BusError, Offsets};

use super::town::{Dice, Town, events, reported, same, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_that_cannot_be_written_stops_its_job_and_loses_nothing() {
    let mut dice = Dice::thrown("full lake");
    let town = Town::begin().await;
    let gate = town.gate();
    let events = events(&mut dice, 500);
    let lake = town.lake_writer();
    until(|| async { if std::path::Path::new(&town.lake()).exists() { Ok(()) } else { Err("a folder".to_owned()) } }).await;
    // A file where a folder must be: every write below it fails, as on a full disk.
    let in_the_way = town.dir.path().join("lake/interactions");
    std::fs::write(&in_the_way, b"").unwrap();
    town.report(events.iter().map(reported).collect()).await;
    let reason = lake.failure().await;
    assert!(reason.contains("write the lake") && reason.contains("interactions"), "{reason}");
    std::fs::remove_file(&in_the_way).unwrap();
    let lake = town.lake_writer();
    let expected = events.iter().filter(|e| e.topic() == features::topic::Topic::Interactions).count();
    until(|| async {
        let there = town.count("interactions").await;
        if there == expected { Ok(()) } else { Err(format!("{there} of {expected} rows")) }
    })
    .await;
    lake.end().await;
    gate.end().await;
    assert_eq!(town.count("interactions").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_and_producers_outlive_a_rest_of_the_event_log() {
    let mut dice = Dice::thrown("resting log");
    let mut town = Town::begin().await;
    town.supervised = true;
    let jobs = [town.gate(), town.features(features::sets::feature_sets().to_vec()), town.lake_writer()];
    let events = events(&mut dice, 1_200);
    for part in events.chunks(400) {
        let producer = town.bus.producer().unwrap();
        let sent = tokio::spawn({
            let records = part.iter().map(reported).collect();
            async move { producer.send_all(records).await }
        });
        tokio::time::sleep(Duration::from_millis(dice.roll(120))).await;
        town.restart_log(Duration::from_millis(dice.roll(1_500))).await;
        sent.await.unwrap().unwrap();
    }
    for topic in features::topic::Topic::FILED {
        let expected = events.iter().filter(|e| e.topic() == topic).count();
        until(|| async {
            let (filed, stored) = (town.read(topic.name()).await.len(), town.count(topic.name()).await);
            if (filed, stored) == (expected, expected) {
                Ok(())
            } else {
                Err(format!("{filed} filed and {stored} stored of {expected} {}", topic.name()))
            }
        })
        .await;
    }
    let batches = town.caught_up().await;
    for job in jobs {
        job.end().await;
    }
    for (set, batch) in batches {
        same(&set.name, &town.rows(set).await, &batch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchanged_log_is_noticed_instead_of_mixed_up() {
    let town = Town::begin().await;
    let mut beyond = Offsets::default();
    for partition in 0..3 {
        beyond.set("interactions", partition, 500);
    }
    let error = town.bus.reader("features", &["interactions".to_owned()], &beyond).await.err().unwrap();
    assert!(matches!(error, BusError::BeyondEnd { asked: 500, end: 0, .. }), "{error}");
    assert!(error.to_string().contains("remove the state of `features`"), "{error}");
    let error = town.bus.reader("x", &["no-such-topic".to_owned()], &Offsets::default()).await.err().unwrap();
    assert!(matches!(error, BusError::MissingTopic { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_the_answer_names_it_and_the_setting() {
    let bus = Bus::new(BusConfig { brokers: "127.0.0.1:1".to_owned(), ..BusConfig::default() }).unwrap();
    let error = bus.ping(Duration::from_millis(500)).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("kafka.brokers"), "{error}");
    let error = Bus::new(BusConfig { brokers: "nowhere".to_owned(), ..BusConfig::default() }).err().unwrap().to_string();
    assert!(error.contains("kafka.brokers") && error.contains("host:port"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_committed_and_lag_falls_to_nothing() {
    let mut dice = Dice::thrown("lag");
    let town = Town::begin().await;
    let gate = town.gate();
    town.report(events(&mut dice, 1_000).iter().map(reported).collect()).await;
    until(|| async {
        let health = gate.context.progress.health();
        if health.processed == 1_000 && health.lag == 0 { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
    let inbox = ["inbox".to_owned()];
    let (committed, end) = (town.bus.committed("gate", &inbox).await.unwrap(), town.bus.end_offsets(&inbox).await.unwrap());
    assert!(committed.reached(&end), "{committed:?} {end:?}");
    gate.end().await;
}
