//! A full disk under the embedded broker: what cannot be written is refused and tried again, and what was acknowledged is there once.

use std::time::Duration;

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tests::SmallDisk;

use super::{PATIENCE, assigned, consumer, producer, send, take, texts, topic};

fn disk(folder: &tempfile::TempDir) -> Option<SmallDisk> {
    let disk = SmallDisk::mount(folder.path().join("log"), 3);
    if disk.is_none() {
        tests::parts::missing("a small disk", "mounting one needs root, or sudo without a password, and the capability to mount");
    }
    disk
}

async fn begin(disk: &SmallDisk) -> EmbeddedBroker {
    EmbeddedBroker::start(BrokerConfig::new(disk.path())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_wait_for_room_and_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let broker = begin(&disk).await;
    let brokers = broker.bootstrap();
    let topic = topic(&brokers, "full", 1, &[]).await;
    let producer = producer(&brokers, &[("compression.type", "none"), ("retry.backoff.ms", "50"), ("retry.backoff.max.ms", "100")]);
    let value = |n: usize| format!("{n} {}", "x".repeat(3_000));
    for n in 0..20 {
        send(&producer, &topic, 0, None, Some(&value(n))).await;
    }
    disk.fill();
    let (waiting, name) = (producer.clone(), topic.clone());
    let sent = tokio::spawn(async move {
        for n in 20..60 {
            send(&waiting, &name, 0, None, Some(&value(n))).await;
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!sent.is_finished(), "120 kB do not fit a full disk");
    let before = take(&assigned(&brokers, &topic, 0, Offset::Beginning, &[]), 60, Duration::from_secs(1));
    assert!((20..60).contains(&before.len()), "reading goes on: {}", before.len());
    disk.free();
    sent.await.unwrap();
    broker.shutdown().await;
    let broker = begin(&disk).await;
    let got = take(&assigned(&broker.bootstrap(), &topic, 0, Offset::Beginning, &[]), 61, Duration::from_secs(2));
    assert_eq!(texts(&got), (0..60).map(value).collect::<Vec<_>>());
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_commit_swallows_none_that_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let broker = begin(&disk).await;
    let brokers = broker.bootstrap();
    let topic = topic(&brokers, "commits", 1, &[]).await;
    let member = consumer(&brokers, "full", &[]);
    let commit = |offset: i64, metadata: usize| {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&topic, 0);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata("m".repeat(metadata));
        member.commit(&list, CommitMode::Sync)
    };
    commit(1, 10).unwrap();
    disk.fill();
    // The last page of the log takes some more.
    let refused = (2..20).find(|offset| commit(*offset, 1_000).is_err()).expect("a full disk");
    disk.free();
    commit(100 + refused, 10).unwrap();
    drop(member);
    broker.shutdown().await;
    let broker = begin(&disk).await;
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    let committed = consumer(&broker.bootstrap(), "full", &[]).committed_offsets(list, PATIENCE).unwrap();
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(100 + refused));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_could_not_be_decided_is_decided_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let broker = begin(&disk).await;
    let brokers = broker.bootstrap();
    let topic = topic(&brokers, "txn", 1, &[]).await;
    let producer = producer(&brokers, &[("transactional.id", "full"), ("retry.backoff.ms", "50"), ("retry.backoff.max.ms", "100")]);
    producer.init_transactions(PATIENCE).unwrap();
    let reader = consumer(&brokers, "full-group", &[]);
    let mut list = TopicPartitionList::new();
    for round in 0..2 {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, None, Some(&round.to_string())).await;
        list = TopicPartitionList::new();
        let mut element = list.add_partition(&topic, 0);
        element.set_offset(Offset::Offset(round + 1)).unwrap();
        element.set_metadata("m".repeat(8_000)); // more than is left of a page
        producer.send_offsets_to_transaction(&list, &reader.group_metadata().unwrap(), PATIENCE).unwrap();
        if round == 0 {
            producer.commit_transaction(PATIENCE).unwrap();
        }
    }
    disk.fill();
    let last = producer.clone();
    let committed = tokio::task::spawn_blocking(move || last.commit_transaction(PATIENCE));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!committed.is_finished(), "there is no room for the decision");
    let seen =
        || take(&assigned(&brokers, &topic, 0, Offset::Beginning, &[("isolation.level", "read_committed")]), 9, Duration::from_secs(1));
    assert_eq!(texts(&seen()), ["0"]);
    disk.free();
    committed.await.unwrap().unwrap();
    assert_eq!(texts(&seen()), ["0", "1"]);
    assert_eq!(reader.committed_offsets(list, PATIENCE).unwrap().elements()[0].offset(), Offset::Offset(2));
    broker.shutdown().await;
}
