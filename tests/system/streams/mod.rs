//! The stream as a whole: gate, feature runner and lake against a real event log on disk, with duplicates, garbage and crashes.

mod embedding;
mod equality;
mod faults;
mod gate;
pub(crate) mod town;
