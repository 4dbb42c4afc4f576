//! What can go wrong with a decision.

use crate::db::{DbError, Transient};
use crate::http::ApiError;

/// Why a request of this room fails.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// There is none of that id.
    #[error("there is no review {0}; GET /v1/reviews lists them")]
    Unknown(String),
    /// Somebody has decided before.
    #[error("review {0} is decided already: {1}")]
    Decided(i64, String),
    /// Nobody of that id is banned.
    #[error("user {0} is not banned")]
    NotBanned(features::ids::UserId),
    /// A field breaks a rule.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Transient for ReviewError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(DbError::Duplicate | DbError::Conflict(_)))
    }
}

impl From<ReviewError> for ApiError {
    fn from(error: ReviewError) -> Self {
        let told = error.to_string();
        match error {
            ReviewError::Unknown(_) => Self::NotFound("unknown_review", told),
            ReviewError::Decided(..) => Self::field("id", told),
            ReviewError::NotBanned(_) => Self::NotFound("not_banned", told),
            ReviewError::Field(field, message) => Self::field(field, message),
            ReviewError::Db(error) => error.into(),
        }
    }
}
