//! The embedded broker: a small, durable, single-node event log that speaks the Kafka protocol over loopback.
//!
//! It is the default of one developer's laptop; `rdkafka`, kcat and Arroyo talk to it as they would to Apache Kafka, and one
//! conformance suite judges both. What it promises:
//!
//! - A produce request is answered after its batches were written to the partition's log: they survive `kill -9` of the process. (A power cut may take
//!   the last [`BrokerConfig::sync_interval`].) Batches are checked by CRC on arrival and on opening; a torn tail is cut.
//! - Idempotent producers are de-duplicated, gaps refused. Transactions are atomic over partitions and group offsets: the decision is one line of
//!   the metadata log, markers missing after a crash are written on opening. Readers see committed records only when they ask for that.
//! - Batches are stored as received and served as stored.
//! - Retention by time and size, compaction by key, on closed segments, in the background; offsets never change.
//!
//! Deliberately absent: replication, access control, quotas. It listens on loopback only, unless told otherwise.

mod api;
mod cleaner;
mod config;
mod groups;
mod log;
mod meta;
mod scrub;
mod server;
mod state;
mod txns;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::scrub::{Named, Scrubber};
use self::state::Broker;

/// How the embedded broker runs.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Where the logs lie.
    pub data_dir: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Partitions of topics that are made by being used.
    pub default_partitions: i32,
    /// Whether topics are made by being used.
    pub auto_create_topics: bool,
    /// Size at which a segment is closed, in bytes.
    pub segment_bytes: u64,
    /// How often retention and compaction run.
    pub cleanup_interval: Duration,
    /// How often written data is forced to the disk.
    pub sync_interval: Duration,
}

impl BrokerConfig {
    /// Defaults over a folder: a free loopback port, four partitions, 64 MiB segments.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            default_partitions: 4,
            auto_create_topics: true,
            segment_bytes: 64 << 20,
            cleanup_interval: Duration::from_secs(60),
            sync_interval: Duration::from_secs(1),
        }
    }
}

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The data folder belongs to a running broker.
    #[error("{0} is in use by another process; stop it, or choose another data folder")]
    InUse(PathBuf),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}; check permissions and free space")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running broker. Dropping it stops it.
pub struct EmbeddedBroker {
    address: SocketAddr,
    broker: Arc<Broker>,
    stop: CancellationToken,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Opens the logs and begins to listen.
    ///
    /// # Errors
    /// When the folder is in use or unreadable, or the address taken.
    pub async fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let listener =
            tokio::net::TcpListener::bind(config.listen).await.map_err(|source| BrokerError::Listen { address: config.listen, source })?;
        let address = listener.local_addr().map_err(|source| BrokerError::Listen { address: config.listen, source })?;
        let broker = tokio::task::spawn_blocking(move || Broker::open(config, address)).await.expect("opening does not panic")?;
        let broker = Arc::new(broker);
        let stop = CancellationToken::new();
        let server = tokio::spawn(server::serve(Arc::clone(&broker), listener, stop.clone()));
        tracing::info!(%address, "embedded broker listens");
        Ok(Self { address, broker, stop, server: Some(server) })
    }

    /// What clients put into `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// What takes single records out of the logs.
    pub fn scrubber(&self) -> Scrubber {
        Scrubber::new(Arc::clone(&self.broker))
    }

    /// Stops listening and forces everything to the disk.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "embedded broker ended badly");
        }
        let broker = Arc::clone(&self.broker);
        tokio::task::spawn_blocking(move || broker.sync()).await.expect("syncing does not panic");
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests;
