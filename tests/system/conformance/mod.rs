//! One suite judges the embedded broker and Apache Kafka: what it asks of one it asks of the other.
//!
//! Apache Kafka comes from its Maven artifacts (`deploy/kafka/kafka.sh`). With `HONGNIANG_TEST_PARTS=required`, as `make test` sets it, a
//! missing one is a failure; otherwise that half is skipped and says so.

pub(crate) mod brokers;
mod cleaning;
mod codecs;
mod full_disk;
mod groups;
mod kill;
mod raw;
mod txns;

use std::future::Future;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, FutureProducer, FutureRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("log_level", "3");
    config
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    client(brokers).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

async fn topic(brokers: &str, name: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
    let name = format!("{name}-{}", uuid::Uuid::now_v7());
    // Kept for ever unless a case says otherwise: some cases write old times, which the usual seven days would remove at once.
    let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let new = configs.iter().fold(new, |t, (k, v)| t.set(k, v));
    let made = admin(brokers).create_topics(&[new], &options()).await.unwrap();
    made[0].as_ref().unwrap();
    // Apache Kafka answers before its leaders are ready.
    tokio::time::sleep(Duration::from_millis(300)).await;
    name
}

fn producer(brokers: &str, extra: &[(&str, &str)]) -> FutureProducer {
    let mut config = client(brokers);
    config.set("linger.ms", "1").set("enable.idempotence", "true");
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

async fn send(producer: &FutureProducer, topic: &str, partition: i32, key: Option<&str>, value: Option<&str>) -> i64 {
    let mut record = FutureRecord::<str, str>::to(topic).partition(partition);
    record.key = key;
    record.payload = value;
    producer.send(record, PATIENCE).await.unwrap().offset
}

fn consumer(brokers: &str, group: &str, extra: &[(&str, &str)]) -> BaseConsumer {
    let mut config = client(brokers);
    config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "100");
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn assigned(brokers: &str, topic: &str, partition: i32, from: Offset, extra: &[(&str, &str)]) -> BaseConsumer {
    let consumer = consumer(brokers, "reader", extra);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, from).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

/// At most `n` messages, or fewer when nothing comes for a while.
fn take(consumer: &BaseConsumer, n: usize, quiet: Duration) -> Vec<OwnedMessage> {
    let mut found = Vec::new();
    let mut last = Instant::now();
    while found.len() < n && last.elapsed() < quiet {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            found.push(message.detach());
            last = Instant::now();
        }
    }
    found
}

fn texts(messages: &[OwnedMessage]) -> Vec<String> {
    messages.iter().map(|m| String::from_utf8(m.payload().unwrap_or(b"null").to_vec()).unwrap()).collect()
}

async fn records_come_back_whole(brokers: &str) {
    let topic = topic(brokers, "whole", 1, &[]).await;
    let producer = producer(brokers, &[]);
    let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("甲") });
    let record = FutureRecord::to(&topic).key("k").payload("值").headers(headers).timestamp(1_700_000_000_123);
    assert_eq!(producer.send(record, PATIENCE).await.unwrap().offset, 0);
    assert_eq!(send(&producer, &topic, 0, None, Some("no key")).await, 1);
    assert_eq!(send(&producer, &topic, 0, Some("k"), None).await, 2);
    let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 3, PATIENCE);
    assert_eq!(
        (got[0].key(), got[0].payload(), got[0].timestamp().to_millis()),
        (Some("k".as_bytes()), Some("值".as_bytes()), Some(1_700_000_000_123))
    );
    assert_eq!(got[0].headers().unwrap().get(0).value, Some("甲".as_bytes()));
    assert_eq!((got[1].key(), got[2].payload()), (None, None));
}

async fn a_waiting_fetch_is_answered_when_something_comes(brokers: &str) {
    let topic = topic(brokers, "poll", 1, &[]).await;
    let reader = assigned(brokers, &topic, 0, Offset::Beginning, &[("fetch.wait.max.ms", "10000")]);
    assert!(take(&reader, 1, Duration::from_millis(600)).is_empty());
    let producer = producer(brokers, &[]);
    let begun = Instant::now();
    send(&producer, &topic, 0, None, Some("now")).await;
    assert_eq!(texts(&take(&reader, 1, PATIENCE)), ["now"]);
    assert!(begun.elapsed() < Duration::from_secs(8), "the fetch did not wait for its end");
}

