//! Parse, call, reply.

use std::ops::ControlFlow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use features::event::{Event, ProfileEvent, ProfileKind};
use features::ids::UserId;
use features::profile::{Gender, Profile, UserProfile};
use features::validate::validate_profile;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::{ApiError, Body, Caller, EventIds, Params, Part, Problem, RequestId};
use crate::moderation::TextKind;
use crate::state::App;

/// Profiles looked at under one lock.
const AT_ONCE: usize = 1_000;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put_user, get_user, delete_user)).routes(routes!(list_users))
}

fn user_id(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|e: features::ids::IdError| ApiError::field("id", e.to_string()))
}

/// A profile as it may leave: the position is the centre of its cell, as everywhere, so that no answer tells where somebody is.
fn outward(user_id: UserId, mut profile: Profile) -> Json<UserProfile> {
    profile.position = profile.position.and_then(index::geo::snap);
    Json(UserProfile { user_id, profile })
}

/// Refuses a profile with words that are not accepted.
fn moderate(app: &App, profile: &Profile) -> Result<(), ApiError> {
    let texts = [("bio", &profile.bio), ("occupation", &profile.occupation), ("city", &profile.city)];
    let texts = texts.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)));
    let texts = texts.chain(profile.tags.iter().map(|tag| ("tags", tag.as_str())));
    let parts =
        [app.moderator.check(TextKind::Nickname, [("nickname", profile.nickname.as_str())]), app.moderator.check(TextKind::Bio, texts)];
    let refused: Vec<_> = parts.into_iter().filter_map(Result::err).flatten().collect();
    if refused.is_empty() { Ok(()) } else { Err(ApiError::TextRefused(refused)) }
}

/// Makes or replaces a profile. The answer has the position snapped to the centre of its cell; the platform keeps the exact one.
#[utoipa::path(put, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), request_body = Profile, responses(
    (status = 200, body = UserProfile), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn put_user(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Body(profile): Body<Profile>,
) -> Result<Json<UserProfile>, ApiError> {
    let user_id = user_id(&id)?;
    caller.must_be(user_id)?;
    let now = app.now();
    validate_profile(&profile, now, "").map_err(ApiError::Invalid)?;
    moderate(&app, &profile)?;
    let event = ProfileEvent {
        event_id: ids.get(0),
        event_time: now,
        kind: ProfileKind::Updated,
        request_id,
        user_id,
        profile: Some(profile.clone()),
    };
    app.sink.publish(&[Event::Profile(event)]).await?;
    app.erased.welcome(user_id);
    app.indexes.table.overlay(user_id, &profile);
    Ok(outward(user_id, profile))
}

/// A profile, with the position snapped to the centre of its cell. Whoever changes a profile by reading and writing it leaves the position out or sets
/// it anew.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), responses(
    (status = 200, body = UserProfile), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn get_user(State(app): State<App>, caller: Caller, Part(id): Part) -> Result<Json<UserProfile>, ApiError> {
    let user_id = user_id(&id)?;
    caller.must_be(user_id)?;
    let profile = app.profile(user_id).ok_or_else(|| ApiError::unknown_user(user_id))?;
    Ok(outward(user_id, (*profile).clone()))
}

/// Erases a person: not found or recommended from the answer on, and taken out of every index by the stream.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "users", security(("service_key" = []), ("user_token" = [])), params(("id" = String, Path, description = "User id")), responses(
    (status = 202, description = "Erased here; the stream takes the person out of every index"), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn delete_user(
    State(app): State<App>,
    caller: Caller,
    Part(id): Part,
    RequestId(request_id): RequestId,
    ids: EventIds,
) -> Result<StatusCode, ApiError> {
    let user_id = user_id(&id)?;
    caller.must_be(user_id)?;
    if !app.knows(user_id) {
        return Err(ApiError::unknown_user(user_id));
    }
    let event = ProfileEvent { event_id: ids.get(0), event_time: app.now(), kind: ProfileKind::Erased, request_id, user_id, profile: None };
    app.sink.publish(&[Event::Profile(event)]).await?;
    app.erased.erase(user_id);
    app.indexes.table.remove(user_id);
    app.indexes.ledger.forget(user_id);
    Ok(StatusCode::ACCEPTED)
}

/// What can be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Part of the name or city, or a whole id.
    q: Option<String>,
    /// People at most, up to 200.
    limit: Option<usize>,
}

/// People of the platform.
#[derive(Debug, Serialize, ToSchema)]
struct People {
    /// Some of them, by id.
    items: Vec<Person>,
    /// How many there are.
    total: usize,
}

/// Somebody, in a line.
#[derive(Debug, Serialize, ToSchema)]
struct Person {
    /// Who.
    user_id: UserId,
    /// Shown name.
    nickname: String,
    /// Gender.
    gender: Gender,
    /// Age in years.
    age: u8,
    /// City.
    city: Option<String>,
}

/// People, for operators: by part of the name or city, or by id.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(Wanted), responses((status = 200, body = People), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn list_users(State(app): State<App>, Params(wanted): Params<Wanted>) -> Result<Json<People>, ApiError> {
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(ApiError::field("limit", "must be 1 to 200"));
    }
    let q = wanted.q.unwrap_or_default().to_lowercase();
    let now = app.now();
    let fits = |p: &Profile, user: UserId| {
        q.is_empty()
            || p.nickname.to_lowercase().contains(&q)
            || p.city.as_ref().is_some_and(|c| c.to_lowercase().contains(&q))
            || user.to_string() == q
    };
    let person = |(user_id, p): (UserId, std::sync::Arc<Profile>)| Person {
        user_id,
        nickname: p.nickname.clone(),
        gender: p.gender,
        age: p.age(now),
        city: p.city.clone(),
    };
    let mut items = Vec::new();
    app.indexes.table.each_row(AT_ONCE, |table, row| {
        let (user, profile) = (table.user(row), table.profile(row));
        if fits(&profile, user) {
            items.push(person((user, profile)));
        }
        if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    Ok(Json(People { items, total: app.indexes.table.len() }))
}
