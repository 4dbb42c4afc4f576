//! Jobs on the stream and in batch.

pub mod arroyo;
pub mod assembler;
pub mod backfill;
pub mod batch;
pub mod bench;
pub mod broker;
pub mod bus;
pub mod claim;
pub mod dead_letters;
pub mod embedder;
pub mod forget;
pub mod gate;
pub mod generations;
pub mod indexer;
pub mod lake;
pub mod ledger_feed;
pub mod ownership;
pub mod parity;
pub mod past;
pub mod query;
pub mod runner;
pub mod shelf;
pub mod snapshots;
pub mod supervisor;
pub mod tables;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
