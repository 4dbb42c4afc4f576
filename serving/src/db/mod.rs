//! Tables: one database for all rooms.
//!
//! - SQLite in the data folder by default; MySQL, MariaDB, TiDB or PostgreSQL by `database.url`. The same statements run on all: they are
//!   built with sea-query, numbers are 64-bit, times are microseconds since 1970, and nothing that only one of them has is used.
//! - A write is durable when its transaction has committed, also over `kill -9` and a power cut (SQLite: `synchronous = FULL`).
//! - Writers who come at the same time share a transaction where they ask for it ([`Together`]): told once it is durable, and none is harmed by what another cannot do.
//! - Ids are 64-bit, positive and sorted by time ([`Ids`]). Every table of [`TABLES`] that belongs to people has a shard key.
//! - Tables change by versioned migrations, one node at a time.
//! - An event that belongs to rows is put into the outbox in their transaction ([`outbox::put`]), and relayed to `inbox` at least once.
//! - No room reads another one's tables.

mod config;
mod error;
mod ids;
mod migrate;
mod open;
pub mod outbox;
pub mod people;
mod pool;
mod retry;
mod row;
pub mod schema;
pub mod statement;
mod together;

pub use self::config::DatabaseConfig;
pub use self::error::DbError;
pub use self::ids::{Ids, NODES, node_of, time_of};
pub use self::migrate::{MigrationStatus, State, down, prepare, status, up};
pub use self::pool::{Db, Kind, Tx};
pub use self::retry::{Raced, Transient, retrying};
pub use self::row::Row;
pub use self::schema::{MIGRATIONS, Migration, Owned, Step, TABLES, TableSpec};
pub use self::together::Together;

use chrono::{DateTime, Utc};
use features::ids::UserId;

/// A person's id as a column holds it: the same 64 bits, with a sign.
pub const fn key(user: UserId) -> i64 {
    user.0.cast_signed()
}

/// The person a column names.
pub const fn user(key: i64) -> UserId {
    UserId(key.cast_unsigned())
}

/// A time as a column holds it: microseconds since 1970.
pub const fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// The time of a column; 1970 for what no calendar knows.
pub fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests;
