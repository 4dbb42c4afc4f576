//! One line of a report.

use serde::{Deserialize, Serialize};

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
