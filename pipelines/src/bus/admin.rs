//! Making topics, asking where they begin and end, and whether anybody answers.

use std::time::{Duration, Instant};

use features::generation;
use features::sets::feature_sets;
use features::topic::{Cleanup, Topic};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{Bus, BusConfig, BusError, Offsets, blocking, ownership};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Room for a refused megabyte in base64.
const MAX_MESSAGE_BYTES: &str = "4194304";

/// A day after a tombstone or a newer record came, the older one is gone, however little else came.
const COMPACTION_LAG_MS: &str = "86400000";

impl Bus {
    /// Makes every fixed topic and every feature topic that is not there yet.
    ///
    /// # Errors
    /// When the broker does not answer or refuses a topic.
    pub async fn ensure_topics(&self) -> Result<(), BusError> {
        let mut topics: Vec<(String, Cleanup)> = Topic::ALL.iter().map(|t| (t.name().to_owned(), t.cleanup())).collect();
        topics.extend(feature_sets().iter().map(|set| (set.topic(), Cleanup::Compact)));
        let single = [(ownership::TOPIC.to_owned(), Cleanup::Delete), (generation::TOPIC.to_owned(), Cleanup::Compact)];
        self.make(&single, 1).await?;
        self.make_topics(&topics).await
    }

    /// Makes the topics that are not there yet.
    ///
    /// # Errors
    /// When the broker does not answer or refuses a topic.
    pub async fn make_topics(&self, topics: &[(String, Cleanup)]) -> Result<(), BusError> {
        self.make(topics, self.config().partitions).await
    }

