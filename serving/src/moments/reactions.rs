//! Likes and comments over HTTP: parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, MomentEvent};
use features::ids::{MomentId, UserId};
use features::relations::Act;
use features::validate::validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::http::find_for;
use super::service;
use super::store::{self, Comment, Given};
use crate::db::{time, user};
use crate::http::{ApiError, Body, Caller, EventIds, Params, Part, Problem, RequestId, TwoParts};
use crate::moderation::Subject;
use crate::state::App;

const MOST: usize = 200;

/// The routes of likes and comments.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(like, unlike, likes))
        .routes(routes!(comment, comments))
        .routes(routes!(delete_comment))
        .routes(routes!(reply))
}

/// Who does it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct By {
    /// Who does it: with a service key anybody, else the caller, who may be left out.
    #[param(value_type = Option<String>)]
    user: Option<UserId>,
}

/// Which part of a list, for whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Who looks: with a service key anybody or nobody, else the caller, who may be left out.
    #[param(value_type = Option<String>)]
    user: Option<UserId>,
    /// Entries at most, 1 to 200; 50, when left out.
    limit: Option<usize>,
    /// Where it begins, as the answer before said.
    cursor: Option<String>,
}

/// How a Moment stands with likes.
#[derive(Debug, Serialize, ToSchema)]
struct Liked {
    /// Whether the one who asks likes it.
    liked: bool,
    /// How many like it.
    likes: i64,
}

/// Who like a Moment.
#[derive(Debug, Serialize, ToSchema)]
struct Likes {
    /// The newest first; who is blocked, blocks, has hidden, has paused and is no friend, or is not here any more is left out.
    items: Vec<Like>,
    /// How many there are.
    total: i64,
    /// Where it goes on; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Who likes a Moment.
#[derive(Debug, Serialize, ToSchema)]
struct Like {
    /// Who.
    user_id: UserId,
    /// Since when.
    liked_at: DateTime<Utc>,
}

/// A comment to write, or what was said and became text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// What was written, 1 to 2,000 characters.
    text: Option<String>,
    /// What was said, as text, instead; comes with `voice`.
    transcript: Option<String>,
    /// Name of the recording in the media store, at most 200 characters.
    voice: Option<String>,
}

impl NewComment {
    /// The text, and the recording; empty where it was written.
    fn said(self) -> Result<(String, String), ApiError> {
        match (self.text, self.transcript, self.voice) {
            (Some(text), None, None) => Ok((text, String::new())),
            (None, Some(text), Some(voice)) if (1..=200).contains(&voice.chars().count()) => Ok((text, voice)),
            (None, Some(_), _) => Err(ApiError::field("voice", "must have 1 to 200 characters: the recording that `transcript` is of")),
            _ => Err(ApiError::field("text", "must be there, or else `transcript` and `voice`")),
        }
    }
}

/// A comment or a reply.
#[derive(Debug, Serialize, ToSchema)]
struct Spoken {
    /// Its id.
    comment_id: String,
    /// Who wrote it.
    user_id: UserId,
    /// The comment it answers, if it is a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// What was written, or said.
    text: String,
    /// The recording, if it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<String>,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Comment> for Spoken {
    fn from(c: Comment) -> Self {
        Self {
            comment_id: c.id.to_string(),
            user_id: c.by,
            parent_id: c.parent.map(|id| id.to_string()),
            text: c.text,
            voice: Some(c.voice).filter(|voice| !voice.is_empty()),
            created_at: c.given.at,
        }
    }
}

