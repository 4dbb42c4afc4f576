//! The jobs: one that does erasures, in one process of all, and one that knows who is withheld, on every node.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::ids::{EventId, UserId};
use pipelines::ownership::owned;
use pipelines::supervisor::{JobContext, JobError};

use super::places::{Found, Place, Places, Round};
use super::service::erased;
use super::store::{self, Open};
use crate::audit::{self, Act, Actor};
use crate::db::Db;
use crate::sink::EventSink;
use crate::state::Withheld;

/// The name of the job that does erasures.
pub const NAME: &str = "erase";
/// The name of the job that knows who is being erased.
pub const WITHHELD: &str = "erasing";

/// How often it is looked whether an erasure is due.
const ROUND: Duration = Duration::from_secs(1);
/// After so long it is told that a place is not emptied yet.
const LONG: Duration = Duration::from_secs(120);
/// How often it is looked who is being erased: for so long another node may show somebody.
const LOOK: Duration = Duration::from_secs(2);

/// Does erasures.
#[derive(Clone)]
pub struct Eraser {
    /// Where.
    pub places: Places,
    /// Where events go.
    pub sink: Arc<EventSink>,
}

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> JobError {
    move |error| JobError::failed(what, error)
}

impl Eraser {
    /// Runs until shutdown, or stands by while another process runs. An erasure that is cut off begins again.
    ///
    /// # Errors
    /// When a place cannot be read or written, or something of a person is left after everything was done.
    pub async fn run(self, context: JobContext) -> Result<(), JobError> {
        let bus = self.places.bus.clone();
        owned(&bus, NAME, context, |context| self.work(context)).await
    }

    async fn work(self, context: JobContext) -> Result<(), JobError> {
        context.progress.running();
        loop {
            let due = store::open(&self.places.db, Some((context.clock)())).await.map_err(failed("look for erasures"))?;
            let (count, waits) = (due.len() as u64, !due.is_empty());
            tokio::select! {
                () = context.shutdown.cancelled() => return Ok(()),
                done = self.sweep(due, context.clock), if waits => done?,
                () = tokio::time::sleep(ROUND), if !waits => {}
            }
            context.progress.advance(count, 0, (context.clock)());
        }
    }

    /// Empties a place, and says so when that takes long: somebody who must read or forget may not run.
    async fn patiently(&self, place: Place, who: &[UserId], round: &mut Round) -> Result<Found, JobError> {
        let mut doing = std::pin::pin!(self.places.erase(place, who, round));
        loop {
            tokio::select! {
                done = &mut doing => return done,
                () = tokio::time::sleep(LONG) => {
                    tracing::warn!(place = place.name(), people = who.len(), "an erasure still waits here; do all jobs run, somewhere? See GET /v1/jobs");
                }
            }
        }
    }

    /// Erases people from every place, and looks everywhere whether it is so.
    async fn sweep(&self, mut due: Vec<Open>, clock: fn() -> DateTime<Utc>) -> Result<(), JobError> {
        let mut who: Vec<UserId> = due.iter().map(|one| one.user).collect();
        who.sort_unstable();
        who.dedup();
        let mut round = Round::new(due.iter().map(|one| one.id).max().unwrap_or_default());
        let begun = clock();
        // Once more: a command has only made the row, and what was reported meanwhile is behind the first event.
        let events: Vec<_> = who.iter().map(|user| erased(*user, EventId::now_v7(), begun, None)).collect();
        self.sink.publish(&events).await.map_err(failed("publish that people are erased"))?;
        for place in Place::ALL {
            let gone = self.patiently(place, &who, &mut round).await?;
            tracing::debug!(place = place.name(), people = who.len(), ?gone, "erased");
            for one in &mut due {
                // Some is noted there already, by the batches of the tables.
                one.receipt = store::receipt_of(&self.places.db, one.id).await.map_err(failed("read how far an erasure is"))?;
                one.receipt.people = who.len() as u64;
                one.receipt.add(place.name(), &gone);
                store::note(&self.places.db, one).await.map_err(failed("note how far an erasure is"))?;
            }
        }
        for place in Place::ALL {
            let left: u64 = self.places.find(place, &who).await?.values().sum();
            if left > 0 {
                let reason = format!("{left} of {} are there still, or came meanwhile; it is done again", place.name());
                return Err(JobError::failed("erase people", reason));
            }
        }
        for one in &due {
            store::done(&self.places.db, one, clock()).await.map_err(failed("end an erasure"))?;
            let act = Act::of_nobody(Actor::System, "erasure_done", serde_json::json!({"people": who.len()}));
            audit::note(&self.places.db, &act, clock()).await.map_err(failed("note an erasure"))?;
        }
        self.places.db.checkpoint().await.map_err(failed("empty the write-ahead log of the database"))?;
        metrics::counter!("hongniang_erasures_total").increment(due.len() as u64);
        tracing::info!(people = who.len(), took_s = (clock() - begun).num_seconds(), "erased from every place");
        Ok(())
    }
}

/// Takes over from the database who is being erased; who is new among them.
///
/// # Errors
/// When the database fails.
pub async fn look(db: &Db, withheld: &Withheld) -> Result<Vec<UserId>, crate::db::DbError> {
    Ok(withheld.set_erasing(store::open(db, None).await?.into_iter().map(|one| one.user)))
}

/// Keeps on every node who is being erased, until shutdown; `came` is called with those who are new among them.
///
/// # Errors
/// When the database fails.
pub async fn keep_withheld(db: Db, withheld: Withheld, came: impl Fn(Vec<UserId>) + Send, context: JobContext) -> Result<(), JobError> {
    context.progress.running();
    loop {
        let new = look(&db, &withheld).await.map_err(failed("look who is being erased"))?;
        if !new.is_empty() {
            came(new);
        }
        context.progress.advance(0, 0, (context.clock)());
        tokio::select! {
            () = context.shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
