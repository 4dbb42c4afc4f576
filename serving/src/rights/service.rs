//! The rules of erasures.

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::{EventId, UserId};

use super::receipt::Erasure;
use super::store::{self, New};
use crate::audit::{self, Act, Actor};
use crate::db::{self, Db, DbError, retrying};
use crate::http::ApiError;
use crate::state::App;

/// There is no such erasure.
#[derive(Debug, thiserror::Error)]
#[error("there is no erasure {0}")]
pub struct NoSuchErasure(pub String);

/// The event that says that somebody is erased.
pub(super) fn erased(user_id: UserId, event_id: EventId, now: DateTime<Utc>, request_id: Option<String>) -> Event {
    Event::Profile(ProfileEvent { event_id, event_time: now, kind: ProfileKind::Erased, request_id, user_id, profile: None })
}

/// Begins the erasure of a person, who from its answer on is shown to nobody and cannot log in; their rows are gone. Asked again while it goes on it is the same one.
///
/// # Errors
/// When log or database fail; nothing but the hiding may have happened then.
pub(super) async fn erase(app: &App, user: UserId, asked_by: &'static str, event: Event) -> Result<Erasure, ApiError> {
    let now = app.now();
    app.sink.publish(&[event]).await?;
    app.withheld.erasing(user);
    app.erased.erase(user);
    app.indexes.table.remove(user);
    app.indexes.ledger.forget(user);
    app.decks.clear();
    app.auth.end_all(user, now).await?;
    app.answers.forget(user).await;
    let due = now + TimeDelta::seconds(i64::try_from(app.config.rights.gather_s).unwrap_or(i64::MAX));
    let token = begin(&app.db, (user, &app.auth.pseudonym(user)), asked_by, now, due).await?;
    erasure(&app.db, &token).await?.ok_or_else(|| ApiError::Internal("an erasure that has just begun is not there".to_owned()))
}

/// Batches of rows that go before whoever asks is answered. Of whom there is more, such as somebody with very many fans, the job goes on with the rest.
const BEFORE_THE_ANSWER: usize = 5;

/// Puts an erasure into the table, and takes rows of the person out of all others, in transactions of a bounded size: the first has the row of the erasure, and the account with all logins.
/// Returns its token; that of one that goes on, where there is one, which then is due as early as this one would be.
async fn begin(
    db: &Db,
    (user, hash): (UserId, &str),
    asked_by: &'static str,
    now: DateTime<Utc>,
    due: DateTime<Utc>,
) -> Result<String, DbError> {
    let known = store::token_of(db, user).await?;
    let token = known.clone().unwrap_or_else(|| EventId::now_v7().to_string());
    let attempt = async || {
        let mut tx = db.begin().await?;
        if known.is_some() {
            store::hurry(&mut tx, user, due).await?;
        } else {
            let new = New { id: db.ids.next(now), token: &token, user, hash, asked_by, requested_at: now, due_at: due };
            store::put(&mut tx, &new).await?;
            let actor = match asked_by {
                "person" => Actor::Person(user),
                "service" => Actor::Service,
                _ => Actor::Operator,
            };
            audit::put(&mut tx, db, &Act::done(actor, user, "erasure_requested"), now).await?;
        }
        let more = store::erase_some(&mut tx, user).await?;
        tx.commit().await?;
        Ok::<bool, DbError>(more)
    };
    let mut more = retrying(attempt).await?;
    for _ in 1..BEFORE_THE_ANSWER {
        if !more {
            break;
        }
        more = store::batch(db, user).await?;
    }
    Ok(token)
}

/// Asks for an erasure from a command, at once: a node does it, and hides the person within seconds. `hash` stands for the person in the table. Returns the token.
///
/// # Errors
/// When the database fails.
pub async fn request_by_operator(db: &Db, user: UserId, hash: &str, now: DateTime<Utc>) -> Result<String, DbError> {
    begin(db, (user, hash), "operator", now, now).await
}

/// An erasure by its token.
///
/// # Errors
/// When the database fails.
pub async fn erasure(db: &Db, token: &str) -> Result<Option<Erasure>, db::DbError> {
    store::by_token(db, token).await
}
