//! The router's frame: layers around the rooms, documentation, and answers for what is not there.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::auth::{Doors, admit};
use super::contract::complete;
use super::error::ApiError;
use super::idempotency::repeat;
use super::linger::linger;
use crate::config::DEVELOPMENT_KEY;
use crate::state::App;
use crate::{auth, entitlements, interactions, moments, ops, recommend, relations, reviews, rights, search, users, web};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hongniang",
        description = "Recommendations of people to each other, and what belongs to it. Requests carry `Authorization: Bearer …` with a service key, which may do everything, or with \
                       an access token of a person (see `auth`), who acts as themselves. Each operation says which it takes; one that says nothing takes service keys. \
                       Errors are `application/problem+json` with a stable `code`. Ids are strings, times RFC 3339, distances buckets."
    ),
    security(("service_key" = [])),
    modifiers(&Keys)
)]
struct Api;

struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("service_key", bearer);
        components.add_security_scheme("user_token", token);
    }
}

fn rooms() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
        .merge(auth::router())
        .merge(recommend::router())
        .merge(interactions::router())
        .merge(users::router())
        .merge(moments::router())
        .merge(relations::router())
        .merge(search::router())
        .merge(entitlements::router())
        .merge(rights::router())
        .merge(reviews::router())
        .merge(ops::private())
}

/// The rooms and what they do, in full.
fn described() -> (Router<App>, utoipa::openapi::OpenApi) {
    let (rooms, mut api) = rooms().split_for_parts();
    complete(&mut api);
    (rooms, api)
}

/// The API's description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().1
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    let http = &app.config.http;
    let (rooms, api) = described();
    let doors = Doors::new(&api);
    let places = Arc::new(Semaphore::new(http.in_flight));
    let rooms = rooms
        .layer(from_fn_with_state(app.answers.clone(), repeat))
        .layer(from_fn_with_state(app.clone(), only_when_ready))
        .layer(from_fn_with_state((app.clone(), doors), admit))
        .layer(from_fn(move |request: Request, next: Next| take_place(Arc::clone(&places), request, next)));
    let console_key = http.listen.ip().is_loopback().then_some(DEVELOPMENT_KEY).filter(|key| http.service_keys.iter().any(|k| k == key));
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", api);
    let request_id = HeaderName::from_static("x-request-id");
    let timeout = Duration::from_secs(http.timeout_s);
    let layers = ServiceBuilder::new()
        .layer(map_request(linger))
        .layer(map_request(sound_request_id))
        .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(request_id))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(())) // failures are told where they happen
        .layer(from_fn(measure))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(move |request: Request, next: Next| give_up(timeout, request, next)));
    Router::new()
        .merge(rooms)
        .merge(ops::public())
        .merge(docs)
        .merge(web::router(console_key))
        .method_not_allowed_fallback(async || {
            ApiError::Malformed(StatusCode::METHOD_NOT_ALLOWED, "see /docs for what this address allows".to_owned())
        })
        .fallback(async || ApiError::Malformed(StatusCode::NOT_FOUND, "there is nothing at this address; see /docs".to_owned()))
        .layer(DefaultBodyLimit::max(http.body_limit))
        .layer(layers)
        .with_state(app)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer asks for this signature")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::Internal(format!("a handler panicked: {}", said.unwrap_or("without a word"))).into_response()
}

/// Answers nothing that depends on blocks and exposures before all of them are known.
async fn only_when_ready(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    if app.readiness.is_ready() || request.uri().path() == "/v1/jobs" {
        return Ok(next.run(request).await);
    }
    Err(ApiError::Unavailable("still catching up with the event log; /readyz tells when that is done".to_owned()))
}

/// Takes so many requests at the same time and no more: a queue that grows helps nobody.
async fn take_place(places: Arc<Semaphore>, request: Request, next: Next) -> Result<Response, ApiError> {
    let Ok(_place) = places.try_acquire() else { return Err(ApiError::Busy) };
    Ok(next.run(request).await)
}

/// Leaves out an `X-Request-ID` that is too long or not visible ASCII, so that the request gets one of ours: the id goes into logs and events.
async fn sound_request_id(mut request: Request) -> Request {
    const MOST: usize = 128;
    let sound = |id: &HeaderValue| (1..=MOST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    if request.headers().get("x-request-id").is_some_and(|id| !sound(id)) {
        request.headers_mut().remove("x-request-id");
    }
    request
}

async fn give_up(after: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(after, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Malformed(StatusCode::REQUEST_TIMEOUT, format!("it was given up after {} s", after.as_secs())).into_response(),
    }
}

/// Everything that is logged while a request is worked on carries this.
fn span(request: &Request) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|v| v.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}

async fn measure(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<axum::extract::MatchedPath>().map_or("unmatched", |p| p.as_str()).to_owned();
    let (method, begun) = (request.method().to_string(), std::time::Instant::now());
    let response = next.run(request).await;
    let labels = [("method", method), ("path", path), ("status", response.status().as_u16().to_string())];
    metrics::histogram!("hongniang_http_seconds", &labels).record(begun.elapsed().as_secs_f64());
    response
}
