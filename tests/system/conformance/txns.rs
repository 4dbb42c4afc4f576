//! Transactions and idempotent producers.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use pipelines::broker::{BrokerConfig, EmbeddedBroker};

use super::raw::{Raw, batch};
use super::{PATIENCE, assigned, consumer, producer, send, take, texts, topic};

pub(super) async fn transactions_are_atomic(brokers: &str) {
    let topic = topic(brokers, "txn", 2, &[]).await;
    let (id, group) = (format!("t-{topic}"), format!("tg-{topic}"));
    let producer = producer(brokers, &[("transactional.id", &id)]);
    producer.init_transactions(PATIENCE).unwrap();
    let reader = consumer(brokers, &group, &[]);
    let commit = |offset: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(offset)).unwrap();
        producer.send_offsets_to_transaction(&list, &reader.group_metadata().unwrap(), PATIENCE).unwrap();
    };
    for (text, good) in [("one", true), ("lost", false), ("two", true)] {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, None, Some(text)).await;
        send(&producer, &topic, 1, None, Some(text)).await;
        commit(if good { 1 } else { 99 });
        if good { producer.commit_transaction(PATIENCE).unwrap() } else { producer.abort_transaction(PATIENCE).unwrap() }
    }
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 0, None, Some("open")).await;
    for partition in 0..2 {
        let committed = assigned(brokers, &topic, partition, Offset::Beginning, &[("isolation.level", "read_committed")]);
        assert_eq!(texts(&take(&committed, 9, Duration::from_secs(2))), ["one", "two"]);
    }
    let everything = assigned(brokers, &topic, 0, Offset::Beginning, &[("isolation.level", "read_uncommitted")]);
    assert_eq!(texts(&take(&everything, 4, PATIENCE)), ["one", "lost", "two", "open"]);
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    assert_eq!(reader.committed_offsets(list, PATIENCE).unwrap().elements()[0].offset(), Offset::Offset(1));
}

pub(super) async fn a_newer_producer_fences_the_older_off(brokers: &str) {
    let topic = topic(brokers, "fence", 1, &[]).await;
    let id = format!("t-{topic}");
    let older = producer(brokers, &[("transactional.id", &id)]);
    older.init_transactions(PATIENCE).unwrap();
    older.begin_transaction().unwrap();
    send(&older, &topic, 0, None, Some("older")).await;
    let newer = producer(brokers, &[("transactional.id", &id)]);
    newer.init_transactions(PATIENCE).unwrap();
    newer.begin_transaction().unwrap();
    send(&newer, &topic, 0, None, Some("newer")).await;
    newer.commit_transaction(PATIENCE).unwrap();
    let fenced = older.commit_transaction(PATIENCE).unwrap_err();
    assert!(matches!(&fenced, KafkaError::Transaction(e) if e.is_fatal()), "{fenced}");
    let committed = assigned(brokers, &topic, 0, Offset::Beginning, &[("isolation.level", "read_committed")]);
    assert_eq!(texts(&take(&committed, 9, Duration::from_secs(2))), ["newer"]);
}

/// Kafka's code for a sequence number that leaves others out.
const OUT_OF_ORDER: i16 = 45;

pub(super) async fn a_repeat_is_recognised_and_a_gap_refused(brokers: &str) {
    let topic = topic(brokers, "idem", 1, &[]).await;
    let mut raw = Raw::connect(brokers);
    let me = raw.producer_id();
    let (first, second) = (batch(me, 0, &["a", "b", "c"]), batch(me, 3, &["d"]));
    assert_eq!(raw.produce(&topic, &first), (0, 0));
    assert_eq!(raw.produce(&topic, &first), (0, 0), "a repeat is answered like the first time");
    assert_eq!(raw.produce(&topic, &batch(me, 4, &["e"])).0, OUT_OF_ORDER);
    assert_eq!(raw.produce(&topic, &second), (0, 3));
    assert_eq!(raw.produce(&topic, &first), (0, 0), "also when others came between");
    assert_eq!(raw.produce(&topic, &batch(me, 4, &["e", "f"])), (0, 4));
    let another = raw.producer_id();
    assert_ne!(another.0, me.0);
    assert_eq!(raw.produce(&topic, &batch(another, 0, &["g"])), (0, 6));
    let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 9, Duration::from_secs(2));
    assert_eq!(texts(&got), ["a", "b", "c", "d", "e", "f", "g"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_broker_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await.unwrap();
    let brokers = broker.bootstrap();
    let topic = topic(&brokers, "back", 1, &[]).await;
    let id = format!("t-{topic}");
    let writer = producer(&brokers, &[("transactional.id", &id)]);
    writer.init_transactions(PATIENCE).unwrap();
    writer.begin_transaction().unwrap();
    send(&writer, &topic, 0, None, Some("done")).await;
    writer.commit_transaction(PATIENCE).unwrap();
    writer.begin_transaction().unwrap();
    send(&writer, &topic, 0, None, Some("open")).await;
    drop(writer);
    broker.shutdown().await;
    let mut config = BrokerConfig::new(folder.path());
    config.listen = brokers.parse().unwrap();
    let broker = EmbeddedBroker::start(config).await.unwrap();
    let writer = producer(&brokers, &[("transactional.id", &id)]);
    writer.init_transactions(PATIENCE).unwrap();
    let committed = assigned(&brokers, &topic, 0, Offset::Beginning, &[("isolation.level", "read_committed")]);
    assert_eq!(texts(&take(&committed, 9, Duration::from_secs(2))), ["done"]);
    broker.shutdown().await;
}
