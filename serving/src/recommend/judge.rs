//! Why one person would be shown to another, or not: without a deck, without an exposure.

use axum::Json;
use axum::extract::State;
use features::ids::UserId;
use ranker::{DeckItem, DeckRequest, RankError, Removed, SourceName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{ApiError, Params, Problem};
use crate::state::App;

/// About whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    /// Who looks.
    #[param(value_type = String)]
    viewer: UserId,
    /// Who might be shown.
    #[param(value_type = String)]
    candidate: UserId,
}

/// Either the score with its terms, or the filter that refuses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Judgement {
    /// The score and its terms, if every filter lets the candidate through.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<DeckItem>,
    /// The filter that refuses, with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Removed>,
    /// The sources that find the candidate for the viewer now. Without any, no deck comes to them, however good they score.
    sources: Vec<SourceName>,
}

/// Judges a candidate for a viewer as a deck made now would, whether or not a source finds them, and asks every source whether it does. Nobody
/// counts as shown.
#[utoipa::path(get, path = "/v1/recommendations/judgement", tag = "recommendations", params(Pair), responses(
    (status = 200, body = Judgement), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn judgement(State(app): State<App>, Params(pair): Params<Pair>) -> Result<Json<Judgement>, ApiError> {
    let viewer = app.profile(pair.viewer).ok_or_else(|| ApiError::unknown_user(pair.viewer))?;
    let now = app.now();
    let (position, _) = app.decks.place(pair.viewer, viewer.position, now);
    let request = DeckRequest { viewer: pair.viewer, deck_id: String::new(), seed: 0, now, position, limit: 1 };
    let told = |e: RankError| match e {
        RankError::UnknownViewer(user) => ApiError::unknown_user(user),
        other => ApiError::field("viewer", other.to_string()),
    };
    let recalled = app.recommender.recalled(&request).await.map_err(told)?;
    let sources = recalled.into_iter().find(|c| c.user == pair.candidate).map_or_else(Vec::new, |c| c.sources);
    let deck = app.recommender.judge(&request, pair.candidate).map_err(told)?;
    let item = deck.items.into_iter().next().map(|item| DeckItem { sources: sources.clone(), ..item });
    Ok(Json(Judgement { item, removed: deck.removed.into_iter().next(), sources }))
}
