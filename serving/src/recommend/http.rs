//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use features::ids::UserId;
use features::profile::Position;
use features::validate::Language;
use ranker::{DeckItem, Removed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Recommendations;
use super::service::{self, Ask};
use crate::http::{ApiError, Caller, Params, Part, Problem, RequestId, language};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(recommendations)).routes(routes!(explain)).routes(routes!(super::judge::judgement))
}

/// What can be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Whom for.
    #[param(value_type = String)]
    viewer: UserId,
    /// People of the page.
    limit: Option<usize>,
    /// Goes on where a page ended.
    cursor: Option<String>,
    /// Latitude of where the viewer is now, with `lon`.
    lat: Option<f64>,
    /// Longitude of where the viewer is now, with `lat`.
    lon: Option<f64>,
}

/// People for a viewer, best first. Who is on the page counts as shown from now on.
#[utoipa::path(get, path = "/v1/recommendations", tag = "recommendations", security(("service_key" = []), ("user_token" = [])), params(Wanted), responses(
    (status = 200, body = Recommendations), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn recommendations(
    State(app): State<App>,
    caller: Caller,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    Params(wanted): Params<Wanted>,
) -> Result<Response, ApiError> {
    caller.must_be(wanted.viewer)?;
    let limit = crate::http::limit(wanted.limit, app.config.recommend.default_limit, app.config.recommend.max_limit)?;
    let position = position(wanted.lat, wanted.lon)?;
    let ask = Ask { viewer: wanted.viewer, limit, cursor: wanted.cursor, position, request_id, chinese: chinese(&headers) };
    let body = service::page(&app, ask).await?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn position(lat: Option<f64>, lon: Option<f64>) -> Result<Option<Position>, ApiError> {
    match (lat, lon) {
        (None, None) => Ok(None),
        (Some(lat), _) if !(-90.0..=90.0).contains(&lat) => Err(ApiError::field("lat", "must be −90 to 90")),
        (_, Some(lon)) if !(-180.0..=180.0).contains(&lon) => Err(ApiError::field("lon", "must be −180 to 180")),
        (Some(lat), Some(lon)) => Ok(Some(Position { lat, lon })),
        _ => Err(ApiError::field("lat", "and lon go together; send both or none")),
    }
}

fn chinese(headers: &HeaderMap) -> bool {
    language(headers) == Language::Chinese
}

/// Why a deck is as it is.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    /// The deck.
    deck_id: String,
    /// Whose.
    viewer: UserId,
    /// Hash of the configuration that made it.
    config_version: String,
    /// The region whose weights applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The strategy that said what people are worth.
    strategy: String,
    /// Experiment arms that held for the viewer, each as `experiment:arm`.
    experiments: Vec<String>,
    /// Everybody shown so far, with every term of the score.
    shown: Vec<ExplainedItem>,
    /// Everybody taken out, with the filter.
    removed: Vec<Removed>,
    /// How many of the deck no page has come to yet.
    waiting: usize,
    /// What did not work, if anything.
    degraded: Vec<String>,
}

/// Somebody shown, explained.
#[derive(Debug, Serialize, ToSchema)]
struct ExplainedItem {
    /// Position in the deck.
    position: usize,
    /// Sources, terms, draw, reasons.
    #[serde(flatten)]
    item: DeckItem,
}

/// Sources and terms of everybody shown, and the filter of everybody removed, as long as the deck is kept.
#[utoipa::path(get, path = "/v1/recommendations/{deck}/explain", tag = "recommendations", params(("deck" = String, Path, description = "Deck id")),
    responses((status = 200, body = Explanation), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn explain(State(app): State<App>, Part(deck): Part) -> Result<Json<Explanation>, ApiError> {
    let minutes = app.config.recommend.deck_minutes;
    let gone = || ApiError::NotFound("unknown_deck", format!("there is no deck of this id; decks are kept for {minutes} minutes"));
    let dealt = app.decks.get(&deck).ok_or_else(gone)?;
    let (shown, removed, waiting) = dealt.explained();
    let deck = &dealt.head;
    Ok(Json(Explanation {
        deck_id: deck.deck_id.clone(),
        viewer: deck.viewer,
        config_version: deck.config_version.clone(),
        region: deck.region.clone(),
        strategy: deck.strategy.clone(),
        experiments: deck.experiments.clone(),
        shown: shown.into_iter().map(|(position, item)| ExplainedItem { position, item }).collect(),
        removed,
        waiting,
        degraded: deck.degraded.clone(),
    }))
}
