//! The warm signal: what people did so far says who will like whom.
//!
//! | step | file |
//! | --- | --- |
//! | like rates of people with few rows are drawn towards the segment's | [`beta_prior`] |
//! | impressions far down a deck count less, because fewer of them are looked at | [`position`] |
//! | how choosy one is and how liked the other give a one-sided probability | [`side`] |
//! | two sides become one match | [`reciprocal`] |
//! | priors of everybody's segment, out of the portrait table | [`rates`] |
//! | the one-sided probability of the live recommender, and the fit of its weights | [`live`] |
//! | weights are fitted by ridge logistic regression, or trees where effects are not straight | [`logistic`], [`boost`] |
//!
//! Promises: everything is deterministic, sums in the order of its input, knows only the rows it is given, and makes
//! probabilities strictly between 0 and 1.

pub mod beta_prior;
pub mod boost;
pub mod live;
pub mod logistic;
pub mod position;
pub mod rates;
pub mod reciprocal;
pub mod side;

pub use self::beta_prior::{BetaPrior, Spread, Tally};
pub use self::boost::{Boost, BoostOptions};
pub use self::live::Direction;
pub use self::logistic::{Logistic, Ridge};
pub use self::position::Examination;
pub use self::rates::{LiveRates, Rates, Segment};
pub use self::reciprocal::{Combine, Criterion};
pub use self::side::{Extras, SideInputs, SideModel};

/// Log-odds: `ln(p / (1 − p))` for a probability strictly between 0 and 1; what lies outside is taken as the nearest within.
pub fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-9, 1.0 - 1e-9);
    (p / (1.0 - p)).ln()
}

/// The probability of log-odds; its inverse is [`logit`].
pub fn sigmoid(x: f64) -> f64 {
    // Both branches raise e to a negative power, so that neither overflows.
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests;
