//! Errors as the API tells them: RFC 9457 `application/problem+json` with a stable `code`.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use features::validate::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

/// The code of texts that the moderation does not accept.
pub(crate) const TEXT_REFUSED: &str = "text_refused";
/// The code of photos that it does not accept.
pub(crate) const IMAGE_REFUSED: &str = "image_refused";

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Stable, for programs: `unknown_user`, `invalid_fields`, …
    pub code: &'static str,
    /// Short, for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and the remedy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The fields that are not as they must be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
}

/// Every way a request can fail.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// No valid key or token.
    Unauthorized,
    /// A login, token or code that is not good: its code, and what to do.
    Denied(&'static str, String),
    /// A caller who may not do this.
    Forbidden(&'static str),
    /// Somebody asks too often; again in so many seconds.
    TooOften(i64),
    /// What somebody may do in a day is used up: what that is, and in how many seconds the next day begins.
    QuotaExceeded(String, i64),
    /// `If-Match` or `If-None-Match` does not hold.
    Stale,
    /// What is there already is in the way: its code, and what to do.
    Conflict(&'static str, String),
    /// Somebody or something that is not there.
    NotFound(&'static str, String),
    /// A body, query or path that cannot be read.
    Malformed(StatusCode, String),
    /// Fields that break a rule.
    Invalid(Vec<FieldError>),
    /// Texts that are not accepted, by the moderation.
    TextRefused(Vec<FieldError>),
    /// Photos that are not accepted, by the moderation.
    ImageRefused(Vec<FieldError>),
    /// An `Idempotency-Key` used for another request.
    KeyReused,
    /// More requests at the same time than are taken.
    Busy,
    /// What a room tells with a status and a code of its own.
    Coded {
        /// The HTTP status.
        status: u16,
        /// Stable, for programs.
        code: &'static str,
        /// Short, for people.
        title: &'static str,
        /// What happened here, and the remedy.
        detail: String,
    },
    /// Not now.
    Unavailable(String),
    /// A mistake of ours; told in the log only.
    Internal(String),
}

impl ApiError {
    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// What a room tells with a status and a code of its own.
    pub fn coded(status: u16, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::Coded { status, code, title, detail: detail.into() }
    }

    /// An unknown user.
    pub fn unknown_user(id: impl std::fmt::Display) -> Self {
        Self::NotFound("unknown_user", format!("there is no user {id}; PUT /v1/users/{id} makes one"))
    }

    /// The body of the answer.
    pub fn problem(&self) -> Problem {
        let (code, title, status, detail) = match self {
            Self::Unauthorized => (
                "unauthorized",
                "A service key or an access token is needed",
                401,
                "send `Authorization: Bearer …` with a key of http.service_keys, or with an access token of /v1/auth".to_owned(),
            ),
            Self::Denied(code, detail) => (*code, "Not logged in", 401, detail.clone()),
            Self::Forbidden(detail) => ("forbidden", "The caller may not do this", 403, (*detail).to_owned()),
            Self::TooOften(wait) => ("rate_limited", "Too often", 429, format!("try again in {wait} s")),
            Self::QuotaExceeded(detail, _) => ("quota_exceeded", "The quota of the day is used up", 429, detail.clone()),
            Self::Stale => (
                "precondition_failed",
                "It is not as the request expects",
                412,
                "somebody has changed it since; read it again, then decide anew".to_owned(),
            ),
            Self::Conflict(code, detail) => (*code, "What is there is in the way", 409, detail.clone()),
            Self::NotFound(code, detail) => (*code, "Not found", 404, detail.clone()),
            Self::Malformed(status, detail) => match status.as_u16() {
                404 => ("not_found", "Not found", 404, detail.clone()),
                405 => ("method_not_allowed", "Method not allowed", 405, detail.clone()),
                408 => ("timeout", "The request took too long", 408, detail.clone()),
                413 => ("body_too_large", "The body is too large", 413, detail.clone()),
                415 => ("unsupported_media_type", "The body must be JSON", 415, detail.clone()),
                _ => ("malformed", "The request cannot be read", 400, detail.clone()),
            },
            Self::Invalid(_) => ("invalid_fields", "Some fields are not as they must be", 422, String::new()),
            Self::TextRefused(_) => {
                (TEXT_REFUSED, "Some of the text is not accepted", 422, "change the fields as each says, then send it again".to_owned())
            }
            Self::ImageRefused(_) => {
                (IMAGE_REFUSED, "Some of the photos are not accepted", 422, "change the fields as each says, then send it again".to_owned())
            }
            Self::KeyReused => (
                "idempotency_key_reused",
                "This Idempotency-Key belongs to another request",
                422,
                "use a new key for a new request".to_owned(),
            ),
            Self::Coded { status, code, title, detail } => (*code, *title, *status, detail.clone()),
            Self::Busy => ("too_many_requests", "Too many requests at the same time", 429, "wait, then try again".to_owned()),
            Self::Unavailable(detail) => ("unavailable", "Not now; try again", 503, detail.clone()),
            Self::Internal(_) => ("internal", "Something went wrong here", 500, "the log has the details, by X-Request-ID".to_owned()),
        };
        let fields = match self {
            Self::Invalid(fields) | Self::TextRefused(fields) | Self::ImageRefused(fields) => fields.clone(),
            _ => Vec::new(),
        };
        Problem { code, title, status, detail, fields }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(reason) = &self {
            tracing::error!(reason, "a request failed");
        }
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let wait = if let Self::TooOften(wait) | Self::QuotaExceeded(_, wait) = self { wait.max(1) } else { 2 };
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<crate::db::DbError> for ApiError {
    fn from(error: crate::db::DbError) -> Self {
        use crate::db::DbError;
        match error {
            DbError::Busy | DbError::Conflict(_) => Self::Unavailable(error.to_string()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<crate::sink::SinkError> for ApiError {
    fn from(error: crate::sink::SinkError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<index::IndexError> for ApiError {
    fn from(error: index::IndexError) -> Self {
        Self::Internal(error.to_string())
    }
}
