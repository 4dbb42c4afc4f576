//! Where the broker is and how topics are made; what can go wrong.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::{Deserialize, Serialize};

/// The `[kafka]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusConfig {
    /// Brokers to ask first, as `host:port,host:port`.
    pub brokers: String,
    /// The name this process shows to the broker.
    pub client_id: String,
    /// Partitions of a topic that is made.
    pub partitions: i32,
    /// Replicas of a topic that is made.
    pub replication: i16,
    /// How long topics that are not compacted are kept, in milliseconds; −1 keeps them for ever, which backfills of old
    /// events need.
    pub retention_ms: i64,
    /// How long `inbox` is kept, in milliseconds: what is filed is kept elsewhere. It must outlast the longest rest of the gate.
    pub inbox_retention_ms: i64,
    /// How long `decks` and `pages` are kept, in milliseconds: the lake keeps them. It must outlast the longest rest of the lake writer.
    pub served_retention_ms: i64,
    /// Further librdkafka properties, such as `security.protocol` or `compression.type`; they win over the defaults here.
    pub properties: BTreeMap<String, String>,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            client_id: "hongniang".to_owned(),
            partitions: 4,
            replication: 1,
            retention_ms: -1,
            inbox_retention_ms: 7 * 86_400_000,
            served_retention_ms: 7 * 86_400_000,
            properties: BTreeMap::new(),
        }
    }
}

impl BusConfig {
    pub(crate) fn check(&self) -> Result<(), BusError> {
        let wrong = |key: &str, message: String| Err(BusError::Config { key: format!("kafka.{key}"), message });
        if self.brokers.split(',').any(|b| b.trim().is_empty() || !b.contains(':')) {
            return wrong("brokers", format!("`{}` is not a list of host:port", self.brokers));
        }
        if self.partitions < 1 {
            return wrong("partitions", format!("{} is not a number of partitions; use 1 or more", self.partitions));
        }
        if self.replication < 1 {
            return wrong("replication", format!("{} is not a number of replicas; use 1 or more", self.replication));
        }
        Ok(())
    }

    /// What every client shares.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("broker.address.family", "any")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set("topic.metadata.refresh.interval.ms", "60000");
        let shared = ["security.", "sasl.", "ssl.", "socket.", "broker.", "enable.ssl."];
        for (key, value) in self.properties.iter().filter(|(key, _)| shared.iter().any(|p| key.starts_with(p))) {
            config.set(key, value);
        }
        config
    }

    /// What every producer shares: nothing is acknowledged before it is durable, nothing is doubled by a retry.
    pub(crate) fn produce(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("compression.level", "1")
            .set("linger.ms", "2")
            .set("batch.size", "1048576")
            .set("message.max.bytes", "4000000")
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", "262144")
            .set("sticky.partitioning.linger.ms", "5")
            .set("partitioner", "murmur2_random")
            .set("delivery.timeout.ms", "30000");
        self.overrides(&mut config);
        config
    }

    /// The same for writes that somebody waits for: a record leaves at once, and has company only when others wait already. The client waits out
    /// a linger time by polling without a pause in its last millisecond, which cost a quarter of the CPU time of a page of recommendations.
    pub(crate) fn produce_promptly(&self) -> ClientConfig {
        let mut config = self.produce();
        config.set("linger.ms", "0");
        self.overrides(&mut config);
        config
    }

    /// What every reader shares: committed records only, nothing committed by itself.
    pub(crate) fn reading(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .set("fetch.wait.max.ms", "200")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "2")
            .set("fetch.max.bytes", "33554432")
            .set("max.partition.fetch.bytes", "4194304")
            .set("queued.min.messages", "50000")
            .set("queued.max.messages.kbytes", "32768")
            .set("statistics.interval.ms", "500");
        self.overrides(&mut config);
        config
    }

    pub(crate) fn overrides(&self, config: &mut ClientConfig) {
        for (key, value) in &self.properties {
            config.set(key, value);
        }
    }

    /// Wraps a client error with what was tried and where.
    pub(crate) fn error(&self, what: &str, source: KafkaError) -> BusError {
        match source.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::MessageTimedOut
                | RDKafkaErrorCode::RequestTimedOut,
            ) => BusError::Unreachable { what: what.to_owned(), brokers: self.brokers.clone(), source: Box::new(source) },
            _ => BusError::Kafka { what: what.to_owned(), brokers: self.brokers.clone(), source: Box::new(source) },
        }
    }
}

/// What can go wrong with the event log.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The configuration cannot be right.
    #[error("configuration `{key}`: {message}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// No broker answers.
    #[error("could not {what}: no answer from the broker at {brokers} ({source}); start it or correct `kafka.brokers`")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Where.
        brokers: String,
        /// What the client said.
        source: Box<KafkaError>,
    },
    /// The broker or the client refused.
    #[error("could not {what} at {brokers}: {source}")]
    Kafka {
        /// What was tried.
        what: String,
        /// Where.
        brokers: String,
        /// What the client said.
        source: Box<KafkaError>,
    },
    /// A topic is not there.
    #[error("topic `{topic}` is missing at {brokers}; `hongniang up` and `hongniang serve` make the topics, or make it by hand")]
    MissingTopic {
        /// The topic.
        topic: String,
        /// Where.
        brokers: String,
    },
    /// A job remembers more than the topic holds.
    #[error(
        "`{topic}` partition {partition} at {brokers} ends at offset {end}, but the state of `{group}` has read up to {asked}: the broker has lost \
         or changed its data; restore it, or remove the state of `{group}` to start again"
    )]
    BeyondEnd {
        /// The topic.
        topic: Box<str>,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        asked: i64,
        /// Where the partition ends.
        end: i64,
        /// Who asked.
        group: Box<str>,
        /// Where.
        brokers: Box<str>,
    },
    /// A transaction failed.
    #[error("a transaction of `{id}` at {brokers} failed while {what}: {source}")]
    Transaction {
        /// The transactional id.
        id: String,
        /// What was tried.
        what: String,
        /// Where.
        brokers: String,
        /// What the client said.
        source: Box<KafkaError>,
    },
    /// The client or the runtime went away underneath.
    #[error("the connection to the event log was closed while something waited for it")]
    Closed,
}

impl BusError {
    /// Whether the broker is only busy choosing leaders.
    pub(crate) fn is_settling(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let Self::Kafka { source, .. } = self else { return false };
        matches!(source.rdkafka_error_code(), Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable | Code::UnknownTopicOrPartition))
    }
}
