//! The gate: what was reported goes in, what may be trusted comes out.
//!
//! Each micro-batch of `inbox` is decoded, validated, freed of repeats and filed in one Kafka transaction together with the inbox offsets,
//! so that a record is filed exactly once whatever dies when. What cannot be filed goes to `dead_letters` in the same
//! transaction, so no record stops the gate.
//!
//! Repeats are known by `event_id` within a window. The ids come out of the filed topics themselves, which are atomic with the offsets: a
//! snapshot keeps them with the positions up to which the filed topics are contained, and a start reads on from there.

mod dedup;
mod job;
mod sort;

pub use job::{Gate, GateConfig, NAME};
#[cfg(test)]
pub(crate) use sort::normalised;
pub use sort::{Passed, check};
