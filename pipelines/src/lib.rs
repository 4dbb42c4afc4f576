//! Jobs on the stream and in batch.

pub mod bus;
pub mod snapshots;
pub mod supervisor;
