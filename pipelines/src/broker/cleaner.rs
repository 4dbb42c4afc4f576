//! What happens by itself: group deadlines, overdue transactions, forcing to the disk, retention and compaction.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::config::{compacts, deletes, number, policy};
use super::log::{Partition, Policy};
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

/// Compacts a partition, if that is worth its cost; the lock is held only before and after.
fn compact(partition: &Mutex<Partition>, now_ms: i64, policy: &Policy) -> io::Result<()> {
    let plan = lock(partition).plan_compaction(now_ms, policy)?;
    let Some(plan) = plan else { return Ok(()) };
    let compacted = plan.work()?;
    let dropped = lock(partition).install(compacted)?;
    tracing::debug!(dropped, "compacted");
    Ok(())
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
                let mut result = Ok(());
                if deletes(&configs) {
                    let (ms, bytes) = (number(&configs, "retention.ms"), number(&configs, "retention.bytes"));
                    result = lock(&partition).apply_retention(now_ms, ms, bytes);
                }
                if compacts(&configs) && result.is_ok() {
                    result = compact(&partition, now_ms, &policy(&configs));
                }
                if let Err(error) = result {
                    storage(&error);
                }
            }
        }
        self.appended.notify_waiters();
    }
}
