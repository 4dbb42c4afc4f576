//! Jobs on the stream and in batch.

pub mod broker;
pub mod bus;
pub mod dead_letters;
pub mod gate;
pub mod lake;
pub mod runner;
pub mod snapshots;
pub mod supervisor;
pub mod tables;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod samples;
