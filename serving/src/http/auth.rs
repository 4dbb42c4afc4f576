//! Service keys of trusted back ends.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::error::ApiError;
use crate::state::App;

/// Lets requests with a known key through.
pub(super) async fn require_key(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let headers = request.headers();
    let bearer = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let given = bearer.or_else(|| headers.get("x-service-key").and_then(|v| v.to_str().ok())).unwrap_or_default();
    if is_known(&app.config.http.service_keys, given) { Ok(next.run(request).await) } else { Err(ApiError::Unauthorized) }
}

/// Whether a key is one of those that are let in.
pub(crate) fn is_known(keys: &[String], given: &str) -> bool {
    let known = |key: &String| bool::from(key.as_bytes().ct_eq(given.trim().as_bytes()));
    // Every key is compared, so that the time tells nothing about which one came close.
    keys.iter().map(known).fold(false, |any, one| any | one)
}
