//! The ledger feed: `interactions` into the ledger of a serving node.
//!
//! At the start the ledger is restored from its snapshot, then from the tail of `interactions`, then from that part of `inbox` which the gate has not
//! filed yet: what was acknowledged before a crash is in force before the node says that it is ready.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use features::event::{Event, InteractionEvent, ProfileKind};
use features::ids::UserId;
use features::topic::Topic;
use index::IndexError;
use index::ledger::Ledger;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use crate::bus::{Bus, Offsets, Reader, Record};
use crate::embedder::user_of;
use crate::forget::Wishes;
use crate::gate;
use crate::snapshots::SnapshotStore;
use crate::supervisor::{JobContext, JobError};

/// The name of the job and of its group.
pub const NAME: &str = "ledger";

/// The `[ledger]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerConfig {
    /// How often the ledger is saved, in seconds.
    pub snapshot_s: u64,
    /// Exposures older than so many days are dropped; at least the exposure window of recommendations.
    pub keep_days: u32,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { snapshot_s: 60, keep_days: 60 }
    }
}

/// The feed.
pub struct LedgerFeed {
    bus: Bus,
    ledger: Arc<Ledger>,
    snapshot: PathBuf,
    config: LedgerConfig,
    caught_up: watch::Sender<bool>,
    wishes: Wishes,
}

/// What a record says to the ledger.
enum Word {
    Interaction(Box<InteractionEvent>),
    Forget(UserId),
}

fn word(record: &Record) -> Option<Word> {
    let Some(value) = &record.value else { return user_of(record).map(Word::Forget) };
    match Event::decode(value) {
        Ok(Event::Interaction(i)) => Some(Word::Interaction(Box::new(i))),
        Ok(Event::Profile(p)) if p.kind == ProfileKind::Erased => Some(Word::Forget(p.user_id)),
        _ => None, // other events are none of the ledger's business; garbage in `inbox` is the gate's
    }
}

impl LedgerFeed {
    /// A feed; `caught_up` turns true when everything acknowledged before the start is in the ledger. `node` holds the state of this node.
    pub fn new(
        bus: Bus,
        ledger: Arc<Ledger>,
        snapshot: PathBuf,
        config: LedgerConfig,
        caught_up: watch::Sender<bool>,
        node: &SnapshotStore,
    ) -> Self {
        Self { bus, ledger, snapshot, config, caught_up, wishes: Wishes::new(node, NAME) }
    }

    /// Runs until shutdown; the ledger is saved then.
    ///
    /// # Errors
    /// When the event log or the snapshot's folder fails; the next start goes on from the last snapshot.
    pub async fn run(mut self, context: JobContext) -> Result<(), JobError> {
        let topics: Vec<String> = [Topic::Interactions, Topic::Profiles].iter().map(|t| t.name().to_owned()).collect();
        context.progress.reads(&topics);
        let path = self.snapshot.clone();
        let loaded = spawn_blocking(move || Ledger::load(&path)).await.map_err(|e| JobError::failed("load the ledger", e))?;
        let from = match loaded {
            Ok((ledger, offsets)) if self.ledger.is_empty() => {
                self.ledger.replace(ledger);
                Offsets::from_named(&offsets)
            }
            Ok(_) => Offsets::default(),
            Err(error) => {
                tracing::warn!(%error, "reading the interactions from the beginning");
                Offsets::default()
            }
        };
        let mut begin = self.bus.beginning_offsets(&topics).await?;
        begin.merge(&from);
        context.progress.durable(&begin);
        let end = self.bus.end_offsets(&topics).await?;
        let mut reader = self.bus.reader(NAME, &topics, &begin).await?;
        self.read_inbox().await?;
        context.progress.running();
        let (mut saved, mut saving) = (Instant::now(), None);
        loop {
            // Positions may stop short of the end: the markers of transactions take offsets that no reader sees.
            if !*self.caught_up.borrow() && (reader.position().reached(&end) || reader.caught_up()) {
                self.caught_up.send_replace(true);
            }
            let records = tokio::select! {
                biased;
                () = context.shutdown.cancelled() => {
                    finish(saving.take()).await?;
                    finish(Some(self.save(&reader))).await?;
                    return Ok(());
                }
                records = next(&mut reader) => records?,
            };
            self.apply(&records);
            let now = (context.clock)();
            context.progress.advance(records.len() as u64, reader.lag(), now);
            if let Some(wish) = self.wishes.due(reader.caught_up()).await? {
                wish.people.iter().for_each(|user| self.ledger.forget(*user));
                finish(saving.take()).await?;
                self.save_and_tell(&reader, &context).await?;
                self.wishes.done(&wish).await?;
            }
            if saved.elapsed() >= Duration::from_secs(self.config.snapshot_s) {
                if let Some(saved) = finish(saving.take()).await? {
                    context.progress.durable(&saved);
                    reader.commit(&saved).await?;
                }
                self.ledger.prune(now, TimeDelta::days(self.config.keep_days.into()));
                saving = Some(self.save(&reader));
                saved = Instant::now();
            }
        }
    }

    /// Saves, and tells the group at once: what it has read may be deleted from the log.
    async fn save_and_tell(&self, reader: &Reader, context: &JobContext) -> Result<(), JobError> {
        if let Some(saved) = finish(Some(self.save(reader))).await? {
            context.progress.durable(&saved);
            reader.commit(&saved).await?;
        }
        Ok(())
    }

    /// What was acknowledged but not filed yet.
    async fn read_inbox(&self) -> Result<(), JobError> {
        let inbox = [Topic::Inbox.name().to_owned()];
        let filed = self.bus.committed(gate::NAME, &inbox).await?;
        let mut waiting = self.bus.sweep(NAME, &inbox, &filed).await?;
        while let Some(records) = waiting.next().await? {
            self.apply(&records);
        }
        Ok(())
    }

    fn apply(&self, records: &[Record]) {
        let words: Vec<Word> = records.iter().filter_map(word).collect();
        let interactions = words.iter().filter_map(|w| if let Word::Interaction(i) = w { Some(&**i) } else { None });
        self.ledger.apply_all(interactions);
        words.iter().for_each(|w| {
            if let Word::Forget(user) = w {
                self.ledger.forget(*user);
            }
        });
    }

    /// Begins to save beside everything else. What is applied meanwhile may or may not be in the snapshot: its offsets are those of now, so
    /// that it is read again, which does no harm.
    fn save(&self, reader: &Reader) -> Saving {
        let (ledger, path, offsets) = (Arc::clone(&self.ledger), self.snapshot.clone(), reader.position().clone());
        spawn_blocking(move || ledger.save(&path, &offsets.to_named()).map(|()| offsets))
    }
}

/// A snapshot under way.
type Saving = JoinHandle<Result<Offsets, IndexError>>;

/// Waits until a snapshot is in place, if one is under way; the offsets that it holds.
async fn finish(saving: Option<Saving>) -> Result<Option<Offsets>, JobError> {
    let Some(saving) = saving else { return Ok(None) };
    let saved = saving.await.map_err(|e| JobError::failed("save the ledger", e))?;
    saved.map(Some).map_err(|e| JobError::failed("save the ledger", e))
}

async fn next(reader: &mut Reader) -> Result<Vec<Record>, JobError> {
    match timeout(Duration::from_millis(500), reader.batch(10_000, Duration::from_millis(5))).await {
        Ok(records) => Ok(records?),
        Err(_) => Ok(Vec::new()),
    }
}
