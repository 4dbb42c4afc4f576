//! The stream as a whole: gate, feature runner and lake against a real event log on disk, with duplicates, garbage and crashes.

mod arroyo;
mod backfill;
mod co_likes;
mod embedding;
mod equality;
mod faults;
mod gate;
mod letters;
mod owners;
mod parity;
mod poison;
pub(crate) mod town;
mod workers;

pub(crate) use town::Dice;
