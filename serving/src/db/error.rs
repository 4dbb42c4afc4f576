//! What can go wrong with tables. Messages name no values of rows: those are phone numbers and the like.

use super::Transient;

/// A database failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// It cannot be reached or opened.
    #[error("the database {place} cannot be opened: {reason}; check database.url, and whether the server answers")]
    Open {
        /// Where, without a password.
        place: String,
        /// What happened.
        reason: String,
    },
    /// Every connection is in use, or none can be had.
    #[error("no connection to the database became free in time; raise database.connections, or find out what holds them")]
    Busy,
    /// A row with the same key is there.
    #[error("a row with the same key is there already")]
    Duplicate,
    /// Two transactions got in each other's way; the loser may try again.
    #[error("another transaction was in the way (code {0})")]
    Conflict(String),
    /// Anything else that the database says.
    #[error("the database failed: {0}")]
    Failed(String),
    /// A statement or a row is not as the code expects.
    #[error("a statement or a row is not as expected: {0}")]
    Unexpected(String),
    /// Migrations are missing.
    #[error(
        "the tables of {place} are of an older version ({pending} migrations are missing); run `hongniang migrate up` once, or set database.migrate = true"
    )]
    Behind {
        /// Where.
        place: String,
        /// How many.
        pending: usize,
    },
    /// The tables are of a newer program.
    #[error("the tables have migration {version}, which this version of hongniang does not know; use the newer one")]
    Newer {
        /// The unknown migration.
        version: i64,
    },
    /// Another node migrates for too long.
    #[error("another process is changing the tables; try again when it is done")]
    Migrating,
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Busy,
            sqlx::Error::Database(error) if error.is_unique_violation() => Self::Duplicate,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                if is_conflict(&code) {
                    return Self::Conflict(code);
                }
                Self::Failed(format!("{} (code {code})", error.message()))
            }
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) => {
                Self::Unexpected(error.to_string())
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Busy and locked (SQLite: 5 and 6 with their extended codes), deadlock and lock timeout (MySQL, by SQLSTATE), serialisation failure and
/// deadlock (PostgreSQL).
fn is_conflict(code: &str) -> bool {
    matches!(code, "5" | "6" | "261" | "262" | "517" | "40001" | "40P01" | "1205" | "1213")
}

impl Transient for DbError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}
