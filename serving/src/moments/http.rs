//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use features::event::{Event, Media, MomentEvent, MomentKind, QuestionAnswer};
use features::ids::{MomentId, UserId, derived_event_id};
use features::text::normal_tag;
use features::validate::validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{id, service, store};
use crate::http::{ApiError, Body, Caller, EventIds, Part, Problem, RequestId};
use crate::moderation::Subject;
use crate::state::App;

/// The routes of Moments themselves.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post_moment)).routes(routes!(get_moment, delete_moment))
}

/// A Moment to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMoment {
    /// Who publishes it.
    author_id: UserId,
    /// Title, at most 100 characters.
    #[serde(default)]
    title: String,
    /// Text, at most 5,000 characters.
    #[serde(default)]
    text: String,
    /// The rounds with the agent.
    #[serde(default)]
    answers: Vec<QuestionAnswer>,
    /// Tags, at most 30.
    #[serde(default)]
    tags: Vec<String>,
    /// Photos and videos.
    #[serde(default)]
    media: Vec<Media>,
}

/// A published Moment.
#[derive(Debug, Serialize, ToSchema)]
struct Published {
    /// Its id.
    moment_id: MomentId,
    /// When.
    published_at: DateTime<Utc>,
}

/// A Moment as it was published.
#[derive(Debug, Serialize, ToSchema)]
struct Moment {
    /// Its id.
    moment_id: MomentId,
    /// Who published it.
    author_id: UserId,
    /// Title.
    title: String,
    /// Text.
    text: String,
    /// The rounds with the agent.
    answers: Vec<QuestionAnswer>,
    /// Tags.
    tags: Vec<String>,
    /// Photos and videos.
    media: Vec<Media>,
    /// When.
    published_at: DateTime<Utc>,
    /// How many like it.
    likes: i64,
    /// How many comments and replies it has.
    comments: i64,
}

/// Publishes a Moment.
#[utoipa::path(post, path = "/v1/moments", tag = "moments", security(("service_key" = []), ("user_token" = [])), request_body = NewMoment, responses(
    (status = 201, body = Published), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn post_moment(
    State(app): State<App>,
    caller: Caller,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Body(new): Body<NewMoment>,
) -> Result<(StatusCode, Json<Published>), ApiError> {
    caller.must_be(new.author_id)?;
    if !app.knows(new.author_id) {
        return Err(ApiError::unknown_user(new.author_id));
    }
    let (now, event_id) = (app.now(), ids.get(0));
    let moment_id = if ids.are_derived() { id::of(event_id) } else { id::next(now, event_id) };
    let moment = MomentEvent {
        event_id,
        event_time: now,
        kind: MomentKind::Published,
        request_id,
        moment_id,
        author_id: new.author_id,
        published_at: now,
        title: new.title,
        text: new.text,
        answers: new.answers,
        tags: new.tags.iter().map(|t| normal_tag(t)).collect(),
        media: new.media,
        text_chars: 0,
        answer_chars: 0,
        media_count: 0,
    };
    let event = Event::Moment(moment.with_counts());
    validate(&event, now).map_err(ApiError::Invalid)?;
    app.moderator.check(&Subject::of_event(&event)).await?;
    app.sink.publish(&[event]).await?;
    Ok((StatusCode::CREATED, Json(Published { moment_id, published_at: now })))
}

/// A Moment, unless who looks may not see its author: then there is none for them.
pub(super) fn find_for(app: &App, viewer: Option<UserId>, id: &str) -> Result<MomentEvent, ApiError> {
    let id: MomentId = crate::http::id("id", id)?;
    let unknown = || ApiError::NotFound("unknown_moment", format!("there is no Moment {id}; a new one is found within about a second"));
    app.indexes.text.moment(id)?.filter(|moment| app.sees_for(viewer, moment.author_id)).ok_or_else(unknown)
}

/// A Moment.
#[utoipa::path(get, path = "/v1/moments/{id}", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id")), responses(
    (status = 200, body = Moment), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn get_moment(State(app): State<App>, caller: Caller, Part(id): Part) -> Result<Json<Moment>, ApiError> {
    let m = find_for(&app, caller.user(), &id)?;
    let counts = store::counts(&app.db, m.moment_id).await?;
    Ok(Json(Moment {
        moment_id: m.moment_id,
        author_id: m.author_id,
        title: m.title,
        text: m.text,
        answers: m.answers,
        tags: m.tags,
        media: m.media,
        published_at: m.published_at,
        likes: counts.likes,
        comments: counts.comments,
    }))
}

/// Deletes a Moment; the stream takes it out of every index.
#[utoipa::path(delete, path = "/v1/moments/{id}", tag = "moments", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "Moment id")), responses(
    (status = 202, description = "Deleted; the stream takes it out of every index"), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn delete_moment(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
) -> Result<StatusCode, ApiError> {
    let published = find_for(&app, caller.user(), &id)?;
    caller.must_be(published.author_id)?;
    // The same id for every repeat: sums take the facts of the publication back once.
    let event_id = derived_event_id(&["moment_deleted", &published.moment_id.to_string()]);
    let deleted = MomentEvent { event_id, event_time: app.now(), kind: MomentKind::Deleted, request_id, ..published };
    let moment_id = deleted.moment_id;
    app.sink.publish(&[Event::Moment(deleted)]).await?;
    service::forget(&app, moment_id).await?;
    Ok(StatusCode::ACCEPTED)
}