/// Comments of a Moment.
#[derive(Debug, Serialize, ToSchema)]
struct Comments {
    /// With replies, the newest first; those of who is blocked, blocks, has hidden, has paused and is no friend, or is not here any more are left out.
    items: Vec<Spoken>,
    /// How many there are.
    total: i64,
    /// Where it goes on; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Who does it: a person themselves, or whom a service names.
fn acting(app: &App, caller: Caller, named: Option<UserId>) -> Result<UserId, ApiError> {
    let Some(user) = named.or(caller.user()) else {
        return Err(ApiError::field("user", "is needed with a service key: who does it"));
    };
    caller.must_be(user)?;
    if app.knows(user) { Ok(user) } else { Err(ApiError::unknown_user(user)) }
}

/// Who looks; nobody, for services that name nobody.
fn looking(caller: Caller, named: Option<UserId>) -> Result<Option<UserId>, ApiError> {
    named.map_or(Ok(()), |user| caller.must_be(user))?;
    Ok(named.or(caller.user()))
}

/// An event of somebody about a Moment, towards somebody, within the quota of who acts.
fn event(
    app: &App,
    caller: Caller,
    act: Act,
    (by, to): (UserId, UserId),
    moment: &MomentEvent,
    (ids, request_id): (&EventIds, Option<String>),
) -> Result<InteractionEvent, ApiError> {
    if by == to {
        return Err(ApiError::field("user", "is who this goes to; people do not interact with themselves"));
    }
    if !app.knows(to) {
        return Err(ApiError::unknown_user(to));
    }
    let now = app.now();
    if caller.user().is_some() {
        app.relations.take(by, [act], now)?;
    }
    let (moment_id, tags) = (Some(moment.moment_id), moment.tags.clone());
    Ok(InteractionEvent { request_id, moment_id, tags, ..InteractionEvent::new(ids.get(0), now, act.kind(), by, to) })
}

async fn liked(app: &App, moment: MomentId, by: UserId) -> Result<Json<Liked>, ApiError> {
    let likes = store::counts(&app.db, moment).await?.likes;
    Ok(Json(Liked { liked: store::likes(&app.db, moment, by).await?, likes }))
}

/// Likes a Moment: a follow of its author. Who follows each other is friends. Again changes nothing.
#[utoipa::path(post, path = "/v1/moments/{id}/likes", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id"), By), responses(
    (status = 200, body = Liked), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn like(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Params(by): Params<By>,
) -> Result<Json<Liked>, ApiError> {
    let by = acting(&app, caller, by.user)?;
    let moment = find_for(&app, Some(by), &id)?;
    let event = event(&app, caller, Act::Like, (by, moment.author_id), &moment, (&ids, request_id))?;
    service::like(&app, &moment, &event, event.event_time).await?;
    app.decks.heard(by, event.event_time);
    liked(&app, moment.moment_id, by).await
}

/// Takes a like back. Within `relations.undo_s` seconds the follow that it began is taken back, too, if nothing has come of it.
#[utoipa::path(delete, path = "/v1/moments/{id}/likes", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id"), By), responses(
    (status = 200, body = Liked), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn unlike(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    Params(by): Params<By>,
) -> Result<Json<Liked>, ApiError> {
    let by = acting(&app, caller, by.user)?;
    let moment = find_for(&app, None, &id)?;
    service::unlike(&app, &moment, by, request_id.as_ref(), app.now()).await?;
    liked(&app, moment.moment_id, by).await
}

/// Who like a Moment.
#[utoipa::path(get, path = "/v1/moments/{id}/likes", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id"), Wanted), responses(
    (status = 200, body = Likes), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn likes(State(app): State<App>, caller: Caller, Part(id): Part, Params(wanted): Params<Wanted>) -> Result<Json<Likes>, ApiError> {
    let viewer = looking(caller, wanted.user)?;
    let moment = find_for(&app, viewer, &id)?.moment_id;
    let most = crate::http::limit(wanted.limit, 50, MOST)?;
    let place = |cursor: &String| {
        let (at, by) = cursor.split_once('.')?;
        Some((at.parse::<i64>().ok()?, by.parse::<i64>().ok()?))
    };
    let wrong = || ApiError::field("cursor", "is none that an answer gave");
    let after = wanted.cursor.as_ref().map(|cursor| place(cursor).ok_or_else(wrong)).transpose()?;
    let found = store::who_likes(&app.db, moment, after, most as u64).await?;
    let cursor = found.last().filter(|_| found.len() == most).map(|(at, by)| format!("{at}.{by}"));
    let like = |(at, by): (i64, i64)| Like { user_id: user(by), liked_at: time(at) };
    let items = found.into_iter().map(like).filter(|like| app.lists_to(viewer, like.user_id)).collect();
    Ok(Json(Likes { items, total: store::counts(&app.db, moment).await?.likes, cursor }))
}

/// Whom a comment goes to, and what it answers.
struct Towards {
    by: UserId,
    to: UserId,
    parent: Option<i64>,
}

/// A request to write a comment or a reply.
struct Writing {
    app: App,
    caller: Caller,
    ids: EventIds,
    request_id: Option<String>,
}

impl Writing {
    async fn write(self, moment: MomentEvent, towards: Towards, new: NewComment) -> Result<(StatusCode, Json<Spoken>), ApiError> {
        let Self { app, caller, ids, request_id } = self;
        let Towards { by, to, parent } = towards;
        let (text, voice) = new.said()?;
        let act = if parent.is_some() { Act::Reply } else { Act::Comment };
        let event = event(&app, caller, act, (by, to), &moment, (&ids, request_id))?;
        let (now, event) = (event.event_time, Event::Interaction(InteractionEvent { text: Some(text.clone()), ..event }));
        validate(&event, now).map_err(ApiError::Invalid)?;
        app.moderator.check(&Subject::of_event(&event)).await?;
        let Event::Interaction(event) = event else { return Err(ApiError::Internal("a comment is an interaction".to_owned())) };
        let given = Given { event_id: event.event_id, began: false, at: now };
        let (id, author) = (app.db.ids.next(now), moment.author_id);
        let wanted = Comment { id, moment: moment.moment_id, author, by, parent, to, text, voice, given };
        let written = service::comment(&app, &event, &wanted, now).await?;
        app.decks.heard(by, now);
        Ok((StatusCode::CREATED, Json(written.into())))
    }
}

/// Comments on a Moment: a follow of its author. Who follows each other is friends.
#[utoipa::path(post, path = "/v1/moments/{id}/comments", tag = "moments", security(("service_key" = []), ("user_token" = [])), request_body = NewComment, params(("id" = String, Path, description = "Moment id"), By), responses(
    (status = 201, body = Spoken), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn comment(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Params(by): Params<By>,
    Body(new): Body<NewComment>,
) -> Result<(StatusCode, Json<Spoken>), ApiError> {
    let by = acting(&app, caller, by.user)?;
    let moment = find_for(&app, Some(by), &id)?;
    let towards = Towards { by, to: moment.author_id, parent: None };
    Writing { app, caller, ids, request_id }.write(moment, towards, new).await
}

/// The comment of a path, if who looks may see it.
async fn found(app: &App, viewer: Option<UserId>, moment: MomentId, id: &str) -> Result<Comment, ApiError> {
    let unknown = || ApiError::NotFound("unknown_comment", format!("there is no comment {id} on this Moment"));
    // What is no id is no comment either.
    let found = store::comment_by_id(&app.db, moment, id.parse().unwrap_or_default()).await?;
    found.filter(|comment| viewer == Some(comment.by) || app.sees_for(viewer, comment.by)).ok_or_else(unknown)
}

/// Replies to a comment: a follow of its writer. A reply of the author to somebody who has commented makes both friends.
#[utoipa::path(post, path = "/v1/moments/{id}/comments/{comment}/replies", tag = "moments", security(("service_key" = []), ("user_token" = [])), request_body = NewComment,
    params(("id" = String, Path, description = "Moment id"), ("comment" = String, Path, description = "Comment id"), By), responses(
    (status = 201, body = Spoken), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn reply(
    State(app): State<App>,
    caller: Caller,
    TwoParts(id, parent): TwoParts,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Params(by): Params<By>,
    Body(new): Body<NewComment>,
) -> Result<(StatusCode, Json<Spoken>), ApiError> {
    let by = acting(&app, caller, by.user)?;
    let moment = find_for(&app, Some(by), &id)?;
    let parent = found(&app, Some(by), moment.moment_id, &parent).await?;
    let towards = Towards { by, to: parent.by, parent: Some(parent.id) };
    Writing { app, caller, ids, request_id }.write(moment, towards, new).await
}

/// Deletes a comment: one's own, or one on one's Moment. Within `relations.undo_s` seconds its writer so takes the follow back that it began, if nothing
/// has come of it.
#[utoipa::path(delete, path = "/v1/moments/{id}/comments/{comment}", tag = "moments", security(("service_key" = []), ("user_token" = [])),
    params(("id" = String, Path, description = "Moment id"), ("comment" = String, Path, description = "Comment id"), By), responses(
    (status = 204, description = "It is gone"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn delete_comment(
    State(app): State<App>,
    caller: Caller,
    TwoParts(id, comment): TwoParts,
    RequestId(request_id): RequestId,
    Params(by): Params<By>,
) -> Result<StatusCode, ApiError> {
    let by = acting(&app, caller, by.user)?;
    // Across a block one's own words can still be taken back.
    let moment = find_for(&app, None, &id)?;
    // Authors clear their Moments of comments of whom they do not see, too.
    let viewer = Some(by).filter(|by| *by != moment.author_id);
    let comment = found(&app, viewer, moment.moment_id, &comment).await?;
    if by != comment.by && by != moment.author_id {
        return Err(ApiError::Forbidden("a comment is deleted by its writer or by the author of the Moment"));
    }
    service::uncomment(&app, &comment, by == comment.by, request_id.as_ref(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Comments and replies.
#[utoipa::path(get, path = "/v1/moments/{id}/comments", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id"), Wanted), responses(
    (status = 200, body = Comments), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn comments(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Comments>, ApiError> {
    let viewer = looking(caller, wanted.user)?;
    let moment = find_for(&app, viewer, &id)?.moment_id;
    let most = crate::http::limit(wanted.limit, 50, MOST)?;
    let place = |cursor: &String| cursor.parse::<i64>().map_err(|_| ApiError::field("cursor", "is none that an answer gave"));
    let before = wanted.cursor.as_ref().map(place).transpose()?;
    let found = store::comments(&app.db, moment, before, most as u64).await?;
    let cursor = found.last().filter(|_| found.len() == most).map(|comment| comment.id.to_string());
    let items = found.into_iter().filter(|comment| app.lists_to(viewer, comment.by)).map(Spoken::from).collect();
    Ok(Json(Comments { items, total: store::counts(&app.db, moment).await?.comments, cursor }))
}
