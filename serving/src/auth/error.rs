//! What can go wrong at a login.

use features::validate::FieldError;

use super::{NoChance, PhoneError};
use crate::db::{DbError, Transient};
use crate::http::ApiError;

/// Why a request of this room fails.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No phone number.
    #[error("phone: {0}")]
    Phone(#[from] PhoneError),
    /// A field breaks a rule.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// The code is wrong, used, too old, or was tried too often.
    #[error("the code is wrong or does not work any more; ask for a new one")]
    WrongCode,
    /// Too often; in so many seconds again.
    #[error("too often; try again in {0} s")]
    TooOften(i64),
    /// No access token of ours, or one that has ended.
    #[error("the access token is not valid, has ended, or its session was ended; refresh it or log in")]
    BadToken,
    /// No refresh token of ours, or its session has ended.
    #[error("the refresh token is not valid, or its session has ended; log in")]
    BadRefresh,
    /// A refresh token that was used before: somebody has a copy.
    #[error("the refresh token was used before; its session is ended, log in")]
    Reused,
    /// There is no such session of the caller's.
    #[error("there is no such session")]
    NoSession,
    /// The code could not be sent.
    #[error("the code could not be sent: {0}")]
    NotSent(String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A mistake of ours.
    #[error("{0}")]
    Broken(String),
}

impl From<NoChance> for AuthError {
    fn from(error: NoChance) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Transient for AuthError {
    /// Two first logins with one number at the same time: the second finds the account of the first when it tries again.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(DbError::Duplicate | DbError::Conflict(_)))
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let told = error.to_string();
        match error {
            AuthError::Phone(reason) => Self::field("phone", reason.to_string()),
            AuthError::Field(field, message) => Self::Invalid(vec![FieldError { field: field.to_owned(), message }]),
            AuthError::WrongCode => Self::Denied("wrong_code", told),
            AuthError::TooOften(wait) => Self::TooOften(wait),
            AuthError::BadToken => Self::Denied("invalid_token", told),
            AuthError::BadRefresh => Self::Denied("invalid_refresh_token", told),
            AuthError::Reused => Self::Denied("refresh_token_reused", told),
            AuthError::NoSession => Self::NotFound("unknown_session", told),
            AuthError::NotSent(reason) => {
                tracing::warn!(reason, "a code could not be sent");
                Self::Unavailable("the code could not be sent; try again".to_owned())
            }
            AuthError::Db(error) => error.into(),
            AuthError::Broken(reason) => Self::Internal(reason),
        }
    }
}
