//! Parse, call, reply.

use axum::Json;
use axum::body::{Body as AxumBody, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use features::ids::UserId;
use tokio::io::AsyncReadExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::export::export;
use super::receipt::Erasure;
use super::service::{NoSuchErasure, erase, erased, erasure};
use crate::db::people;
use crate::http::{ApiError, Caller, EventIds, Part, Problem, RequestId};
use crate::state::App;

/// Bytes of an archive that are sent together.
const PART: usize = 64 << 10;

/// Characters of the id of an erasure: a UUID.
const TOKEN: usize = 36;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(delete_me)).routes(routes!(delete_user)).routes(routes!(get_erasure)).routes(routes!(export_me))
}

/// Erases the caller: account, logins, profile, Moments, everything they did and everything others did about them, from every place. From the answer on they are shown to nobody, and none of their
/// tokens is good. Files follow; `GET /v1/erasures/{id}` tells how it stands.
#[utoipa::path(delete, path = "/v1/me", tag = "rights", security(("user_token" = [])), responses(
    (status = 202, body = Erasure), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
async fn delete_me(
    State(app): State<App>,
    caller: Caller,
    RequestId(request_id): RequestId,
    ids: EventIds,
) -> Result<(StatusCode, Json<Erasure>), ApiError> {
    let user = caller.user().ok_or(ApiError::Unauthorized)?;
    let event = erased(user, ids.get(0), app.now(), request_id);
    Ok((StatusCode::ACCEPTED, Json(erase(&app, user, "person", event).await?)))
}

/// Erases a person, as `DELETE /v1/me` does.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "rights", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), responses(
    (status = 202, body = Erasure), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn delete_user(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    ids: EventIds,
) -> Result<(StatusCode, Json<Erasure>), ApiError> {
    let user: UserId = crate::http::id("id", &id)?;
    caller.must_be(user)?;
    // Whoever is banned is not shown, and may be erased; so may an account without a profile.
    let here = app.indexes.table.contains(user) && !app.erased.contains(user);
    if !here && !app.withheld.is_erasing(user) && people::count(&app.db, user).await?.is_empty() {
        return Err(ApiError::unknown_user(user));
    }
    let asked_by = if caller.user().is_some() { "person" } else { "service" };
    let event = erased(user, ids.get(0), app.now(), request_id);
    Ok((StatusCode::ACCEPTED, Json(erase(&app, user, asked_by, event).await?)))
}

/// A copy of everything about the caller: a ZIP of JSON files, and a page that says what is what, in Chinese and English. At most `rights.exports_per_day` in a day.
#[utoipa::path(get, path = "/v1/me/export", tag = "rights", security(("user_token" = [])), responses(
    (status = 200, description = "The archive", content_type = "application/zip"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn export_me(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let user = caller.user().ok_or(ApiError::Unauthorized)?;
    let file = tokio::fs::File::from_std(export(&app, user).await?);
    let parts = futures::stream::try_unfold((file, vec![0; PART]), |(mut file, mut buffer)| async move {
        let read = file.read(&mut buffer).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::copy_from_slice(&buffer[..read]), (file, buffer))))
    });
    let headers =
        [(CONTENT_TYPE, "application/zip"), (CONTENT_DISPOSITION, "attachment; filename=\"hongniang.zip\""), (CACHE_CONTROL, "no-store")];
    Ok((headers, AxumBody::from_stream(parts)).into_response())
}

/// How an erasure stands, with the receipt. For whoever knows its id: who was erased has no token any more.
#[utoipa::path(get, path = "/v1/erasures/{id}", tag = "rights", security(()), params(("id" = String, Path, description = "Id of the erasure, as the answer to `DELETE` gave it")), responses(
    (status = 200, body = Erasure), (status = 404, body = Problem)))]
async fn get_erasure(State(app): State<App>, Part(id): Part) -> Result<Json<Erasure>, ApiError> {
    let unknown = || ApiError::NotFound("unknown_erasure", NoSuchErasure(id.chars().take(40).collect()).to_string());
    // Anything else is asked of no database.
    let token = Some(&id).filter(|id| id.len() == TOKEN && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')).ok_or_else(unknown)?;
    Ok(Json(erasure(&app.db, token).await?.ok_or_else(unknown)?))
}
