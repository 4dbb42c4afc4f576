//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use features::ids::{EventId, UserId};
use features::validate::FieldError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::{self, Accepted, Checked, Item, Sign};
use crate::http::{ApiError, Body, Caller, EventIds, Problem, RequestId};
use crate::state::App;

const MOST: usize = 500;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(interactions)).routes(routes!(presence))
}

/// A batch; each item is judged by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// 1 to 500 items.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

/// What became of each item, in order.
#[derive(Debug, Serialize, ToSchema)]
struct Results {
    /// One per item.
    items: Vec<Outcome>,
    /// How many were accepted.
    accepted: usize,
}

/// What became of an item: an event id, or what is wrong. One that has neither was accepted and has changed nothing, such as a follow of somebody who is
/// followed.
#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    /// Id of the durable event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    event_id: Option<EventId>,
    /// Why it was refused, for programs: `invalid_fields`, `unknown_user`, `text_refused`, `moderation_unavailable`, `not_available`, `unblock_first`, `rate_limited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Vec<FieldError>>,
}

/// Reads and checks the items one by one; one that cannot be read spoils no other.
fn check<T: serde::de::DeserializeOwned>(batch: Batch, judge: impl Fn(usize, T) -> Checked) -> Result<Vec<Checked>, ApiError> {
    if batch.items.is_empty() || batch.items.len() > MOST {
        return Err(ApiError::field("items", format!("has {} entries; 1 to {MOST} are allowed", batch.items.len())));
    }
    let read = |(i, value): (usize, Value)| match serde_json::from_value::<T>(value) {
        Ok(item) => judge(i, item),
        Err(error) => Err(vec![FieldError { field: format!("items[{i}]"), message: error.to_string() }].into()),
    };
    Ok(batch.items.into_iter().enumerate().map(read).collect())
}

/// Holds people to what they did themselves. Exposures are not theirs to report: they are recorded with the page that shows somebody. What names nobody is
/// judged with the items.
fn only_own(caller: Caller, field: &str, batch: &Batch) -> Result<(), ApiError> {
    if caller.user().is_none() {
        return Ok(());
    }
    for item in &batch.items {
        if let Some(who) = item[field].as_str().and_then(|id| id.parse::<UserId>().ok()) {
            caller.must_be(who)?;
        }
        if item["kind"] == "impression" {
            return Err(ApiError::Forbidden("impressions are recorded with the page that is shown; a service key may report them"));
        }
    }
    Ok(())
}

async fn accept(app: &App, caller: Caller, checked: Vec<Checked>) -> Result<Json<Results>, ApiError> {
    let done = service::accept(app, caller, checked).await?;
    let accepted = done.iter().filter(|one| one.is_ok()).count();
    let outcome = |one: Accepted| match one {
        Ok(event_id) => Outcome { event_id, code: None, error: None },
        Err(refusal) => Outcome { event_id: None, code: Some(refusal.code), error: Some(refusal.fields) },
    };
    Ok(Json(Results { items: done.into_iter().map(outcome).collect(), accepted }))
}

/// Likes, passes, comments, blocks and the rest. An answer of 200 tells of each item whether it was accepted. Likes are held to the quota of the day: those
/// beyond it are refused with `quota_exceeded`.
#[utoipa::path(post, path = "/v1/interactions", tag = "interactions", security(("service_key" = []), ("user_token" = [])), request_body = Batch, responses(
    (status = 200, body = Results), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn interactions(
    State(app): State<App>,
    caller: Caller,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Body(batch): Body<Batch>,
) -> Result<Json<Results>, ApiError> {
    only_own(caller, "actor_id", &batch)?;
    let checked = check(batch, |i, item: Item| service::interaction(&app, item, ids.get(i), request_id.clone()))?;
    let checked = service::moderate(&app, checked).await;
    accept(&app, caller, checked).await
}

/// App opens, heartbeats and locations.
#[utoipa::path(post, path = "/v1/presence", tag = "interactions", security(("service_key" = []), ("user_token" = [])), request_body = Batch, responses(
    (status = 200, body = Results), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn presence(
    State(app): State<App>,
    caller: Caller,
    RequestId(request_id): RequestId,
    ids: EventIds,
    Body(batch): Body<Batch>,
) -> Result<Json<Results>, ApiError> {
    only_own(caller, "user_id", &batch)?;
    let checked = check(batch, |i, sign: Sign| service::sign(&app, sign, ids.get(i), request_id.clone()))?;
    accept(&app, caller, checked).await
}
