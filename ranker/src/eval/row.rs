//! One line of a report.

use serde::{Deserialize, Serialize};

use super::Interval;

/// What one strategy reaches in one metric on one slice of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was judged, e.g. `sides_product`.
    pub strategy: String,
    /// On which rows, e.g. `all` or `wave=21`.
    pub slice: String,
    /// By which measure, e.g. `auc`.
    pub metric: String,
    /// The measure, in its own unit.
    pub value: f64,
    /// Lower end of its interval, where one was drawn.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
}

impl Row {
    /// A value without an interval.
    pub fn plain(strategy: &str, slice: &str, metric: &str, value: f64) -> Self {
        Self { strategy: strategy.to_owned(), slice: slice.to_owned(), metric: metric.to_owned(), value, low: None, high: None }
    }

    /// A value with its interval.
    pub fn estimated(strategy: &str, slice: &str, metric: &str, interval: Interval) -> Self {
        Self { low: Some(interval.low), high: Some(interval.high), ..Self::plain(strategy, slice, metric, interval.value) }
    }
}
