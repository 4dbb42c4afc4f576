//! Rows of any of the databases.

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::DbError;

/// A row that was read.
#[derive(Debug)]
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of MySQL, MariaDB or TiDB.
    MySql(MySqlRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $optional:ident -> $kind:ty;)*) => {
        impl Row {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When there is no such column, or it holds nothing or something else.
                pub fn $name(&self, column: &str) -> Result<$kind, DbError> {
                    self.$optional(column)?.ok_or_else(|| DbError::Unexpected(format!("{column} is NULL")))
                }

                $(#[$doc])*
                ///
                /// Nothing for NULL.
                ///
                /// # Errors
                /// When there is no such column, or it holds something else.
                pub fn $optional(&self, column: &str) -> Result<Option<$kind>, DbError> {
                    Ok(match self {
                        Self::Sqlite(row) => row.try_get(column)?,
                        Self::MySql(row) => row.try_get(column)?,
                        Self::Postgres(row) => row.try_get(column)?,
                    })
                }
            )*
        }
    };
}

getters! {
    /// A number.
    int, opt_int -> i64;
    /// A text.
    text, opt_text -> String;
    /// Bytes.
    bytes, opt_bytes -> Vec<u8>;
}
