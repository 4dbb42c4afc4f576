//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use features::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::{Ban, By, Decision, Review, bans, decide, lift, reviews};
use crate::db::retrying;
use crate::http::{ApiError, Body, Params, Part, Problem};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_reviews)).routes(routes!(post_decision)).routes(routes!(list_bans)).routes(routes!(lift_ban))
}

/// What can be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `open` (the default), `dismissed`, `warned`, `banned` or `all`.
    state: Option<String>,
    /// At most so many, 1 to 200; 50 when left out.
    limit: Option<usize>,
    /// Gives the next page.
    cursor: Option<String>,
}

/// A page of the queue.
#[derive(Debug, Serialize, ToSchema)]
struct Reviews {
    /// The oldest first.
    items: Vec<Review>,
    /// Gives the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What was reported and flagged, the oldest first.
#[utoipa::path(get, path = "/v1/reviews", tag = "reviews", params(Wanted), responses(
    (status = 200, body = Reviews), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn list_reviews(State(app): State<App>, Params(wanted): Params<Wanted>) -> Result<Json<Reviews>, ApiError> {
    let state = wanted.state.as_deref().unwrap_or("open");
    if !["open", "dismissed", "warned", "banned", "all"].contains(&state) {
        return Err(ApiError::field("state", "must be open, dismissed, warned, banned or all"));
    }
    let limit = crate::http::limit(wanted.limit, 50, 200)?;
    let after = wanted.cursor.as_deref().map_or(Ok(0), str::parse);
    let after = after.map_err(|_| ApiError::field("cursor", "is not one that was given out; begin without a cursor"))?;
    let items = reviews(&app.db, (state != "all").then_some(state), after, limit as u64).await?;
    let cursor = items.last().filter(|_| items.len() == limit).map(|last| last.id.to_string());
    Ok(Json(Reviews { items, cursor }))
}

/// Decides an open review. A ban is in force on this node before the answer, and on others within two seconds.
#[utoipa::path(post, path = "/v1/reviews/{id}/decision", tag = "reviews", params(("id" = String, Path, description = "Review id")), request_body = Decision, responses(
    (status = 200, body = Review), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn post_decision(State(app): State<App>, Part(id): Part, Body(decision): Body<Decision>) -> Result<Json<Review>, ApiError> {
    let id: i64 = id.parse().map_err(|_| ApiError::field("id", "must be the id of a review"))?;
    let now = app.now();
    let (review, ban) = retrying(|| decide(&app.db, id, &decision, By::Service, now)).await?;
    if let Some(ban) = ban {
        app.withheld.ban(ban.user_id, ban.until);
        app.auth.end_all(ban.user_id, now).await?;
    }
    Ok(Json(review))
}

/// Everybody who is banned.
#[derive(Debug, Serialize, ToSchema)]
struct Bans {
    /// The last first.
    items: Vec<Ban>,
}

/// Everybody who is banned now, the last first.
#[utoipa::path(get, path = "/v1/bans", tag = "reviews", responses((status = 200, body = Bans), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list_bans(State(app): State<App>) -> Result<Json<Bans>, ApiError> {
    Ok(Json(Bans { items: bans(&app.db, app.now()).await? }))
}

/// Lifts a ban: the person is shown again and may log in.
#[utoipa::path(delete, path = "/v1/bans/{id}", tag = "reviews", params(("id" = String, Path, description = "User id")), responses(
    (status = 204, description = "Lifted"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn lift_ban(State(app): State<App>, Part(id): Part) -> Result<StatusCode, ApiError> {
    let user: UserId = crate::http::id("id", &id)?;
    let now = app.now();
    retrying(|| lift(&app.db, user, By::Service, now)).await?;
    app.withheld.lift(user);
    Ok(StatusCode::NO_CONTENT)
}
