//! One side: how likely v likes c.

use serde::{Deserialize, Serialize};

use super::logistic::{Logistic, Ridge};
use super::{logit, sigmoid};

/// What is known of one direction, all strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideInputs {
    /// The smoothed rate at which v likes whom v is shown.
    pub choosy: f64,
    /// The smoothed rate at which c is liked by those who are shown c.
    pub liked: f64,
    /// The rate of likes in the segment.
    pub base: f64,
}

/// What may be known beside the rates; unknown is taken as average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Extras {
    /// How recently c was active, any monotone measure, e.g. `−ln(1 + hours)`.
    pub recency: Option<f64>,
    /// The smoothed rate at which c replies, 0 to 1.
    pub reply: Option<f64>,
}

impl SideInputs {
    /// `sigmoid(logit choosy + logit liked − logit base)`: the chance of a like when v and c act on the odds independently.
    ///
    /// The model of Rasch (1960) with smoothed rates for its parameters: v moves the odds of the segment by one factor, c by another. When
    /// v is average the result is c's rate, and the other way round. With rates it is the odds form of log5 (James 1981).
    pub fn probability(&self) -> f64 {
        sigmoid(self.log_odds())
    }

    fn log_odds(&self) -> f64 {
        logit(self.choosy) + logit(self.liked) - logit(self.base)
    }

    fn features(&self, extras: &Extras) -> Vec<f64> {
        let base = logit(self.base);
        let reply = extras.reply.map_or(f64::NAN, logit);
        vec![logit(self.choosy) - base, logit(self.liked) - base, extras.recency.unwrap_or(f64::NAN), reply]
    }
}

/// The odds model with weights: what the data say beyond [`SideInputs::probability`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SideModel {
    correction: Option<Logistic>,
}

impl SideModel {
    /// The plain odds model.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Fits weights to what happened. The odds model enters as a fixed offset and the penalty draws the weights of its terms, of recency
    /// and of replies towards "no correction", so that little data leaves the plain model. The rates of a row must not have been counted
    /// from that row. The plain model is kept when the rows have one class only.
    pub fn fit(rows: &[(SideInputs, Extras, bool)], ridge: Ridge) -> Self {
        let features: Vec<Vec<f64>> = rows.iter().map(|(inputs, extras, _)| inputs.features(extras)).collect();
        let offset: Vec<f64> = rows.iter().map(|(inputs, _, _)| inputs.log_odds()).collect();
        let labels: Vec<bool> = rows.iter().map(|(_, _, yes)| *yes).collect();
        Self { correction: Logistic::fit_with_offset(&features, &offset, &labels, ridge) }
    }

    /// How likely v likes c, strictly between 0 and 1.
    pub fn probability(&self, inputs: &SideInputs, extras: &Extras) -> f64 {
        let more = self.correction.as_ref().map_or(0.0, |c| c.log_odds(&inputs.features(extras)));
        sigmoid(inputs.log_odds() + more)
    }
}
