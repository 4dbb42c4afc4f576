//! What a stage cost and how many went in and came out.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Histogram: seconds of a stage, by `stage` and `name`.
pub const STAGE_SECONDS: &str = "hongniang_stage_seconds";
/// Counter: what went into and came out of a stage, by `stage`, `name` and `side` (`in`, `out`).
pub const STAGE_ITEMS: &str = "hongniang_stage_items_total";
/// Counter: stages that failed, by `stage` and `name`; `deck`, `degraded` counts decks made without something.
pub const STAGE_FAILURES: &str = "hongniang_stage_failures_total";

/// The cost of one stage of one deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageTiming {
    /// Kind of stage: `query`, `source`, `filter`, `scorer`, `selector`; `deck` for all of them together.
    pub stage: String,
    /// Which one.
    pub name: String,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// How many went in.
    pub entered: usize,
    /// How many came out.
    pub left: usize,
}

/// A stage under way.
#[derive(Debug)]
pub struct Watch {
    stage: &'static str,
    name: &'static str,
    entered: usize,
    since: Instant,
}

impl Watch {
    /// Starts measuring.
    pub fn start(stage: &'static str, name: &'static str, entered: usize) -> Self {
        Self { stage, name, entered, since: Instant::now() }
    }

    /// Ends measuring: metrics, a trace, and the timing for the deck.
    pub fn stop(self, left: usize) -> StageTiming {
        let took = self.since.elapsed();
        let Self { stage, name, entered, .. } = self;
        metrics::histogram!(STAGE_SECONDS, "stage" => stage, "name" => name).record(took.as_secs_f64());
        metrics::counter!(STAGE_ITEMS, "stage" => stage, "name" => name, "side" => "in").increment(entered as u64);
        metrics::counter!(STAGE_ITEMS, "stage" => stage, "name" => name, "side" => "out").increment(left as u64);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::trace!(stage, name, entered, left, micros, "stage");
        StageTiming { stage: stage.to_owned(), name: name.to_owned(), micros, entered, left }
    }
}

/// Counts a failed stage.
pub fn failed(stage: &'static str, name: &'static str) {
    metrics::counter!(STAGE_FAILURES, "stage" => stage, "name" => name).increment(1);
}
