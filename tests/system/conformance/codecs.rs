//! Compressed batches.

use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::Offset;

use super::raw::{Raw, batch, unreadable};
use super::{PATIENCE, assigned, client, take, texts, topic};

/// Codecs with their number in a batch's attributes.
const CODECS: [(&str, u8); 5] = [("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)];

/// Many records a batch, so that there is something to compress; looked at as the broker serves them, and read.
pub(super) async fn batches_are_stored_as_they_come(brokers: &str) {
    for (codec, number) in CODECS {
        let topic = topic(brokers, codec, 1, &[]).await;
        let mut config = client(brokers);
        config.set("enable.idempotence", "true").set("linger.ms", "200").set("compression.type", codec);
        let producer: FutureProducer = config.create().unwrap();
        let all: Vec<String> = (0..500).map(|i| format!("{i} 爬山爬山爬山爬山爬山")).collect();
        let sent = all.iter().map(|text| producer.send(FutureRecord::to(&topic).key("k").payload(text), PATIENCE));
        for sent in futures::future::join_all(sent).await {
            sent.unwrap();
        }
        let batches = Raw::connect(brokers).batches(&topic, 0);
        assert!(batches.iter().any(|b| b.records > 100), "{codec}: {batches:?}");
        for batch in batches.iter().filter(|b| b.records > 1) {
            assert_eq!(batch.codec, number, "{codec}: {batches:?}");
        }
        let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), all.len(), PATIENCE);
        assert_eq!(texts(&got), all, "{codec}");
    }
}

/// A batch that no reader could unpack would stop every one that comes to it.
pub(super) async fn batches_that_cannot_be_unpacked_are_refused(brokers: &str) {
    let topic = topic(brokers, "poison", 1, &[]).await;
    for (codec, number) in CODECS {
        let mut raw = Raw::connect(brokers);
        let producer = raw.producer_id();
        let good = batch(producer, 0, &["一", "two", "three"]);
        let (error, _) = raw.produce(&topic, &unreadable(good.clone(), number));
        assert_ne!(error, 0, "{codec}");
        // And the good one is taken, from the same producer with the same number.
        assert_eq!(raw.produce(&topic, &good).0, 0, "{codec}");
    }
    let got = take(&assigned(brokers, &topic, 0, Offset::Beginning, &[]), 3 * CODECS.len(), PATIENCE);
    assert_eq!(texts(&got), ["一", "two", "three"].repeat(CODECS.len()));
}