async fn offsets_are_found_by_time(brokers: &str) {
    let topic = topic(brokers, "time", 1, &[]).await;
    let producer = producer(brokers, &[]);
    for i in 0..10i64 {
        let text = i.to_string();
        let record = FutureRecord::<(), _>::to(&topic).partition(0).payload(&text).timestamp(1_700_000_000_000 + i * 1000);
        producer.send(record, PATIENCE).await.unwrap();
    }
    let reader = consumer(brokers, "time", &[]);
    let at = |millis: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(millis)).unwrap();
        reader.offsets_for_times(list, PATIENCE).unwrap().elements()[0].offset()
    };
    assert_eq!(at(1_700_000_003_000), Offset::Offset(3));
    assert_eq!(at(1_700_000_003_500), Offset::Offset(4));
    assert_eq!(at(1_600_000_000_000), Offset::Offset(0));
    assert_eq!(at(1_800_000_000_000), Offset::End);
    assert_eq!(reader.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 10));
}

async fn administration(brokers: &str) {
    let topic = topic(brokers, "admin", 1, &[("cleanup.policy", "compact")]).await;
    let admin = admin(brokers);
    let config = async |name: &str| {
        let found = admin.describe_configs(&[ResourceSpecifier::Topic(&topic)], &options()).await.unwrap().remove(0).unwrap();
        found.get(name).and_then(|entry| entry.value.clone())
    };
    assert_eq!((config("retention.ms").await.as_deref(), config("cleanup.policy").await.as_deref()), (Some("-1"), Some("compact")));
    let altered = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("retention.ms", "1000");
    admin.alter_configs(&[altered], &options()).await.unwrap().remove(0).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(config("retention.ms").await.as_deref(), Some("1000"));
    admin.create_partitions(&[NewPartitions::new(&topic, 3)], &options()).await.unwrap().remove(0).unwrap();
    let again = admin.create_topics(&[NewTopic::new(&topic, 1, TopicReplication::Fixed(1))], &options()).await.unwrap().remove(0);
    assert_eq!(again.unwrap_err().1, RDKafkaErrorCode::TopicAlreadyExists);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let metadata = consumer(brokers, "admin", &[]).fetch_metadata(Some(&topic), PATIENCE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    admin.delete_topics(&[&topic], &options()).await.unwrap().remove(0).unwrap();
    let gone = admin.delete_topics(&["never-was"], &options()).await.unwrap().remove(0);
    assert_eq!(gone.unwrap_err().1, RDKafkaErrorCode::UnknownTopicOrPartition);
}

async fn deleted_records_move_the_start(brokers: &str) {
    let topic = topic(brokers, "delete", 1, &[]).await;
    let producer = producer(brokers, &[]);
    for i in 0..6 {
        send(&producer, &topic, 0, None, Some(&i.to_string())).await;
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(4)).unwrap();
    admin(brokers).delete_records(&list, &options()).await.unwrap();
    let reader = assigned(brokers, &topic, 0, Offset::Beginning, &[]);
    assert_eq!(texts(&take(&reader, 2, PATIENCE)), ["4", "5"]);
    assert_eq!(reader.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (4, 6));
}

async fn too_large_messages_are_refused(brokers: &str) {
    let topic = topic(brokers, "large", 1, &[("max.message.bytes", "2000")]).await;
    let large = "x".repeat(5000);
    let record = FutureRecord::<(), _>::to(&topic).payload(&large);
    let refused = producer(brokers, &[]).send(record, PATIENCE).await.unwrap_err().0;
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
}

async fn fifty_thousand_records_keep_their_order(brokers: &str) {
    let topic = topic(brokers, "order", 1, &[]).await;
    let mut config = client(brokers);
    config.set("enable.idempotence", "true").set("queue.buffering.max.messages", "200000").set("compression.type", "zstd");
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = config.create().unwrap();
    for i in 0..50_000u32 {
        producer.send(BaseRecord::<(), _>::to(&topic).payload(&i.to_be_bytes())).map_err(|e| e.0).unwrap();
    }
    producer.flush(Timeout::After(Duration::from_secs(60))).unwrap();
    let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 50_000, PATIENCE);
    assert!(
        got.iter().enumerate().all(|(i, m)| m.offset() == i as i64 && m.payload() == Some(&(i as u32).to_be_bytes()[..]))
            && got.len() == 50_000
    );
}

