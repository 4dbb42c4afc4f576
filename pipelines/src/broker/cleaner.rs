//! What happens by itself: group deadlines, overdue transactions, forcing to the disk, retention and compaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::config::{compacts, deletes, number};
use super::state::{Broker, lock, storage};

const TICK: Duration = Duration::from_millis(50);

/// Runs until told to stop.
pub(super) async fn run(broker: Arc<Broker>, stop: CancellationToken) {
    let (mut synced, mut cleaned) = (Instant::now(), Instant::now());
    let mut tick = tokio::time::interval(TICK);
    while !stop.is_cancelled() {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = Instant::now();
        broker.tick(now);
        let sync = now.duration_since(synced) >= broker.config.sync_interval;
        let clean = now.duration_since(cleaned) >= broker.config.cleanup_interval;
        if sync || clean {
            let work = Arc::clone(&broker);
            let done = tokio::task::spawn_blocking(move || {
                if sync {
                    work.sync();
                }
                if clean {
                    work.clean(super::now_ms());
                }
            });
            if let Err(error) = done.await {
                tracing::error!(%error, "the cleaner stumbled");
            }
            if sync {
                synced = Instant::now();
            }
            if clean {
                cleaned = Instant::now();
            }
        }
    }
}

impl Broker {
    fn tick(&self, now: Instant) {
        let mut state = self.state();
        state.groups.values_mut().for_each(|group| group.advance(now));
        state.abort_overdue(now);
        drop(state);
    }

    /// Retention and compaction of every topic.
    pub(super) fn clean(&self, now_ms: i64) {
        let topics: Vec<_> = {
            let state = self.state();
            let with_config = |(name, partitions): (&String, &Vec<_>)| {
                state.meta.read().topics.get(name).map(|t| (t.configs.clone(), partitions.clone()))
            };
            state.topics.iter().filter_map(with_config).collect()
        };
        for (configs, partitions) in topics {
            for partition in partitions {
                let mut partition = lock(&partition);
                let mut result = Ok(());
                if deletes(&configs) {
                    result = partition.apply_retention(now_ms, number(&configs, "retention.ms"), number(&configs, "retention.bytes"));
                }
                if compacts(&configs) && result.is_ok() {
                    result = partition.compact_if_worth(now_ms, number(&configs, "delete.retention.ms"));
                }
                if let Err(error) = result {
                    storage(&error);
                }
            }
        }
        self.appended.notify_waiters();
    }
}
