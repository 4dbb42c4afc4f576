//! Why a profile is not changed.

use crate::db::{DbError, Transient};
use crate::http::ApiError;

/// Why a profile is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// What was asked for is not to be; told to who asked.
    #[error("{}", .0.problem().title)]
    Refused(ApiError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ApiError> for PeopleError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl Transient for PeopleError {
    /// Two first changes at the same time: the second finds the row of the first when it tries again.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(DbError::Duplicate | DbError::Conflict(_)))
    }
}

impl From<PeopleError> for ApiError {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Refused(error) => error,
            PeopleError::Db(DbError::Duplicate) => Self::Unavailable("somebody else was changing the profile; try again".to_owned()),
            PeopleError::Db(error) => error.into(),
        }
    }
}
