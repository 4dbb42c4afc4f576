//! Protocols: which rows are history, which are judged, and by what. Rows in, rows out; where they come from is the caller's business.
//!
//! | protocol | question |
//! | --- | --- |
//! | [`meetings`] | people met in turns within a group: will the rest of the evening's meetings match, from who liked whom so far? |
//! | [`newcomers`] | nothing but sign-up answers is known: will two people of an unseen group match? |
//! | [`contacts`] | will a first message be answered in time, from what everybody wrote before it? |
//! | [`partners`] | with whom will somebody begin to exchange gifts, from all gifts so far? |
//!
//! Promise of every protocol, held by a test that changes all later rows: a score knows only rows strictly before the moment at which it is
//! asked for.

pub mod contacts;
pub mod meetings;
pub mod newcomers;
pub mod partners;

use super::bootstrap::groups;
use super::{Bootstrap, Row, auc, brier, log_loss};

/// One judged row of a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Rows of one group are not independent; intervals draw whole groups.
    pub group: u64,
    /// The score, higher for more likely.
    pub score: f64,
    /// What happened.
    pub yes: bool,
}

/// The AUC of a strategy with its interval by groups; nothing when it is not defined.
pub fn auc_row(strategy: &str, slice: &str, outcomes: &[Outcome], bootstrap: &Bootstrap) -> Option<Row> {
    measured(strategy, slice, "auc", outcomes, bootstrap, auc)
}

/// The log-loss of a strategy whose scores are probabilities, with its interval by groups; nothing when it is not defined.
pub fn log_loss_row(strategy: &str, slice: &str, outcomes: &[Outcome], bootstrap: &Bootstrap) -> Option<Row> {
    measured(strategy, slice, "log_loss", outcomes, bootstrap, log_loss)
}

/// The Brier score of a strategy whose scores are probabilities, with its interval by groups; nothing when it is not defined.
pub fn brier_row(strategy: &str, slice: &str, outcomes: &[Outcome], bootstrap: &Bootstrap) -> Option<Row> {
    measured(strategy, slice, "brier", outcomes, bootstrap, brier)
}

/// The mean of values, each with the group it belongs to, with its interval by groups; nothing without values.
pub fn mean_row(strategy: &str, slice: &str, metric: &str, values: &[(u64, f64)], bootstrap: &Bootstrap) -> Option<Row> {
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / super::real(values.len()));
    Some(Row::estimated(strategy, slice, metric, bootstrap.interval(&groups(values.iter().copied()), mean)?))
}

fn measured(
    strategy: &str,
    slice: &str,
    metric: &str,
    outcomes: &[Outcome],
    bootstrap: &Bootstrap,
    measure: fn(&[(f64, bool)]) -> Option<f64>,
) -> Option<Row> {
    let grouped = groups(outcomes.iter().map(|o| (o.group, (o.score, o.yes))));
    let interval = bootstrap.interval(&grouped, measure)?;
    Some(Row::estimated(strategy, slice, metric, interval))
}

#[cfg(test)]
mod tests;