    async fn make(&self, topics: &[(String, Cleanup)], partitions: i32) -> Result<(), BusError> {
        let admin: AdminClient<DefaultClientContext> = self.create(&self.config().client())?;
        let [kept, inbox_kept, served_kept] =
            [self.config().retention_ms, self.config().inbox_retention_ms, self.config().served_retention_ms].map(|ms| ms.to_string());
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|(name, cleanup)| {
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(i32::from(self.config().replication)))
                    .set("max.message.bytes", MAX_MESSAGE_BYTES);
                match cleanup {
                    Cleanup::Delete => {
                        let retention = match Topic::ALL.into_iter().find(|topic| topic.name() == name) {
                            Some(Topic::Inbox) => &inbox_kept,
                            Some(Topic::Decks | Topic::Pages) => &served_kept,
                            _ => &kept,
                        };
                        topic.set("cleanup.policy", "delete").set("retention.ms", retention)
                    }
                    Cleanup::Compact => topic.set("cleanup.policy", "compact").set("max.compaction.lag.ms", COMPACTION_LAG_MS),
                }
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        let results = admin.create_topics(&new, &options).await.map_err(|e| self.config().error("make topics", e))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(self.config().error(&format!("make topic `{topic}`"), KafkaError::AdminOp(code)));
                }
            }
        }
        // Made is not yet ready: leaders are chosen a moment later, and a broker may be asked before it has heard of the topic.
        let names: Vec<String> = topics.iter().map(|(name, _)| name.clone()).collect();
        let until = Instant::now() + TIMEOUT;
        loop {
            match self.bounds(&names).await {
                Err(BusError::MissingTopic { .. }) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(100)).await,
                answer => return answer.map(drop),
            }
        }
    }

    /// Makes a topic keep every record for ever, also those without a key: Arroyo's rows have none, and Apache Kafka refuses them where topics are
    /// compacted.
    ///
    /// # Errors
    /// When the broker does not answer or refuses the settings.
    pub async fn keep_without_keys(&self, topic: &str) -> Result<(), BusError> {
        let admin: AdminClient<DefaultClientContext> = self.create(&self.config().client())?;
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic))
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("max.message.bytes", MAX_MESSAGE_BYTES);
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        let what = format!("change the settings of `{topic}`");
        let results = admin.alter_configs(&[change], &options).await.map_err(|e| self.config().error(&what, e))?;
        match results.into_iter().next() {
            Some(Err((_, code))) => Err(self.config().error(&what, KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }

    /// Whether a broker answers within `timeout`.
    ///
    /// # Errors
    /// [`BusError::Unreachable`] when none does.
    pub async fn ping(&self, timeout: Duration) -> Result<(), BusError> {
        let (probe, config) = (self.probe()?, self.config().clone());
        blocking(move || {
            let metadata = probe.fetch_metadata(Some(Topic::Inbox.name()), timeout).map_err(|e| config.error("reach the event log", e))?;
            if metadata.brokers().is_empty() {
                return Err(config.error("find a broker", KafkaError::MetadataFetch(RDKafkaErrorCode::AllBrokersDown)));
            }
            Ok(())
        })
        .await
    }

    /// The end of every partition: the offset the next record will take.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn end_offsets(&self, topics: &[String]) -> Result<Offsets, BusError> {
        Ok(self.bounds(topics).await?.1)
    }

    /// The beginning of every partition: the oldest offset that is still there.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn beginning_offsets(&self, topics: &[String]) -> Result<Offsets, BusError> {
        Ok(self.bounds(topics).await?.0)
    }

    pub(crate) async fn bounds(&self, topics: &[String]) -> Result<(Offsets, Offsets), BusError> {
        let (probe, config, topics) = (self.probe()?, self.config().clone(), topics.to_vec());
        blocking(move || {
            let (mut low, mut high) = (Offsets::default(), Offsets::default());
            for topic in &topics {
                for partition in partitions(&probe, &config, topic)? {
                    let what = format!("ask for the ends of `{topic}` partition {partition}");
                    let ends = patiently(|| probe.fetch_watermarks(topic, partition, TIMEOUT).map_err(|e| config.error(&what, e)));
                    let (first, end) = ends?;
                    low.set(topic, partition, first);
                    high.set(topic, partition, end);
                }
            }
            Ok((low, high))
        })
        .await
    }

    /// What a group has committed; partitions without a commit are absent.
    ///
    /// # Errors
    /// When the broker does not answer or a topic is missing.
    pub async fn committed(&self, group: &str, topics: &[String]) -> Result<Offsets, BusError> {
        let mut client = self.config().client();
        client.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        self.config().overrides(&mut client);
        let (probe, config, topics, group) = (self.probe()?, self.config().clone(), topics.to_vec(), group.to_owned());
        blocking(move || {
            let consumer: BaseConsumer = client.create().map_err(|e| config.error("make a client", e))?;
            let mut list = TopicPartitionList::new();
            for topic in &topics {
                for partition in partitions(&probe, &config, topic)? {
                    list.add_partition(topic, partition);
                }
            }
            let what = format!("ask for the offsets of group `{group}`");
            consumer.committed_offsets(list, TIMEOUT).map(|list| Offsets::from_list(&list)).map_err(|e| config.error(&what, e))
        })
        .await
    }
}

/// Asks again for a few seconds while the broker is still choosing leaders, as it does after topics were made or a broker went.
fn patiently<T>(ask: impl Fn() -> Result<T, BusError>) -> Result<T, BusError> {
    let until = Instant::now() + TIMEOUT;
    loop {
        match ask() {
            Err(error) if error.is_settling() && Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
            answer => return answer,
        }
    }
}

fn partitions(probe: &BaseConsumer, config: &BusConfig, topic: &str) -> Result<Vec<i32>, BusError> {
    let what = format!("ask for the partitions of `{topic}`");
    let metadata = patiently(|| {
        let metadata = probe.fetch_metadata(Some(topic), TIMEOUT).map_err(|e| config.error(&what, e))?;
        let leaderless = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions).any(|p| p.leader() < 0);
        if leaderless {
            return Err(config.error(&what, KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)));
        }
        Ok(metadata)
    })?;
    let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none() && !t.partitions().is_empty());
    let missing = || BusError::MissingTopic { topic: topic.to_owned(), brokers: config.brokers.clone() };
    let mut ids: Vec<i32> = found.ok_or_else(missing)?.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    ids.sort_unstable();
    Ok(ids)
}
