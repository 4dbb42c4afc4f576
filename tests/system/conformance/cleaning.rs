//! Compaction and retention, as a client sees them. Apache Kafka closes a segment when something is written to it that is `segment.ms` younger,
//! so whoever waits for it writes on.

use std::time::{Duration, Instant};

use pipelines::bus::{Bus, BusConfig};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::topic_partition_list::Offset;

use super::{PATIENCE, assigned, consumer, producer, send, take, topic};

/// Looks until it is content.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> (T, bool)) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (found, content) = look().await;
        if content {
            return found;
        }
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

fn key(message: &OwnedMessage) -> String {
    String::from_utf8(message.key().unwrap().to_vec()).unwrap()
}

pub(super) async fn of_each_key_the_newest_is_left(brokers: &str) {
    for codec in ["none", "gzip", "lz4"] {
        let quick =
            [("cleanup.policy", "compact"), ("segment.ms", "200"), ("min.cleanable.dirty.ratio", "0.01"), ("delete.retention.ms", "100")];
        let topic = topic(brokers, "compact", 1, &quick).await;
        let producer = producer(brokers, &[("compression.type", codec), ("linger.ms", "50")]);
        for round in 0..3 {
            let sent = (0..40).map(|k| {
                let record = (format!("k{k}"), format!("{k} in round {round} 爬山爬山爬山爬山爬山爬山"));
                let (producer, topic) = (&producer, &topic);
                async move { producer.send(FutureRecord::to(topic).key(&record.0).payload(&record.1), PATIENCE).await.unwrap() }
            });
            futures::future::join_all(sent).await;
        }
        send(&producer, &topic, 0, Some("k7"), None).await;
        let left = until("one record for each key, and none for the one that was erased", async || {
            send(&producer, &topic, 0, Some("tick"), Some("tick")).await;
            let all = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 1_000, Duration::from_millis(700));
            let mine: Vec<OwnedMessage> = all.into_iter().filter(|m| key(m) != "tick").collect();
            let content = mine.len() == 39;
            (mine, content)
        })
        .await;
        let mut keys: Vec<String> = left.iter().map(key).collect();
        assert!(left.windows(2).all(|pair| pair[0].offset() < pair[1].offset()), "{codec}: in order");
        assert!(left.iter().all(|m| (80..120).contains(&m.offset())), "{codec}: those of the last round, at their offsets");
        keys.sort();
        let mut expected: Vec<String> = (0..40).filter(|k| *k != 7).map(|k| format!("k{k}")).collect();
        expected.sort();
        assert_eq!(keys, expected, "{codec}");
    }
}

/// Arroyo's rows have no key, and Apache Kafka refuses such records where a topic is compacted.
pub(super) async fn a_compacted_topic_is_made_to_take_records_without_a_key(brokers: &str) {
    let topic = topic(brokers, "keyless", 1, &[("cleanup.policy", "compact")]).await;
    let bus = Bus::new(BusConfig { brokers: brokers.to_owned(), ..BusConfig::default() }).unwrap();
    bus.keep_without_keys(&topic).await.unwrap();
    let producer = producer(brokers, &[]);
    until("a record without a key is taken", async || {
        let record = FutureRecord::<str, str>::to(&topic).payload("without a key");
        ((), producer.send(record, PATIENCE).await.is_ok())
    })
    .await;
    let all = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 1, PATIENCE);
    assert_eq!((all.len(), all[0].key(), all[0].payload()), (1, None, Some(&b"without a key"[..])));
}

/// The last offset of a topic that transactions fill is a marker, and no reader sees it. One that starts there must still get to the end.
pub(super) async fn the_end_is_reached_over_what_compaction_took(brokers: &str) {
    let quick = [("cleanup.policy", "compact"), ("segment.ms", "200"), ("min.cleanable.dirty.ratio", "0.01")];
    let topic = topic(brokers, "tail", 1, &quick).await;
    let producer = producer(brokers, &[("transactional.id", &topic)]);
    producer.init_transactions(PATIENCE).unwrap();
    for value in ["1", "2"] {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, Some("k"), Some(value)).await;
        producer.commit_transaction(PATIENCE).unwrap();
    }
    // The embedded broker compacts meanwhile; Apache Kafka leaves the end of a topic alone.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let reading = [("isolation.level", "read_committed"), ("enable.partition.eof", "true")];
    for from in 0..=4 {
        let reader = assigned(brokers, &topic, 0, Offset::Offset(from), &reading);
        until(&format!("the end, from {from}"), async || ((), matches!(reader.poll(PATIENCE), Some(Err(KafkaError::PartitionEOF(0))))))
            .await;
    }
}

pub(super) async fn what_is_too_old_goes(brokers: &str) {
    let topic = topic(brokers, "old", 1, &[("retention.ms", "60000"), ("segment.ms", "1000")]).await;
    let producer = producer(brokers, &[]);
    let hour_ago = chrono::Utc::now().timestamp_millis() - 3_600_000;
    for i in 0..5i64 {
        let text = i.to_string();
        let record = FutureRecord::<(), _>::to(&topic).partition(0).payload(&text).timestamp(hour_ago + i);
        producer.send(record, PATIENCE).await.unwrap();
    }
    let reader = consumer(brokers, "old", &[]);
    let ends = async || reader.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
    until("the old ones are gone", async || ((), ends().await == (5, 5))).await;
    assert_eq!(send(&producer, &topic, 0, None, Some("fresh")).await, 5);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ends().await, (5, 6), "the fresh one stays");
}

pub(super) async fn what_is_too_much_goes(brokers: &str) {
    const SEGMENT: i64 = 1 << 20; // Apache Kafka allows no less
    let bytes = SEGMENT.to_string();
    let topic = topic(brokers, "much", 1, &[("retention.bytes", &bytes), ("segment.bytes", &bytes)]).await;
    let producer = producer(brokers, &[("compression.type", "none")]);
    let large = "x".repeat(100_000);
    for _ in 0..60 {
        send(&producer, &topic, 0, None, Some(&large)).await;
    }
    let reader = consumer(brokers, "much", &[]);
    let ends = async || reader.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
    let (low, high) = until("less is left", async || {
        let (low, high) = ends().await;
        ((low, high), low >= 30)
    })
    .await;
    assert_eq!(high, 60);
    assert!((high - low) * 100_000 >= SEGMENT - 200_000, "no less is left than was to be kept: {low}");
    let first = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 1, PATIENCE);
    assert_eq!(first[0].offset(), low);
}
