//! `Idempotency-Key`: the same key with the same request gives the same answer again, without doing it again.
//!
//! Answers are remembered in memory. After a restart a repeat is carried out again, with event ids derived from the key, and the gate drops
//! what it has seen.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::auth::Caller;
use super::error::ApiError;

#[derive(Clone)]
struct Remembered {
    request: [u8; 32],
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Remembered {
    /// The answer again.
    fn answer(&self) -> Response {
        (self.status, self.headers.clone(), self.body.clone()).into_response()
    }
}

/// Remembered answers.
#[derive(Clone)]
pub(super) struct Answers {
    cache: Cache<String, Arc<Remembered>>,
    body_limit: usize,
}

impl Answers {
    /// Answers for so many hours.
    pub(super) fn new(hours: u64, body_limit: usize) -> Self {
        let cache = Cache::builder().time_to_live(Duration::from_secs(hours * 3600)).max_capacity(100_000).build();
        Self { cache, body_limit }
    }
}

/// The key, if there is one.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let key = given.to_str().map_err(|_| ApiError::field("Idempotency-Key", "must be visible ASCII"))?;
    if key.is_empty() || key.len() > 200 {
        return Err(ApiError::field("Idempotency-Key", "must have 1 to 200 characters"));
    }
    Ok(Some(key.to_owned()))
}

/// What a request with a key goes by, for its answer and for the ids of its events. Two people who choose the same key mean different requests.
pub(super) fn name(parts: &Parts, key: &str) -> String {
    let whose = parts.extensions.get::<Caller>().and_then(Caller::user).map(|user| format!("user {user} ")).unwrap_or_default();
    format!("{whose}{} {} {key}", parts.method, parts.uri.path())
}

/// Answers repeats from memory.
pub(super) async fn repeat(State(answers): State<Answers>, request: Request, next: Next) -> Result<Response, ApiError> {
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
        return Ok(next.run(request).await);
    }
    let Some(key) = key(request.headers())? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let too_large = |_| ApiError::Malformed(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {} bytes are allowed", answers.body_limit));
    let body = to_bytes(body, answers.body_limit).await.map_err(too_large)?;
    let name = name(&parts, &key);
    let digest: [u8; 32] = Sha256::digest(&body).into();
    let run = async { remember(next.run(Request::from_parts(parts, Body::from(body))).await, digest).await };
    // Two requests with one key at the same time: the second waits for the first.
    match answers.cache.try_get_with(name, run).await {
        Ok(remembered) if remembered.request != digest => Err(ApiError::KeyReused),
        Ok(remembered) => Ok(remembered.answer()),
        Err(failed) if failed.request != digest => Err(ApiError::KeyReused),
        Err(failed) => Ok(failed.answer()),
    }
}

/// Failures of ours, and what was asked for too often, are answered as they are and not remembered, so that the client can try again with the same key.
async fn remember(response: Response, request: [u8; 32]) -> Result<Arc<Remembered>, Remembered> {
    let (parts, body) = response.into_parts();
    let (parts, body) = match to_bytes(body, usize::MAX).await {
        Ok(body) => (parts, body),
        Err(error) => {
            let (parts, body) = ApiError::Internal(error.to_string()).into_response().into_parts();
            (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
        }
    };
    let answer = Remembered { request, status: parts.status, headers: parts.headers, body };
    let passes = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
    if passes { Err(answer) } else { Ok(Arc::new(answer)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    /// A room that fails three times, each time in another way, and then works.
    fn room() -> Router {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let work = async || match CALLS.fetch_add(1, Ordering::Relaxed) {
            0 => Err(ApiError::Internal("a bug".to_owned())),
            1 => Err(ApiError::Unavailable("the outbox is full".to_owned())),
            2 => Err(ApiError::TooOften(60)),
            _ => Ok("done"),
        };
        Router::new().route("/", post(work)).layer(from_fn_with_state(Answers::new(1, 1_000), repeat))
    }

    async fn ask(room: &Router, key: &str) -> (u16, HeaderMap, Bytes) {
        let request = Request::post("/").header("idempotency-key", key.as_bytes()).body(Body::empty()).unwrap();
        let (parts, body) = room.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status.as_u16(), parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn a_failure_is_told_as_it_is_and_tried_again() {
        let room = room();
        let code = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap()["code"].clone();
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body)), (500, "internal".into()));
        assert_eq!(headers["content-type"], "application/problem+json");
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body)), (503, "unavailable".into()));
        assert!(String::from_utf8_lossy(&body).contains("the outbox is full") && headers.contains_key("retry-after"), "{body:?}");
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body), headers["retry-after"].as_bytes()), (429, "rate_limited".into(), b"60".as_slice()));
        for _ in 0..2 {
            let (status, _, body) = ask(&room, "k").await;
            assert_eq!((status, body.as_ref()), (200, b"done".as_slice()));
        }
        for bad in ["", "ключ", &"k".repeat(201)] {
            assert_eq!(ask(&room, bad).await.0, 422, "{bad}");
        }
        assert_eq!(ask(&room, &"k".repeat(200)).await.0, 200);
    }
}
