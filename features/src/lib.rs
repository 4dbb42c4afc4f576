//! What the data means: events and topics, feature sets (SQL) and their decay
//! arithmetic, portraits, vectors, text tokenising and the candle encoders.
//!
//! This crate opens no socket, reads no clock and knows no database. Everything else in the
//! workspace depends on it; it depends on nothing of ours.

pub mod assemble;
pub mod decay;
pub mod docs;
pub mod embed;
pub mod entitlements;
pub mod event;
pub mod generation;
pub mod ids;
pub mod manifest;
pub mod moderation;
pub mod portrait;
pub mod profile;
pub mod relations;
pub mod row;
pub mod sets;
pub mod text;
pub mod topic;
pub mod validate;
pub mod vector;

#[cfg(test)]
#[path = "../../tests/src/parts.rs"]
mod parts;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
