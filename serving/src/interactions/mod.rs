//! What people do: interactions and presence, in batches, with an answer per item.
//!
//! Everything accepted is durable before it is answered. Blocks, likes and passes are in the ledger then: a block is in force everywhere
//! from the answer on. What relates people (likes, follows, comments, blocks, reports and what takes them back) is done by the service of relations, by the
//! rules of docs/RELATIONS.md and in one transaction for a batch; passes, views and impressions are events alone.

mod http;
mod service;

pub use self::http::router;
