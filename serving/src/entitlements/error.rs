//! Why something is not granted or not taken.

use chrono::{DateTime, Utc};
use features::entitlements::Entitlement;

use crate::db::{DbError, Transient};
use crate::http::ApiError;

/// Why something is not granted or not taken.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementError {
    /// The quota of the day does not reach.
    #[error("{} allows {limit} in a day, and the rest is not enough; more from {resets_at} on", .what.name())]
    Exceeded {
        /// Of what.
        what: Entitlement,
        /// How many there are in a day.
        limit: u32,
        /// When the next day begins.
        resets_at: DateTime<Utc>,
        /// Seconds until then.
        wait_s: i64,
    },
    /// The reference was used for something else.
    #[error("this reference has granted something else; use a new one for a new grant")]
    Reused,
    /// A field breaks a rule.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Transient for EntitlementError {
    /// Two first counts of a day, or the same grant twice, at the same time: the second finds the row of the first when it tries again.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(DbError::Duplicate | DbError::Conflict(_)))
    }
}

impl From<EntitlementError> for ApiError {
    fn from(error: EntitlementError) -> Self {
        let told = error.to_string();
        match error {
            EntitlementError::Exceeded { wait_s, .. } => Self::QuotaExceeded(told, wait_s),
            EntitlementError::Reused => Self::Conflict("reference_reused", told),
            EntitlementError::Field(field, message) => Self::field(field, message),
            EntitlementError::Db(error) => error.into(),
        }
    }
}
