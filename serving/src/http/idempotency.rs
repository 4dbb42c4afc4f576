//! `Idempotency-Key`: the same key with the same request gives the same answer again, without doing it again.
//!
//! Answers are remembered in memory. After a restart a repeat is carried out again, with event ids derived from the key, and the gate drops
//! what it has seen.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::error::ApiError;

#[derive(Clone)]
struct Remembered {
    request: [u8; 32],
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
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

/// Answers repeats from memory.
pub(super) async fn repeat(State(answers): State<Answers>, request: Request, next: Next) -> Result<Response, ApiError> {
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::DELETE);
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let Some(key) = key.filter(|_| writes) else { return Ok(next.run(request).await) };
    if key.is_empty() || key.len() > 200 {
        return Err(ApiError::field("Idempotency-Key", "must have 1 to 200 characters"));
    }
    let (parts, body) = request.into_parts();
    let too_large = |_| ApiError::Malformed(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {} bytes are allowed", answers.body_limit));
    let body = to_bytes(body, answers.body_limit).await.map_err(too_large)?;
    let name = format!("{} {} {key}", parts.method, parts.uri.path());
    let digest: [u8; 32] = Sha256::digest(&body).into();
    let run = async { remember(next.run(Request::from_parts(parts, Body::from(body))).await, digest).await };
    // Two requests with one key at the same time: the second waits for the first.
    let remembered = answers.cache.try_get_with(name, run).await.map_err(|e: Arc<ApiError>| (*e).clone())?;
    if remembered.request != digest {
        return Err(ApiError::KeyReused);
    }
    Ok((remembered.status, remembered.headers.clone(), remembered.body.clone()).into_response())
}

/// Failures of ours are not remembered, so that the client can try again.
async fn remember(response: Response, request: [u8; 32]) -> Result<Arc<Remembered>, ApiError> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|e| ApiError::Internal(e.to_string()))?;
    if parts.status.is_server_error() {
        return Err(ApiError::Unavailable("the request could not be carried out; try again with the same key".to_owned()));
    }
    Ok(Arc::new(Remembered { request, status: parts.status, headers: parts.headers, body }))
}
