//! Rows of any of the databases.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _};

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

/// Numbers above this are not kept whole by every reader of JSON.
const WHOLE: i64 = 1 << 53;

impl Row {
    /// The names of the columns, in their order.
    pub fn columns(&self) -> Vec<String> {
        macro_rules! names {
            ($row:expr) => {
                $row.columns().iter().map(|column| column.name().to_owned()).collect()
            };
        }
        match self {
            Self::Sqlite(row) => names!(row),
            Self::MySql(row) => names!(row),
            Self::Postgres(row) => names!(row),
        }
    }

    /// A column as JSON, whatever it holds: ids as everywhere, other numbers that JSON readers may spoil as text, bytes as base64.
    ///
    /// # Errors
    /// When there is no such column, or it holds what no table of ours has.
    pub fn json(&self, column: &str) -> Result<Value, DbError> {
        if let Ok(number) = self.opt_int(column) {
            if column == "id" || column.ends_with("_id") {
                return Ok(number.map_or(Value::Null, |n| n.cast_unsigned().to_string().into()));
            }
            return Ok(number.map_or(Value::Null, |n| if n.abs() < WHOLE { n.into() } else { n.to_string().into() }));
        }
        if let Ok(text) = self.opt_text(column) {
            return Ok(text.map_or(Value::Null, Value::from));
        }
        Ok(self.opt_bytes(column)?.map_or(Value::Null, |bytes| BASE64.encode(bytes).into()))
    }
}

getters! {
    /// A number.
    int, opt_int -> i64;
    /// A text.
    text, opt_text -> String;
    /// Bytes.
    bytes, opt_bytes -> Vec<u8>;
}
