//! One suite judges the embedded broker and Apache Kafka: what it asks of one it asks of the other.
//!
//! Apache Kafka comes from its Maven artifacts (`deploy/kafka/kafka.sh`). With `HONGNIANG_TEST_PARTS=required`, as `make test` sets it, a
//! missing one is a failure; otherwise that half is skipped and says so.

use std::future::Future;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, FutureProducer, FutureRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::layout::root;

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

async fn codecs_are_stored_as_they_come(brokers: &str) {
    for codec in ["none", "gzip", "zstd"] {
        let topic = topic(brokers, codec, 1, &[]).await;
        let producer = producer(brokers, &[("compression.type", codec)]);
        let all: Vec<String> = (0..200).map(|i| format!("{i} 爬山爬山爬山爬山爬山")).collect();
        for text in &all {
            send(&producer, &topic, 0, Some("k"), Some(text)).await;
        }
        let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 200, PATIENCE);
        assert_eq!(texts(&got), all, "{codec}");
    }
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

async fn groups_share_out_commit_and_take_over(brokers: &str) {
    let topic = topic(brokers, "group", 4, &[]).await;
    let group = format!("g-{topic}");
    let producer = producer(brokers, &[]);
    for i in 0..40 {
        send(&producer, &topic, i % 4, None, Some(&i.to_string())).await;
    }
    let member = || {
        let member = consumer(brokers, &group, &[("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")]);
        member.subscribe(&[&topic]).unwrap();
        member
    };
    let (first, second) = (member(), member());
    let deadline = Instant::now() + Duration::from_secs(40);
    let shares = |a: &BaseConsumer, b: &BaseConsumer| (a.assignment().unwrap().count(), b.assignment().unwrap().count());
    while shares(&first, &second) != (2, 2) {
        first.poll(Duration::from_millis(50));
        second.poll(Duration::from_millis(50));
        assert!(Instant::now() < deadline, "the group does not settle: {:?}", shares(&first, &second));
    }
    first.unsubscribe();
    drop(first);
    while second.assignment().unwrap().count() != 4 {
        second.poll(Duration::from_millis(50));
        assert!(Instant::now() < deadline + Duration::from_secs(20), "nobody takes over");
    }
    let mut done = TopicPartitionList::new();
    (0..4).for_each(|p| done.add_partition_offset(&topic, p, Offset::Offset(7)).unwrap());
    second.commit(&done, CommitMode::Sync).unwrap();
    drop(second);
    let committed = consumer(brokers, &group, &[]).committed_offsets(done, PATIENCE).unwrap();
    assert!(committed.elements().iter().all(|e| e.offset() == Offset::Offset(7)), "{committed:?}");
}

async fn transactions_are_atomic(brokers: &str) {
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

async fn a_newer_producer_fences_the_older_off(brokers: &str) {
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
    case("codecs", codecs_are_stored_as_they_come(brokers)).await;
    case("long poll", a_waiting_fetch_is_answered_when_something_comes(brokers)).await;
    case("offsets by time", offsets_are_found_by_time(brokers)).await;
    case("groups", groups_share_out_commit_and_take_over(brokers)).await;
    case("transactions", transactions_are_atomic(brokers)).await;
    case("fencing", a_newer_producer_fences_the_older_off(brokers)).await;
    case("administration", administration(brokers)).await;
    case("delete records", deleted_records_move_the_start(brokers)).await;
    case("too large", too_large_messages_are_refused(brokers)).await;
    case("order", fifty_thousand_records_keep_their_order(brokers)).await;
    case("kcat", kcat_speaks_to_it(brokers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_broker_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.path())).await.unwrap();
    suite(&broker.bootstrap()).await;
    broker.shutdown().await;
}

/// A running Apache Kafka; killed when dropped.
struct ApacheKafka(Child);

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may be gone already
        let _ = self.0.wait();
    }
}

/// Two free ports in a row, for broker and controller; below those that the system gives to others by itself, so that nobody takes them
/// between the look and the start.
fn free_pair() -> u16 {
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let begin = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap() * 2;
    (begin..30_100).step_by(2).find(|port| free(*port) && free(port + 1)).expect("two free ports")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_kafka_conforms() {
    let script = root().join("deploy/kafka/kafka.sh");
    let fetched = Command::new(&script).arg("fetch").status().is_ok_and(|s| s.success());
    if !fetched {
        tests::parts::missing("Apache Kafka", "`deploy/kafka/kafka.sh fetch` gets it, and says why it cannot");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_pair();
    let mut kafka = ApacheKafka(Command::new(&script).args(["run", &port.to_string()]).arg(folder.path()).spawn().unwrap());
    let brokers = format!("127.0.0.1:{port}");
    let deadline = Instant::now() + Duration::from_secs(90);
    while consumer(&brokers, "probe", &[]).fetch_metadata(None, Duration::from_secs(1)).is_err() {
        assert!(
            Instant::now() < deadline && kafka.0.try_wait().unwrap().is_none(),
            "Apache Kafka does not start: {}",
            std::fs::read_to_string(folder.path().join("kafka.log")).unwrap_or_default()
        );
    }
    suite(&brokers).await;
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
