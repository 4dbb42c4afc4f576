//! What people may do how often: quotas of a day, and what is granted beyond them. docs/PROFILES.md has the rules for who uses them.
//!
//! - A quota never gives more than it has, however many ask at the same time, on however many nodes: the count is a row that only grows up to the limit.
//! - A grant counts once per person, name and reference: a payment service may report an order as often as it likes.
//! - What is unlimited is not counted.

mod config;
mod error;
mod http;
mod service;
mod store;

pub use self::config::EntitlementsConfig;
pub use self::error::EntitlementError;
pub use self::http::router;
pub use self::service::{Entitlements, Held};
pub(crate) use self::store::{GRANTS, USAGE, drop_tables, tables};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
