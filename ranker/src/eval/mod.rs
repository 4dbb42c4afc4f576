//! Judging a ranking: measures, intervals and splits, as pure functions, one idea per file.
//!
//! Promises:
//! - no function draws without a seed, reads a clock or opens a file: the same rows give the same numbers;
//! - a measure that is not defined (an empty class, nothing relevant) is `None`, never a number that looks like a result;
//! - splits are in time: what is judged happened at or after the moment up to which a model may know (see [`split`]).
//!
//! [`off_policy`] says from a log what another policy would have earned. [`protocols`] applies the measures to rows of known shape, so that a command, a notebook export and a test say the same.

pub mod auc;
pub mod bootstrap;
pub mod brier;
pub mod coverage;
pub mod gini;
pub mod log_loss;
pub mod matches;
pub mod ndcg;
pub mod off_policy;
pub mod protocols;
pub mod recall;
pub mod reliability;
pub mod row;
pub mod split;
pub mod top_share;
pub mod wilson;

pub use self::auc::auc;
pub use self::bootstrap::{Bootstrap, Interval};
pub use self::brier::brier;
pub use self::coverage::coverage;
pub use self::gini::gini;
pub use self::log_loss::log_loss;
pub use self::matches::matches_per_100;
pub use self::ndcg::ndcg_at_k;
pub use self::recall::recall_at_k;
pub use self::reliability::{Bin, Reliability, reliability};
pub use self::row::Row;
pub use self::split::TimeSplit;
pub use self::top_share::top_share;
pub use self::wilson::wilson;

/// A count as a real number.
pub const fn real(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let value = count as f64;
    value
}

#[cfg(test)]
mod tests;
