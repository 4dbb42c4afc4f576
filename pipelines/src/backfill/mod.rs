//! Backfills: what the stream keeps, computed again out of the lake, and put in its place while the stream goes on.
//!
//! A feature set is a sum over all of the past, so it is computed as the sum of its days ([`partials`], kept and named by what they come from), in
//! bounded memory ([`workshop`]). What comes out is staged in chunks and handed to the feature runner, for all sets at once, by one object
//! ([`crate::runner`]): it goes on where the lake ends, so nothing that arrived meanwhile is missed.
//!
//! Every step leaves something that a later start finds: sums of days, staged states, the object that hands them over, vectors in their topic. So a
//! backfill that is killed anywhere goes on when it is started again, and what comes out is the same to the last bit.

mod compare;
mod days;
mod embeddings;
mod error;
mod features;
mod job;
mod partials;
mod portraits;
mod readers;
mod record;
mod totals;
mod workshop;

pub use compare::Comparison;
pub use embeddings::{EmbeddingsReport, Pace, texts};
pub use error::BackfillError;
pub use features::{FeaturesReport, SetReport};
pub use job::{Backfill, Effort, Places, Progress, Watcher, dry_run};
pub use portraits::PortraitsReport;
pub use record::{Phase, Request, RunRecord, SILENCE, runs};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
