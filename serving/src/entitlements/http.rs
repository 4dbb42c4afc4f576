//! Parse, call, reply.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use features::entitlements::{Entitlement, Grant};
use features::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Held;
use crate::http::{ApiError, Body, Caller, Part, Problem};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mine)).routes(routes!(of_user)).routes(routes!(grant))
}

/// What somebody may do how often.
#[derive(Debug, Serialize, ToSchema)]
struct Holdings {
    /// One of each name.
    items: Vec<Holding>,
}

/// How often somebody may do something.
#[derive(Debug, Serialize, ToSchema)]
struct Holding {
    /// What.
    name: Entitlement,
    /// How many in a day; null for as many as they like.
    limit: Option<u32>,
    /// How many are used today; what is unlimited is not counted.
    used: u32,
    /// How many are left today; null for as many as they like.
    remaining: Option<u32>,
    /// When the next day begins.
    resets_at: DateTime<Utc>,
    /// Until when this holds; null for no end.
    valid_until: Option<DateTime<Utc>>,
    /// Who granted it; null where it is what everybody has.
    source: Option<String>,
}

impl From<Held> for Holding {
    fn from(held: Held) -> Self {
        let (valid_until, source) = held.grant.map_or((None, None), |grant| (grant.valid_until, Some(grant.source)));
        Self {
            name: held.what,
            limit: held.limit,
            used: held.used,
            remaining: held.limit.map(|limit| limit.saturating_sub(held.used)),
            resets_at: held.resets_at,
            valid_until,
            source,
        }
    }
}

/// Something to grant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGrant {
    /// How many in a day; 0 for as many as they like.
    amount: u32,
    /// When it ends; never, when left out.
    valid_until: Option<DateTime<Utc>>,
    /// Who grants it, such as the payment service; 1 to 60 characters.
    source: String,
    /// What for, such as the order; 1 to 200 characters. It counts once.
    reference: String,
}

async fn holdings(app: &App, user: UserId) -> Result<Json<Holdings>, ApiError> {
    let held = app.entitlements.held(user, app.now()).await?;
    Ok(Json(Holdings { items: held.into_iter().map(Holding::from).collect() }))
}

/// What the caller may do how often, and what is left of it today.
#[utoipa::path(get, path = "/v1/me/entitlements", tag = "entitlements", security(("user_token" = [])), responses(
    (status = 200, body = Holdings), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
async fn mine(State(app): State<App>, caller: Caller) -> Result<Json<Holdings>, ApiError> {
    let (user, _) = caller.session()?;
    holdings(&app, user).await
}

/// What somebody may do how often, and what is left of it today.
#[utoipa::path(get, path = "/v1/users/{id}/entitlements", tag = "entitlements", params(("id" = String, Path, description = "User id")), responses(
    (status = 200, body = Holdings), (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn of_user(State(app): State<App>, Part(id): Part) -> Result<Json<Holdings>, ApiError> {
    holdings(&app, crate::http::id("id", &id)?).await
}

/// Grants somebody something, as a payment service does after an order. It holds from now on, over what was granted before and has not ended. A reference counts
/// once: the same again is answered with 200 and changes nothing; with other contents it is refused with 409.
#[utoipa::path(put, path = "/v1/users/{id}/entitlements/{name}", tag = "entitlements", params(("id" = String, Path, description = "User id"), ("name" = Entitlement, Path, description = "What")), request_body = NewGrant, responses(
    (status = 200, body = Holdings, description = "It was granted before"), (status = 201, body = Holdings), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn grant(
    State(app): State<App>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    Body(new): Body<NewGrant>,
) -> Result<Response, ApiError> {
    let Path((id, name)) = path.map_err(|e| ApiError::Malformed(e.status(), e.body_text()))?;
    let user = crate::http::id("id", &id)?;
    let unknown = || {
        let names = Entitlement::ALL.map(Entitlement::name).join(", ");
        ApiError::NotFound("unknown_entitlement", format!("there is none of that name; there are {names}"))
    };
    let what = Entitlement::parse(&name).ok_or_else(unknown)?;
    let NewGrant { amount, valid_until, source, reference } = new;
    let grant = Grant { amount, granted_at: app.now(), valid_until, source, reference };
    let is_new = app.entitlements.grant(user, what, grant).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, holdings(&app, user).await?).into_response())
}