async fn kcat_speaks_to_it(brokers: &str) {
    let topic = topic(brokers, "kcat", 1, &[]).await;
    let kcat = |args: &[&str]| {
        Command::new("kcat").args(["-b", brokers, "-t", &topic]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    };
    let Ok(mut produce) = kcat(&["-P", "-k", "key"]) else {
        tests::parts::missing("kcat", "install it; `make test` does");
        return;
    };
    std::io::Write::write_all(&mut produce.stdin.take().unwrap(), "一\ntwo\n".as_bytes()).unwrap();
    assert!(produce.wait().unwrap().success());
    let consumed = kcat(&["-C", "-e", "-q", "-f", "%k=%s@%o\n"]).unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8(consumed.stdout).unwrap(), "key=一@0\nkey=two@1\n");
}

async fn case<F: Future<Output = ()>>(name: &str, run: F) {
    let begun = Instant::now();
    tokio::time::timeout(Duration::from_secs(90), run).await.unwrap_or_else(|_| panic!("{name}: not done after 90 s"));
    println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
}

async fn suite(brokers: &str) {
    case("records come back whole", records_come_back_whole(brokers)).await;
    case("codecs", codecs::batches_are_stored_as_they_come(brokers)).await;
    case("poison", codecs::batches_that_cannot_be_unpacked_are_refused(brokers)).await;
    case("long poll", a_waiting_fetch_is_answered_when_something_comes(brokers)).await;
    case("offsets by time", offsets_are_found_by_time(brokers)).await;
    case("groups", groups::groups_share_out_commit_and_take_over(brokers)).await;
    case("a member dies", groups::the_share_of_a_member_that_dies_goes_to_the_others(brokers)).await;
    case("owners", groups::one_owns_a_job_and_a_newcomer_does_not_disturb(brokers)).await;
    case("labels", groups::another_label_begins_anew(brokers)).await;
    case("transactions", txns::transactions_are_atomic(brokers)).await;
    case("fencing", txns::a_newer_producer_fences_the_older_off(brokers)).await;
    case("idempotence", txns::a_repeat_is_recognised_and_a_gap_refused(brokers)).await;
    case("administration", administration(brokers)).await;
    case("delete records", deleted_records_move_the_start(brokers)).await;
    case("too large", too_large_messages_are_refused(brokers)).await;
    case("order", fifty_thousand_records_keep_their_order(brokers)).await;
    case("no key", cleaning::a_compacted_topic_is_made_to_take_records_without_a_key(brokers)).await;
    case("compaction", cleaning::of_each_key_the_newest_is_left(brokers)).await;
    case("the end after compaction", cleaning::the_end_is_reached_over_what_compaction_took(brokers)).await;
    case("retention by time", cleaning::what_is_too_old_goes(brokers)).await;
    case("retention by size", cleaning::what_is_too_much_goes(brokers)).await;
    case("kcat", kcat_speaks_to_it(brokers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_broker_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let config = BrokerConfig { cleanup_interval: Duration::from_millis(300), ..BrokerConfig::new(folder.path()) };
    let broker = EmbeddedBroker::start(config).await.unwrap();
    suite(&broker.bootstrap()).await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_kafka_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut kafka) = brokers::Process::apache(folder.path()).await else { return };
    suite(&kafka.brokers).await;
    kill::acknowledged_records_outlive_kills(&mut kafka).await;
}
