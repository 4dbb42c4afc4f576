//! Everything the broker holds, and the topics.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::ResponseError;
use tokio::sync::Notify;

use super::config::segment_bytes;
use super::groups::Group;
use super::log::Partition;
use super::meta::{Change, MetaLog};
use super::txns::Transaction;
use super::{BrokerConfig, BrokerError};

/// Partitions of the topics, by name.
pub(super) type Topics = BTreeMap<String, Vec<Arc<Mutex<Partition>>>>;

/// What changes under one lock.
pub(super) struct State {
    pub(super) meta: MetaLog,
    pub(super) topics: Topics,
    pub(super) groups: HashMap<String, Group>,
    pub(super) transactions: HashMap<String, Transaction>,
    pub(super) members_named: u64,
}

/// The broker behind its connections.
pub(super) struct Broker {
    pub(super) config: BrokerConfig,
    pub(super) address: SocketAddr,
    state: Mutex<State>,
    /// Told whenever something was appended or became stable.
    pub(super) appended: Notify,
    _lock: File,
}

/// Locks, also after a panic of another holder: every change is durable line by line.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Turns an I/O failure into the protocol's code, with a log line.
pub(super) fn storage(error: &io::Error) -> ResponseError {
    tracing::error!(%error, "the broker's disk fails");
    ResponseError::KafkaStorageError
}

fn legal(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    !name.is_empty() && name.len() <= 249 && letters && name != "." && name != ".."
}

impl Broker {
    pub(super) fn open(config: BrokerConfig, address: SocketAddr) -> Result<Self, BrokerError> {
        let io = |path: PathBuf| move |source| BrokerError::Io { path, source };
        std::fs::create_dir_all(&config.data_dir).map_err(io(config.data_dir.clone()))?;
        let lock_path = config.data_dir.join("lock");
        let lock_file = File::create(&lock_path).map_err(io(lock_path.clone()))?;
        lock_file.try_lock().map_err(|_| BrokerError::InUse(config.data_dir.clone()))?;
        let meta_path = config.data_dir.join("meta.log");
        let meta = MetaLog::open(&meta_path).map_err(io(meta_path.clone()))?;
        let mut topics = Topics::new();
        for (name, topic) in &meta.read().topics {
            let folder = config.data_dir.join("topics").join(name);
            let bytes = segment_bytes(&topic.configs, config.segment_bytes);
            let open = |p: i32| Partition::open(&folder.join(p.to_string()), bytes).map(|p| Arc::new(Mutex::new(p)));
            topics.insert(name.clone(), (0..topic.partitions).map(open).collect::<io::Result<_>>().map_err(io(folder.clone()))?);
        }
        let mut state = State { meta, topics, groups: HashMap::new(), transactions: HashMap::new(), members_named: 0 };
        state.restore_transactions().map_err(io(meta_path))?;
        Ok(Self { config, address, state: Mutex::new(state), appended: Notify::new(), _lock: lock_file })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<Arc<Mutex<Partition>>> {
        self.state().partition(topic, partition)
    }

    /// Makes a topic.
    pub(super) fn create_topic(
        &self,
        state: &mut State,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<(), ResponseError> {
        if !legal(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        if state.topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let partitions = if partitions == -1 { self.config.default_partitions } else { partitions };
        if !(1..=10_000).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        let folder = self.config.data_dir.join("topics").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|e| storage(&e))?;
        }
        state.topics.insert(name.to_owned(), self.open_partitions(name, &configs, 0..partitions)?);
        state.meta.write(Change::Topic { name: name.to_owned(), partitions, configs }).map_err(|e| storage(&e))
    }

    fn open_partitions(
        &self,
        topic: &str,
        configs: &BTreeMap<String, String>,
        range: std::ops::Range<i32>,
    ) -> Result<Vec<Arc<Mutex<Partition>>>, ResponseError> {
        let folder = self.config.data_dir.join("topics").join(topic);
        let bytes = segment_bytes(configs, self.config.segment_bytes);
        let open = |p: i32| Partition::open(&folder.join(p.to_string()), bytes).map(|p| Arc::new(Mutex::new(p)));
        range.map(open).collect::<io::Result<_>>().map_err(|e| storage(&e))
    }

    /// Adds partitions to a topic.
    pub(super) fn grow_topic(&self, state: &mut State, name: &str, count: i32) -> Result<(), ResponseError> {
        let Some(topic) = state.meta.read().topics.get(name).cloned() else { return Err(ResponseError::UnknownTopicOrPartition) };
        if count <= topic.partitions || count > 10_000 {
            return Err(ResponseError::InvalidPartitions);
        }
        let more = self.open_partitions(name, &topic.configs, topic.partitions..count)?;
        state.topics.entry(name.to_owned()).or_default().extend(more);
        state.meta.write(Change::Topic { name: name.to_owned(), partitions: count, configs: topic.configs }).map_err(|e| storage(&e))
    }

    /// Sets a topic's settings, all of them.
    pub(super) fn configure_topic(&self, state: &mut State, name: &str, configs: BTreeMap<String, String>) -> Result<(), ResponseError> {
        let Some(topic) = state.meta.read().topics.get(name) else { return Err(ResponseError::UnknownTopicOrPartition) };
        let (partitions, bytes) = (topic.partitions, segment_bytes(&configs, self.config.segment_bytes));
        state.meta.write(Change::Topic { name: name.to_owned(), partitions, configs }).map_err(|e| storage(&e))?;
        state.topics.get(name).into_iter().flatten().for_each(|partition| lock(partition).set_segment_bytes(bytes));
        Ok(())
    }

    /// Removes a topic with its data.
    pub(super) fn delete_topic(&self, state: &mut State, name: &str) -> Result<(), ResponseError> {
        let Some(partitions) = state.topics.remove(name) else { return Err(ResponseError::UnknownTopicOrPartition) };
        partitions.iter().for_each(|partition| lock(partition).delete());
        state.meta.write(Change::DeleteTopic { name: name.to_owned() }).map_err(|e| storage(&e))?;
        std::fs::remove_dir_all(self.config.data_dir.join("topics").join(name)).map_err(|e| storage(&e))
    }

    /// Forces everything to the disk.
    pub(super) fn sync(&self) {
        let partitions: Vec<_> = self.state().topics.values().flatten().cloned().collect();
        for partition in partitions {
            let files = lock(&partition).take_dirty();
            for file in files {
                if let Err(error) = file.and_then(|f| f.sync_data()) {
                    storage(&error);
                }
            }
        }
        if let Err(error) = self.state().meta.sync() {
            storage(&error);
        }
    }
}

impl State {
    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<Arc<Mutex<Partition>>> {
        let at = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.get(at).cloned()
    }
}
