//! What people do: interactions and presence, in batches, with an answer per item.
//!
//! Everything accepted is durable before it is answered. Blocks, likes and passes are in the ledger then: a block is in force everywhere
//! from the answer on.

mod http;
mod service;

pub use self::http::router;
