//! What can be found: vectors, text, the in-memory portrait table, geo cells, the hot pool, the ledger of who
//! was shown to whom and who blocked whom, and who likes alike.
//!
//! Everything here is derived from the stream and can be made again from it. This crate knows neither Kafka nor HTTP, and takes
//! the time as an argument.

pub mod co_likes;
pub mod error;
pub mod fuse;
pub mod geo;
pub mod hot;
pub mod ledger;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod vectors;

pub use error::IndexError;

#[cfg(test)]
#[path = "../../tests/src/parts.rs"]
mod parts;
