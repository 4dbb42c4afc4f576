//! The embedded stream: every micro-batch is aggregated by DataFusion with the feature files, the partials are added into keyed state,
//! and changed rows go to `features.<name>`.
//!
//! State and the source offsets that led to it become durable in one object ([`store`]), so a crash neither loses nor doubles: the
//! next start loads the state and reads on from its offsets. Rows that were emitted after that checkpoint are emitted again, with
//! versions no larger than the ones readers then get; a row whose version counts every event of its key has one value only.
//! A checkpoint is written after the rows before it are durable in their topic, so no row is left out either.
//!
//! A feature set whose SQL differs from the one its state was computed with is computed again from the beginning of its topic,
//! with a higher `generation`, while the others go on. A backfill hands over state that it has computed from the lake ([`swap`]).

mod engine;
mod job;
mod plan;
mod state;
mod store;
mod swap;
mod takeover;

pub(crate) use state::JOIN;
pub(crate) use store::{StateStore, sql_hash};
pub(crate) use swap::{Answer, Chunk, PLACE, Staged, Swap, Swaps};

pub use job::{FeatureRunner, NAME, RunnerConfig};
pub use plan::FeaturePlan;
pub use state::KeyedState;
pub use store::saved_of;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
