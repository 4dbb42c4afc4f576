//! Parse, call, reply.

mod logins;

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use features::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Asker, Device, Tokens};
use crate::http::{ApiError, Body, Caller, Part, Problem, Unrepeatable};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send_code))
        .routes(routes!(verify))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(jwks))
        .merge(logins::router())
}

/// A number that wants a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeWanted {
    /// The number; without a country code it is of `auth.country`.
    #[schema(example = "+8613812345678")]
    phone: String,
    /// What the app calls the device, at most 100 characters: for limits.
    device_id: Option<String>,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
struct CodeSent {
    /// Seconds the code works.
    expires_in: i64,
    /// Seconds after which another one may be asked for.
    retry_after: i64,
}

/// A number and the code that came there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The number, as it was given before.
    #[schema(example = "+8613812345678")]
    phone: String,
    /// The six digits.
    #[schema(example = "123456")]
    code: String,
    /// What the app calls the device, at most 100 characters: for limits.
    device_id: Option<String>,
    /// The device in the list of sessions, at most 100 characters.
    #[serde(default)]
    device_name: String,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshWanted {
    /// As the last answer gave it.
    refresh_token: String,
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
struct TokenAnswer {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds the access token is good for.
    expires_in: i64,
    /// For the next tokens; it works once.
    refresh_token: String,
    /// When the session ends unless it is refreshed.
    session_expires_at: DateTime<Utc>,
    /// The session.
    session_id: String,
    /// Whose.
    user_id: UserId,
    /// Whether this login has made the account.
    created: bool,
}

/// Devices that are logged in.
#[derive(Serialize, ToSchema)]
struct Sessions {
    /// The last seen first; 200 at most.
    items: Vec<SessionShown>,
}

/// A device that is logged in.
#[derive(Serialize, ToSchema)]
struct SessionShown {
    /// Id, for ending it.
    session_id: String,
    /// Name of the device.
    device_name: String,
    /// When it logged in.
    created_at: DateTime<Utc>,
    /// When it last asked for tokens.
    last_seen_at: DateTime<Utc>,
    /// When it ends unless it is refreshed.
    expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    current: bool,
}

/// A JWK set.
#[derive(Serialize, ToSchema)]
struct KeySet {
    /// The keys: those that sign, have signed, or will.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// Who asks: from the connection, or as the trusted proxy says, whose entry is the last.
fn asker(app: &App, peer: Peer, headers: &HeaderMap, device: Option<String>) -> Result<Asker, ApiError> {
    if device.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > 100) {
        return Err(ApiError::field("device_id", "must have 1 to 100 characters"));
    }
    let header = &app.auth.config().address_header;
    let told = || headers.get_all(header.as_str()).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok();
    let peer = peer.map(|Extension(ConnectInfo(address))| address.ip());
    Ok(Asker { address: if header.is_empty() { peer } else { told().or(peer) }, device })
}

/// Tokens as they are told.
fn told(tokens: Tokens) -> TokenAnswer {
    TokenAnswer {
        access_token: tokens.access,
        token_type: "Bearer",
        expires_in: tokens.access_s,
        refresh_token: tokens.refresh,
        session_expires_at: tokens.expires_at,
        session_id: tokens.session.to_string(),
        user_id: tokens.user_id,
        created: tokens.created,
    }
}

/// Tokens are kept by nobody on the way.
fn answer(body: impl Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Sends a code by SMS. The answer is the same whether the number has an account or not.
#[utoipa::path(post, path = "/v1/auth/phone/code", tag = "auth", security(()), request_body = CodeWanted, responses(
    (status = 202, body = CodeSent), (status = 400, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn send_code(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Body(wanted): Body<CodeWanted>,
) -> Result<(StatusCode, Json<CodeSent>), ApiError> {
    let asker = asker(&app, peer, &headers, wanted.device_id)?;
    let expires_in = app.auth.send_code(&wanted.phone, &asker, app.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(CodeSent { expires_in, retry_after: app.auth.config().codes.pause_s })))
}

/// Logs in with the code. The first login with a number makes an account.
#[utoipa::path(post, path = "/v1/auth/phone/verify", tag = "auth", security(()), request_body = Login, responses(
    (status = 200, body = TokenAnswer), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn verify(State(app): State<App>, peer: Peer, headers: HeaderMap, Body(login): Body<Login>) -> Result<Response, ApiError> {
    let asker = asker(&app, peer, &headers, login.device_id)?;
    let device = Device { name: login.device_name };
    Ok(answer(told(app.auth.verify(&login.phone, &login.code, &device, &asker, app.now()).await?)))
}

/// New tokens for a refresh token, which works once. One that was used before ends its session; a retry within `auth.retry_s` gets the same answer. An `Idempotency-Key` changes nothing of that.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", security(()), request_body = RefreshWanted, responses(
    (status = 200, body = TokenAnswer), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn refresh(State(app): State<App>, Body(wanted): Body<RefreshWanted>) -> Response {
    let answered = match app.auth.refresh(&wanted.refresh_token, app.now()).await {
        Ok(tokens) => answer(told(tokens)),
        Err(error) => ApiError::from(error).into_response(),
    };
    // The token itself says whether it may be answered again: remembered by key it would go on working after its session, or after a reuse that must be noticed.
    (Extension(Unrepeatable), answered).into_response()
}

/// Ends the session of the access token.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", security(("user_token" = [])), responses(
    (status = 204, description = "The session is ended"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
async fn logout(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    let (user, session) = caller.session()?;
    app.auth.end_session(user, session, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's devices that are logged in.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "auth", security(("user_token" = [])), responses(
    (status = 200, body = Sessions), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
async fn sessions(State(app): State<App>, caller: Caller) -> Result<Json<Sessions>, ApiError> {
    let (user, current) = caller.session()?;
    let shown = |s: super::Session| SessionShown {
        session_id: s.id.to_string(),
        device_name: s.device,
        created_at: s.created_at,
        last_seen_at: s.seen_at,
        expires_at: s.expires_at,
        current: s.id == current,
    };
    Ok(Json(Sessions { items: app.auth.sessions(user, app.now()).await?.into_iter().map(shown).collect() }))
}

/// Ends a session of the caller's, such as that of a lost phone.
#[utoipa::path(delete, path = "/v1/auth/sessions/{id}", tag = "auth", security(("user_token" = [])), params(("id" = String, Path, description = "Session id")), responses(
    (status = 204, description = "The session is ended"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn end_session(State(app): State<App>, caller: Caller, Part(id): Part) -> Result<StatusCode, ApiError> {
    let (user, _) = caller.session()?;
    // What is no id is no session of the caller's either.
    app.auth.end_session(user, id.parse().unwrap_or_default(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The public keys of access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "auth", security(()), responses((status = 200, body = KeySet)))]
async fn jwks(State(app): State<App>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=300")], Json(KeySet { keys: app.auth.public_keys() }))
}
