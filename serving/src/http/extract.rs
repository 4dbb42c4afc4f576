//! Extractors that answer with problems.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use features::ids::{EventId, IdError, derived_event_id};
use features::validate::Language;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::idempotency;

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        body(axum::Json::<T>::from_request(request, state).await).map(Self)
    }
}

fn body<T>(read: Result<axum::Json<T>, JsonRejection>) -> Result<T, ApiError> {
    match read {
        Ok(axum::Json(body)) => Ok(body),
        Err(JsonRejection::JsonDataError(error)) => Err(data_error(&error.body_text())),
        Err(error) => Err(ApiError::Malformed(error.status(), error.body_text())),
    }
}

/// What JSON that was changed after it was read says as a type; faults are told as those of a [`Body`].
///
/// # Errors
/// `invalid_fields`, with the path of the field.
pub fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|e| ApiError::Internal(e.to_string()))?;
    body(axum::Json::from_bytes(&bytes))
}

/// The language of `Accept-Language`: Chinese where it begins with it, else English.
pub fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if wanted.trim_start().to_ascii_lowercase().starts_with("zh") { Language::Chinese } else { Language::English }
}

/// `Failed to deserialize …: a.b: reason at line 1 column 2` names the field and the reason.
fn data_error(text: &str) -> ApiError {
    let told = text.split_once(": ").map_or(text, |(_, rest)| rest);
    match told.split_once(": ") {
        Some((field, message)) if !field.contains(' ') => ApiError::field(field, message),
        _ => ApiError::field("body", told),
    }
}

/// Query parameters.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(ApiError::field("query", error.body_text())),
        }
    }
}

/// The changing part of a path.
pub struct Part(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(error) => Err(ApiError::Malformed(error.status(), error.body_text())),
        }
    }
}

/// The two changing parts of a path.
pub struct TwoParts(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for TwoParts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, &()).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(error) => Err(ApiError::Malformed(error.status(), error.body_text())),
        }
    }
}

/// The id of the request, as it came in `X-Request-ID` or as it was given here.
pub struct RequestId(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.headers.get("x-request-id").and_then(|v| v.to_str().ok()).map(str::to_owned)))
    }
}

/// Ids for the events a request causes: new ones, or with an `Idempotency-Key` always the same.
pub struct EventIds(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for EventIds {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let key = parts.headers.get("idempotency-key").and_then(|v| v.to_str().ok());
        Ok(Self(key.map(|key| idempotency::name(parts, key))))
    }
}

impl EventIds {
    /// The id of the `i`-th event.
    pub fn get(&self, i: usize) -> EventId {
        match &self.0 {
            Some(request) => derived_event_id(&[request, &i.to_string()]),
            None => EventId::now_v7(),
        }
    }

    /// Whether a repeat gives the same ids.
    pub fn are_derived(&self) -> bool {
        self.0.is_some()
    }
}

/// An id out of a path; `field` is its name there.
///
/// # Errors
/// When it is none.
pub fn id<T: std::str::FromStr<Err = IdError>>(field: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error: IdError| ApiError::field(field, error.to_string()))
}

/// How many are wanted, `usual` where nothing is said, from 1 to `most`.
///
/// # Errors
/// When it is not within that.
pub fn limit(wanted: Option<usize>, usual: usize, most: usize) -> Result<usize, ApiError> {
    let limit = wanted.unwrap_or(usual);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(ApiError::field("limit", format!("must be 1 to {most}"))) }
}
