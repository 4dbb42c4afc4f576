//! The likes that recall by co-likes works with: kept fresh by the stream, equal to a recomputation over the lake.

use std::sync::Arc;

use features::event::{Event, InteractionKind};
use features::topic::Topic;
use index::ledger::Ledger;
use pipelines::batch::co_likes;
use pipelines::ledger_feed::{LedgerConfig, LedgerFeed};
use tokio::sync::watch;

use super::town::{Dice, Job, Town, events, garbage, reported, until};

fn feed(town: &Town, ledger: &Arc<Ledger>) -> Job {
    let (bus, ledger) = (town.bus.clone(), Arc::clone(ledger));
    let snapshot = town.dir.path().join("state/ledger");
    let node = pipelines::snapshots::SnapshotStore::open(town.dir.path().join("state").to_str().unwrap()).unwrap();
    let config = LedgerConfig { snapshot_s: 1, keep_days: 3_650 };
    Job::start("ledger", town.supervised, move |context| {
        let (done, _) = watch::channel(false);
        LedgerFeed::new(bus.clone(), Arc::clone(&ledger), snapshot.clone(), config.clone(), done, &node).run(context)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_likes_of_the_stream_are_those_of_the_lake() {
    let mut dice = Dice::thrown("co-likes");
    let mut town = Town::begin().await;
    town.supervised = true;
    let events = events(&mut dice, 3_000);
    let mut inbox = Vec::new();
    for (n, event) in events.iter().enumerate() {
        inbox.push(reported(event));
        if dice.roll(4) == 0 {
            inbox.push(reported(&events[dice.roll(n as u64 + 1) as usize]));
        }
        if dice.roll(40) == 0 {
            inbox.push(garbage(&mut dice));
        }
    }
    let (gate, lake) = (town.gate(), town.lake_writer());
    let mut ledger = Arc::new(Ledger::default());
    let mut job = feed(&town, &ledger);
    for part in inbox.chunks(inbox.len() / 5 + 1) {
        town.report(part.to_vec()).await;
        tokio::time::sleep(std::time::Duration::from_millis(300 + dice.roll(900))).await;
        // A node that is killed and starts anew from its snapshot.
        job.kill().await;
        ledger = Arc::new(Ledger::default());
        job = feed(&town, &ledger);
    }
    let interactions = events.iter().filter(|e| e.topic() == Topic::Interactions).count();
    until(|| async {
        let there = town.count("interactions").await;
        if there != interactions {
            return Err(format!("{there} of {interactions} rows in the lake"));
        }
        for received in [false, true] {
            let batch = co_likes::kept(&town.lake(), received).await.unwrap();
            let differ = co_likes::compare(&ledger.co_likes(received), &batch);
            if let Some(first) = differ.first() {
                return Err(format!("received: {received}, {} words differ, such as {first:?}", differ.len()));
            }
        }
        Ok(())
    })
    .await;
    let said = |e: &&Event| matches!(e, Event::Interaction(i) if matches!(i.kind, InteractionKind::Like | InteractionKind::Follow | InteractionKind::Unfollow));
    assert!(ledger.co_likes(false).len() > events.iter().filter(said).count() / 4, "pairs repeat, but not that often");
    // The comparison sees a difference where there is one.
    let mut batch = co_likes::kept(&town.lake(), false).await.unwrap();
    let gone = batch.remove(0);
    assert_eq!(co_likes::compare(&ledger.co_likes(false), &batch), [co_likes::Difference { word: gone, in_stream: true }]);
    for job in [gate, lake, job] {
        job.end().await;
    }
}
