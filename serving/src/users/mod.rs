//! Profiles. What each field and each visibility means is in docs/PROFILES.md.
//!
//! - A change is one transaction of the row and its event: durable and published once it is answered, and seen at once by whoever reads through this node.
//! - Changes of one person, made at the same time, lose nothing: each is made on what the one before left. `If-Match` refuses what was made on something older.
//! - Whoever has hidden is not shown here from the answer on, whatever the stream still has under way, and after a restart.
//! - What others see has no position, no birth date, no preferences and nothing of `extend_data`.

mod answer;
mod edit;
mod error;
mod etag;
mod http;
mod list;
mod merge;
mod service;
mod store;

pub use self::error::PeopleError;
pub use self::http::router;
pub use self::service::People;
pub(crate) use self::store::{PROFILES, drop_tables, tables};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
