//! Taking single records out of all logs.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{Broker, lock};

/// For so long it is waited for transactions that are open.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause before segments are looked at again that changed meanwhile.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether a record of a topic with this key and value is meant.
pub type Named<'a> = &'a (dyn Fn(&str, Option<&[u8]>, Option<&[u8]>) -> bool + Sync);

/// Takes single records out of the logs of an embedded broker.
#[derive(Clone)]
pub struct Scrubber(Arc<Broker>);

impl Scrubber {
    pub(super) fn new(broker: Arc<Broker>) -> Self {
        Self(broker)
    }

    /// Removes every record of every topic that `named` (topic, key, value) names, and whatever bytes there were of it; how many by topic. With `dry` they are only counted. Offsets of
    /// all others stay. Blocks for as long as it takes to read all logs.
    ///
    /// # Errors
    /// When a log cannot be read or written, or a transaction stays open for a minute; what was removed stays removed.
    pub fn scrub(&self, dry: bool, named: Named<'_>) -> io::Result<BTreeMap<String, u64>> {
        let topics: Vec<_> = self.0.state().topics.iter().map(|(name, partitions)| (name.clone(), partitions.clone())).collect();
        let mut found = BTreeMap::new();
        for (topic, partitions) in topics {
            for partition in partitions {
                let until = Instant::now() + PATIENCE;
                loop {
                    let plan = lock(&partition).plan_scrub(dry)?;
                    let undecided = plan.undecided && !dry;
                    let scrubbed = plan.work(&|key, value| named(&topic, key, value), dry)?;
                    let here = scrubbed.found;
                    let installed = dry || lock(&partition).install_scrubbed(scrubbed)?;
                    if installed && here > 0 {
                        *found.entry(topic.clone()).or_default() += here;
                    }
                    if installed && !undecided {
                        break;
                    }
                    if Instant::now() > until {
                        return Err(io::Error::other(format!("a transaction over `{topic}` stays open; it is tried again")));
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
        self.0.appended.notify_waiters();
        Ok(found)
    }
}
