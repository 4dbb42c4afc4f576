//! Logins by providers, and the logins of one person.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Peer, TokenAnswer, answer, asker, told};
use crate::auth::{Device, IdToken, Login, LoginKind};
use crate::http::{ApiError, Body, Caller, Part, Problem};
use crate::state::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(log_in_by))
        .routes(routes!(logins))
        .routes(routes!(link_phone))
        .routes(routes!(link_oidc))
        .routes(routes!(unlink))
}

/// An ID token that the app got from a provider.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OidcWanted {
    /// The ID token, as the provider's SDK gave it.
    id_token: String,
    /// The nonce that the sign-in began with, before it was hashed; 1 to 256 characters. Needed where the token has one.
    nonce: Option<String>,
    /// What Apple told the app the person is called: it does so at the first sign-in only.
    #[serde(default)]
    name: String,
    /// What the app calls the device, at most 100 characters: for limits.
    device_id: Option<String>,
    /// The device in the list of sessions, at most 100 characters.
    #[serde(default)]
    device_name: String,
}

/// Tokens of a session that began with a provider.
#[derive(Serialize, ToSchema)]
struct OidcAnswer {
    /// The tokens.
    #[serde(flatten)]
    tokens: TokenAnswer,
    /// What the provider calls the person, for the field of the nickname; left out where it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    suggested_nickname: String,
    /// The mail address that the provider has made sure of, masked; left out where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    /// Whether the address is one that Apple made up, and forwards.
    is_private_email: bool,
}

/// A number and the code that came there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PhoneLinked {
    /// The number, as it was given to `/v1/auth/phone/code`.
    #[schema(example = "+8613812345678")]
    phone: String,
    /// The six digits.
    #[schema(example = "123456")]
    code: String,
}

/// A login that is the caller's now.
#[derive(Serialize, ToSchema)]
struct Linked {
    /// Id, for removing it.
    login_id: String,
}

/// By what the caller logs in.
#[derive(Serialize, ToSchema)]
struct Logins {
    /// The oldest first.
    items: Vec<LoginShown>,
}

/// A login.
#[derive(Serialize, ToSchema)]
struct LoginShown {
    /// Id, for removing it.
    login_id: String,
    /// `phone` or `oidc`.
    kind: &'static str,
    /// The number with its first and last digits only.
    #[serde(skip_serializing_if = "String::is_empty")]
    phone: String,
    /// The provider's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    provider: String,
    /// The mail address there, masked; left out where the provider has not made sure of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    /// Whether the address is one that Apple made up, and forwards.
    is_private_email: bool,
    /// When it was added.
    since: DateTime<Utc>,
}

fn shown(login: Login) -> LoginShown {
    let (kind, phone, provider, email, is_private_email) = match login.kind {
        LoginKind::Phone(phone) => ("phone", phone, String::new(), String::new(), false),
        LoginKind::Oidc { provider, mail, is_private_email } => ("oidc", String::new(), provider, mail, is_private_email),
    };
    LoginShown { login_id: login.id.to_string(), kind, phone, provider, email, is_private_email, since: login.since }
}

/// Logs in with an ID token of Google, Apple, Firebase or another provider of `auth.oidc`. The first login of a person there makes an account.
#[utoipa::path(post, path = "/v1/auth/oidc/{provider}", tag = "auth", security(()), params(("provider" = String, Path, description = "Name in `auth.oidc`")), request_body = OidcWanted, responses(
    (status = 200, body = OidcAnswer), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn log_in_by(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Part(provider): Part,
    Body(wanted): Body<OidcWanted>,
) -> Result<Response, ApiError> {
    let asker = asker(&app, peer, &headers, wanted.device_id)?;
    let device = Device { name: wanted.device_name };
    let given = IdToken { provider, token: wanted.id_token, nonce: wanted.nonce, name: wanted.name };
    let login = app.auth.log_in_by(&given, &device, &asker, app.now()).await?;
    Ok(answer(OidcAnswer {
        tokens: told(login.tokens),
        suggested_nickname: login.suggested_nickname,
        email: login.mail,
        is_private_email: login.is_private_email,
    }))
}

/// By what the caller logs in.
#[utoipa::path(get, path = "/v1/auth/logins", tag = "auth", security(("user_token" = [])), responses(
    (status = 200, body = Logins), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
async fn logins(State(app): State<App>, caller: Caller) -> Result<Json<Logins>, ApiError> {
    let (user, _) = caller.session()?;
    Ok(Json(Logins { items: app.auth.logins(user).await?.into_iter().map(shown).collect() }))
}

/// Adds a phone number to the caller's logins, by a code of `/v1/auth/phone/code`. Needs a login within `auth.fresh_s`.
#[utoipa::path(post, path = "/v1/auth/logins/phone", tag = "auth", security(("user_token" = [])), request_body = PhoneLinked, responses(
    (status = 200, body = Linked), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn link_phone(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    caller: Caller,
    Body(wanted): Body<PhoneLinked>,
) -> Result<Json<Linked>, ApiError> {
    let asker = asker(&app, peer, &headers, None)?;
    let id = app.auth.link_phone(caller.session()?, (&wanted.phone, &wanted.code), &asker, app.now()).await?;
    Ok(Json(Linked { login_id: id.to_string() }))
}

/// Adds a provider to the caller's logins, by an ID token. Needs a login within `auth.fresh_s`.
#[utoipa::path(post, path = "/v1/auth/logins/oidc/{provider}", tag = "auth", security(("user_token" = [])), params(("provider" = String, Path, description = "Name in `auth.oidc`")), request_body = OidcWanted, responses(
    (status = 200, body = Linked), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn link_oidc(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    caller: Caller,
    Part(provider): Part,
    Body(wanted): Body<OidcWanted>,
) -> Result<Json<Linked>, ApiError> {
    let asker = asker(&app, peer, &headers, wanted.device_id)?;
    let given = IdToken { provider, token: wanted.id_token, nonce: wanted.nonce, name: wanted.name };
    let id = app.auth.link_oidc(caller.session()?, &given, &asker, app.now()).await?;
    Ok(Json(Linked { login_id: id.to_string() }))
}

/// Removes one of the caller's logins, but never the last. Sessions go on. Needs a login within `auth.fresh_s`.
#[utoipa::path(delete, path = "/v1/auth/logins/{id}", tag = "auth", security(("user_token" = [])), params(("id" = String, Path, description = "Login id")), responses(
    (status = 204, description = "It is removed"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
async fn unlink(State(app): State<App>, caller: Caller, Part(id): Part) -> Result<StatusCode, ApiError> {
    // What is no id is no login of the caller's either.
    app.auth.unlink(caller.session()?, id.parse().unwrap_or_default(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
