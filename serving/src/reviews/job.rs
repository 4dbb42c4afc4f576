//! The jobs: one that reads what is filed, shared by all nodes, and one that knows on every node who is banned.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use features::event::Event;
use features::topic::Topic;
use pipelines::bus::Bus;
use pipelines::supervisor::{JobContext, JobError};
use tokio::time::timeout;

use super::service::count;
use super::sift::{Sifted, again, sift};
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
/// How often what waits for the service is tried; and, where none is asked, whether something is left from before.
const TRY: TimeDelta = TimeDelta::seconds(1);
const TRY_SELDOM: TimeDelta = TimeDelta::seconds(60);
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
        let mut next = (context.clock)();
        loop {
            let now = (context.clock)();
            if now >= next {
                let more = again(&self.db, &self.moderator, now).await.map_err(|e| JobError::failed("judge what waits", e))?;
                next = if more { now } else { now + if self.moderator.asks_outside() { TRY } else { TRY_SELDOM } };
            }
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
            let (many, now) = (records.len() as u64, (context.clock)());
            let events: Vec<Event> = records.iter().filter_map(|record| Event::decode(record.value.as_deref()?).ok()).collect();
            let sifted = sift(&self.moderator, &events, now).await;
            if sifted != Sifted::default() {
                retrying(|| count(&self.db, &sifted, now)).await.map_err(|e| JobError::failed("raise reviews", e))?;
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
