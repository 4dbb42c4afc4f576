//! Parse, call, reply.

use axum::Json;
use axum::extract::State;
use features::event::Subject;
use features::ids::UserId;
use index::text::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::{self, Ask, Found};
use crate::http::{ApiError, Caller, Params, Problem};
use crate::state::App;

/// The routes of the room.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What can be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Words, in any language; 1 to 200 characters.
    q: String,
    /// `moments` or `people`; both, when left out.
    kind: Option<String>,
    /// Whose eyes: who is blocked either way is not found. With an access token one's own.
    #[param(value_type = Option<String>)]
    viewer: Option<UserId>,
    /// Hits at most, up to 50.
    limit: Option<usize>,
}

/// What was found, best first.
#[derive(Debug, Serialize, ToSchema)]
struct Hits {
    /// The hits.
    items: Vec<Hit>,
    /// What did not work, if anything.
    degraded: Vec<String>,
}

/// A Moment or a person.
#[derive(Debug, Serialize, ToSchema)]
struct Hit {
    /// `moment` or `person`.
    kind: &'static str,
    /// Id of the Moment or person.
    id: String,
    /// Whose.
    user_id: UserId,
    /// Their shown name.
    nickname: String,
    /// Title of a Moment.
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    /// Escaped HTML with `<b>` around what matched.
    snippet: String,
    /// Reciprocal rank fusion of text and vectors.
    score: f32,
    /// Whether an agent writes for the account.
    #[serde(rename = "virtual")]
    is_virtual: bool,
}

impl From<Found> for Hit {
    fn from(found: Found) -> Self {
        let (kind, id) = match found.subject {
            Subject::Moment(id) => ("moment", id.to_string()),
            Subject::Profile(id) => ("person", id.to_string()),
        };
        let Found { subject: _, user_id, nickname, title, snippet, score, is_virtual } = found;
        Self { kind, id, user_id, nickname, title, snippet, score, is_virtual }
    }
}

/// Moments and people by words and by meaning, across Chinese and English.
#[utoipa::path(get, path = "/v1/search", tag = "search", security(("service_key" = []), ("user_token" = [])), params(Wanted), responses(
    (status = 200, body = Hits), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn search(State(app): State<App>, caller: Caller, Params(wanted): Params<Wanted>) -> Result<Json<Hits>, ApiError> {
    // People look with their own eyes, also where they do not say so.
    let viewer = wanted.viewer.or(caller.user());
    viewer.map_or(Ok(()), |viewer| caller.must_be(viewer))?;
    let kind = match wanted.kind.as_deref() {
        None => None,
        Some("moments") => Some(Kind::Moments),
        Some("people") => Some(Kind::People),
        Some(_) => return Err(ApiError::field("kind", "must be moments or people")),
    };
    let limit = crate::http::limit(wanted.limit, 10, 50)?;
    if wanted.q.trim().is_empty() || wanted.q.chars().count() > 200 {
        return Err(ApiError::field("q", "must have 1 to 200 characters"));
    }
    let answer = service::search(&app, &Ask { text: wanted.q, kind, viewer, limit }).await?;
    Ok(Json(Hits { items: answer.items.into_iter().map(Hit::from).collect(), degraded: answer.degraded }))
}
