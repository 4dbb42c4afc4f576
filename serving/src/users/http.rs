//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use features::ids::UserId;
use features::profile::Profile;
use index::geo::{Bucket, km, snap};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{OwnProfile, PublicProfile, Seen};
use super::edit::{Edit, Wanted, brought};
use super::etag::{self, Conditions};
use super::list;
use crate::http::{ApiError, Body, Caller, Part, Problem, RequestId, language};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(put_user, patch_user, get_user))
        .routes(routes!(list::list_users))
        .routes(routes!(get_me, put_me, patch_me))
}

/// A profile for its owner or a service, with its revision.
fn own(app: &App, user_id: UserId, profile: Profile, headers: &HeaderMap) -> Response {
    let tag = etag::header(profile.revision);
    let profile = OwnProfile::new(user_id, profile, language(headers), app.now());
    (tag, Json(Seen::Own(Box::new(profile)))).into_response()
}

/// What a request asks for besides who it is about.
struct Asked {
    by_service: bool,
    headers: HeaderMap,
    request_id: Option<String>,
    wanted: Wanted,
}

async fn change(app: &App, user_id: UserId, asked: Asked) -> Result<Response, ApiError> {
    if app.withheld.is_erasing(user_id) {
        return Err(ApiError::Conflict(
            "being_erased",
            "this person is being erased; a new profile may be made when that is done".to_owned(),
        ));
    }
    let now = app.now();
    let conditions = Conditions::of(&asked.headers);
    let edit = Edit { wanted: asked.wanted, by_service: asked.by_service, language: language(&asked.headers), now };
    let step = |old: Option<&Profile>| {
        conditions.hold(old.map(|old| old.revision))?;
        edit.apply(old)
    };
    // Judged before the row is locked, for a service may take its time. What is written then was judged, or stood there at one of the two times.
    let old = app.people.find(user_id).await?;
    let wanted = step(old.as_ref())?;
    app.moderator.check(&brought(old.as_ref(), &wanted)).await?;
    let changed = app.people.change(user_id, now, asked.request_id.as_deref(), step).await?;
    Ok(own(app, user_id, changed, &asked.headers))
}

/// Makes or replaces a profile. The answer has the position snapped to the centre of its cell; the platform keeps the exact one. `created_at` may be left out,
/// and people do not set it, nor `banned`, `virtual` and `verified`. `If-Match` with the `ETag` of an answer before refuses to write over what was changed
/// since then, `If-None-Match: *` over anything.
#[utoipa::path(put, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), request_body = Profile, responses(
    (status = 200, body = OwnProfile), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn put_user(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    headers: HeaderMap,
    RequestId(request_id): RequestId,
    Body(body): Body<Value>,
) -> Result<Response, ApiError> {
    let user_id = crate::http::id("id", &id)?;
    caller.must_be(user_id)?;
    change(&app, user_id, Asked { by_service: caller == Caller::Service, headers, request_id, wanted: Wanted::Whole(body) }).await
}

/// Changes some fields of a profile by a JSON merge patch (RFC 7396): what is named is replaced, `null` takes away, the rest stays. Rules and conditions are those of
/// PUT.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, body = OwnProfile), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn patch_user(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    headers: HeaderMap,
    RequestId(request_id): RequestId,
    Body(body): Body<Value>,
) -> Result<Response, ApiError> {
    let user_id = crate::http::id("id", &id)?;
    caller.must_be(user_id)?;
    change(&app, user_id, Asked { by_service: caller == Caller::Service, headers, request_id, wanted: Wanted::Patch(body) }).await
}

/// A profile: in full for the person and for service keys, with the position snapped to the centre of its cell, and with what is for others for other people. Of who
/// is blocked either way, banned, or hidden or paused and no friend, there is none. Whoever changes a profile by reading and writing it leaves the position out
/// or sets it anew, or sends a PATCH.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), responses(
    (status = 200, body = Seen), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn get_user(State(app): State<App>, caller: Caller, Part(id): Part, headers: HeaderMap) -> Result<Response, ApiError> {
    let user_id = crate::http::id("id", &id)?;
    if let Some(viewer) = caller.user().filter(|viewer| *viewer != user_id) {
        return Ok(Json(Seen::Public(Box::new(public(&app, viewer, user_id)?))).into_response());
    }
    let profile = app.people.find(user_id).await?.ok_or_else(|| ApiError::unknown_user(user_id))?;
    Ok(own(&app, user_id, profile, &headers))
}

/// Somebody as another person sees them. Distances are those of recommendations: between cells, in buckets, from places that change only so often.
fn public(app: &App, viewer: UserId, user_id: UserId) -> Result<PublicProfile, ApiError> {
    let unknown = || ApiError::NotFound("unknown_user", "there is nobody of this id whom you may see".to_owned());
    let profile = app.sees(viewer, user_id).ok_or_else(unknown)?;
    let now = app.now();
    let here = app.profile(viewer).and_then(|own| own.position).and_then(|at| app.decks.place(viewer, Some(at), now).0).and_then(snap);
    let there = profile.position.and_then(snap);
    let distance = Bucket::of(here.zip(there).map(|(here, there)| km(here, there)));
    Ok(PublicProfile::new(user_id, (*profile).clone(), distance, now))
}

/// The caller's own profile, with what lacks to a full one.
#[utoipa::path(get, path = "/v1/me", tag = "users", security(("user_token" = [])), responses(
    (status = 200, body = OwnProfile), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn get_me(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response, ApiError> {
    let (user_id, _) = caller.session()?;
    let none = || ApiError::NotFound("unknown_user", "there is no profile yet; PUT /v1/me makes one".to_owned());
    let profile = app.people.find(user_id).await?.ok_or_else(none)?;
    Ok(own(&app, user_id, profile, &headers))
}

/// Makes or replaces the caller's own profile, as PUT /v1/users/{id} does.
#[utoipa::path(put, path = "/v1/me", tag = "users", security(("user_token" = [])), request_body = Profile, responses(
    (status = 200, body = OwnProfile), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn put_me(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    RequestId(request_id): RequestId,
    Body(body): Body<Value>,
) -> Result<Response, ApiError> {
    let (user_id, _) = caller.session()?;
    change(&app, user_id, Asked { by_service: false, headers, request_id, wanted: Wanted::Whole(body) }).await
}

/// Changes some fields of the caller's own profile by a JSON merge patch (RFC 7396), as PATCH /v1/users/{id} does.
#[utoipa::path(patch, path = "/v1/me", tag = "users", security(("user_token" = [])), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, body = OwnProfile), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn patch_me(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    RequestId(request_id): RequestId,
    Body(body): Body<Value>,
) -> Result<Response, ApiError> {
    let (user_id, _) = caller.session()?;
    change(&app, user_id, Asked { by_service: false, headers, request_id, wanted: Wanted::Patch(body) }).await
}
