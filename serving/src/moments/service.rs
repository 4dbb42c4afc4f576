//! Likes and comments: a row, and an act of its giver towards the author, in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{InteractionEvent, InteractionKind, MomentEvent};
use features::ids::{MomentId, UserId, derived_event_id};
use features::relations::Act;

use super::store::{self, Comment, Counts, Given};
use crate::db::{Raced, retrying};
use crate::http::ApiError;
use crate::state::App;

/// Likes a Moment, once; again changes nothing.
pub(super) async fn like(app: &App, moment: &MomentEvent, event: &InteractionEvent, now: DateTime<Utc>) -> Result<(), ApiError> {
    let whose = (moment.moment_id, moment.author_id);
    let attempt = async || {
        let mut tx = app.db.begin().await?;
        if store::like(&mut tx, moment.moment_id, event.actor_id).await?.is_some() {
            return Ok(Ok(None));
        }
        let done = match app.relations.join(&mut tx, Act::Like, event, now).await? {
            Ok(done) => done,
            Err(refused) => return Ok(Err(ApiError::from(refused))),
        };
        let given = Given { event_id: event.event_id, began: done.began, at: now };
        store::put_like(&mut tx, whose, event.actor_id, given).await?;
        store::count(&mut tx, whose, Counts { likes: 1, comments: 0 }).await?;
        tx.commit().await?;
        Ok::<_, Raced>(Ok(Some(done)))
    };
    let done = retrying(attempt).await.map_err(|Raced(error)| error)??;
    app.relations.settle(&done);
    Ok(())
}

/// Takes a like back, and the follow that it began, if that was a moment ago and nothing came of it.
pub(super) async fn unlike(
    app: &App,
    moment: &MomentEvent,
    by: UserId,
    request_id: Option<&String>,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let attempt = async || {
        let mut tx = app.db.begin().await?;
        let Some(given) = store::like(&mut tx, moment.moment_id, by).await? else { return Ok(None) };
        let unfollow = unfollow(given, (by, moment.author_id), request_id, now);
        let done = if is_fresh(app, given, now) { app.relations.take_back(&mut tx, given.event_id, &unfollow, now).await? } else { None };
        store::drop_like(&mut tx, moment.moment_id, by).await?;
        store::count(&mut tx, (moment.moment_id, moment.author_id), Counts { likes: -1, comments: 0 }).await?;
        tx.commit().await?;
        Ok::<_, Raced>(done)
    };
    let done = retrying(attempt).await.map_err(|Raced(error)| error)?;
    app.relations.settle(&done);
    Ok(())
}

/// Whether what began a follow is so recent that taking it back takes the follow back.
fn is_fresh(app: &App, given: Given, now: DateTime<Utc>) -> bool {
    given.began && now - given.at <= TimeDelta::seconds(app.relations.config().undo_s)
}

/// The unfollow that undoes an act; it has the same id however often it is tried.
fn unfollow(given: Given, (by, author): (UserId, UserId), request_id: Option<&String>, now: DateTime<Utc>) -> InteractionEvent {
    let id = derived_event_id(&["undone", &given.event_id.to_string()]);
    InteractionEvent { request_id: request_id.cloned(), ..InteractionEvent::new(id, now, InteractionKind::Unfollow, by, author) }
}

/// Writes a comment or a reply, once for every event; what is there then.
pub(super) async fn comment(app: &App, event: &InteractionEvent, wanted: &Comment, now: DateTime<Utc>) -> Result<Comment, ApiError> {
    let act = if wanted.parent.is_some() { Act::Reply } else { Act::Comment };
    let attempt = async || {
        let mut tx = app.db.begin().await?;
        if let Some(there) = store::comment_of(&mut tx, event.event_id).await? {
            return Ok(Ok((there, None)));
        }
        let done = match app.relations.join(&mut tx, act, event, now).await? {
            Ok(done) => done,
            Err(refused) => return Ok(Err(ApiError::from(refused))),
        };
        let mut new = wanted.clone();
        new.given.began = done.began;
        store::put_comment(&mut tx, &new).await?;
        store::count(&mut tx, (new.moment, new.author), Counts { likes: 0, comments: 1 }).await?;
        tx.commit().await?;
        Ok::<_, Raced>(Ok((new, Some(done))))
    };
    let (new, done) = retrying(attempt).await.map_err(|Raced(error)| error)??;
    app.relations.settle(&done);
    Ok(new)
}

/// Deletes a comment, and takes the follow back that it began, if its writer deletes it, that was a moment ago, and nothing came of it.
pub(super) async fn uncomment(
    app: &App,
    comment: &Comment,
    by_writer: bool,
    request_id: Option<&String>,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let attempt = async || {
        let mut tx = app.db.begin().await?;
        let unfollow = unfollow(comment.given, (comment.by, comment.to), request_id, now);
        let undo = by_writer && is_fresh(app, comment.given, now);
        let done = if undo { app.relations.take_back(&mut tx, comment.given.event_id, &unfollow, now).await? } else { None };
        if !store::drop_comment(&mut tx, comment.id).await? {
            return Ok(None); // gone already, and everything of this transaction with it
        }
        store::count(&mut tx, (comment.moment, comment.author), Counts { likes: 0, comments: -1 }).await?;
        tx.commit().await?;
        Ok::<_, Raced>(done)
    };
    let done = retrying(attempt).await.map_err(|Raced(error)| error)?;
    app.relations.settle(&done);
    Ok(())
}

/// What was said of a Moment goes with it.
pub(super) async fn forget(app: &App, moment: MomentId) -> Result<(), ApiError> {
    let attempt = async || {
        let mut tx = app.db.begin().await?;
        store::drop_moment(&mut tx, moment).await?;
        tx.commit().await?;
        Ok::<_, Raced>(())
    };
    Ok(retrying(attempt).await.map_err(|Raced(error)| error)?)
}
