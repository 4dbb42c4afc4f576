//! The jobs: one that reads what is filed, shared by all nodes, and one that knows on every node who is banned.

use std::sync::Arc;
use std::time::Duration;

use features::event::Event;
use features::topic::Topic;
use pipelines::bus::Bus;
use pipelines::supervisor::{JobContext, JobError};
use tokio::time::timeout;

use super::service::{count, raised};
use super::store::bans;
use crate::db::{Db, DbError, retrying};
use crate::moderation::Moderator;
use crate::state::Withheld;

/// The name of the job that reads events, and of its group.
pub const NAME: &str = "reviews";
/// The name of the job that knows who is banned.
pub const BANS: &str = "bans";

/// What commits carry: raised when events are read in another way, so that all are read again.
const LABEL: &str = "1";
/// Events that are looked at together.
const AT_ONCE: usize = 500;
const LINGER: Duration = Duration::from_millis(50);
/// How long nothing may come until it is told how things stand.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is looked who is banned: for so long another node may show somebody.
const LOOK: Duration = Duration::from_secs(2);

/// Raises reviews.
#[derive(Clone)]
pub struct Watcher {
    /// The event log.
    pub bus: Bus,
    /// Tables.
    pub db: Db,
    /// Judges what people write.
    pub moderator: Arc<Moderator>,
}

impl Watcher {
    /// Runs until shutdown. Killed, it reads some events again, which count once.
    ///
    /// # Errors
    /// When the event log or the database fails.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let topics: Vec<String> = [Topic::Interactions, Topic::Moments, Topic::Profiles].iter().map(|t| t.name().to_owned()).collect();
        context.progress.reads(&topics);
        let mut reader = self.bus.group_reader(NAME, &topics, LABEL).await?;
        context.progress.running();
        loop {
            let records = tokio::select! {
                biased;
                () = context.shutdown.cancelled() => return Ok(()),
                records = timeout(IDLE, reader.batch(AT_ONCE, LINGER)) => records,
            };
            let Ok(records) = records else {
                context.progress.advance(0, reader.lag(), (context.clock)());
                continue;
            };
            let records = records?;
            let many = records.len() as u64;
            let (moderator, now) = (Arc::clone(&self.moderator), (context.clock)());
            let judged = tokio::task::spawn_blocking(move || {
                let events = records.iter().filter_map(|record| Event::decode(record.value.as_deref()?).ok());
                events.filter_map(|event| raised(&moderator, &event)).collect::<Vec<_>>()
            });
            let found = judged.await.map_err(|e| JobError::failed("judge texts", e))?;
            if !found.is_empty() {
                retrying(|| count(&self.db, &found, now)).await.map_err(|e| JobError::failed("raise reviews", e))?;
            }
            reader.commit().await?;
            context.progress.advance(many, reader.lag(), now);
        }
    }
}

/// Takes over from the database who is banned.
///
/// # Errors
/// When the database fails.
pub async fn look(db: &Db, withheld: &Withheld, now: chrono::DateTime<chrono::Utc>) -> Result<(), DbError> {
    withheld.set_banned(bans(db, now).await?.into_iter().map(|ban| (ban.user_id, ban.until)));
    Ok(())
}

/// Keeps on every node who is banned, until shutdown.
///
/// # Errors
/// When the database fails.
pub async fn keep_bans(db: Db, withheld: Withheld, context: JobContext) -> Result<(), JobError> {
    context.progress.running();
    loop {
        let now = (context.clock)();
        look(&db, &withheld, now).await.map_err(|e| JobError::failed("look who is banned", e))?;
        context.progress.advance(0, 0, now);
        tokio::select! {
            () = context.shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
