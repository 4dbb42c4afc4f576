//! Whether the stream says what a batch over the lake says, key by key, and events that try to make it say something else.
//!
//! A [`Recording`] is a stream of events from a seed as the world sends them: reported twice, out of order, late, with wrong clocks, with garbage
//! between. Whatever happens to the jobs on the way, in the end every valid event must be filed and stored exactly once ([`Filed`]), and every
//! feature set must be the same on the stream as over the lake ([`compare`]): keys, versions and counts exactly, decayed sums within
//! [`TOLERANCE`].

mod compare;
mod filed;
mod make;
mod recording;
mod rows;

pub use compare::{Judged, TOLERANCE, Worst, compare};
pub use filed::{Filed, filed_in_lake};
pub use recording::{Recording, RecordingPlan};
pub use rows::Rows;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
