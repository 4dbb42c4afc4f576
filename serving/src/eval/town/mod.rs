//! Strategies in the simulated town, where it is known who would like whom.
//!
//! A town lives for some days; what the recommender knows of it is made as on the platform, out of its events ([`Market`]). Then
//! [`evaluate`] lets viewers be served one page by each strategy and judges the pages by the hidden truth, and [`fairness`] lets the town go on
//! living with the recommender, day by day and with what it shows going back into ledger and portraits, once for each setting of the knobs.
//!
//! Promises:
//! - nothing of the hidden truth reaches a strategy but `oracle`, which is there to say what the best would have been;
//! - an impression counts with its expectation, not with a draw: the chance that the viewer likes the candidate, and that both like each other;
//! - equal specs, seeds and configurations give equal rows, however busy the machine.

mod days;
mod fairness;
mod frontier;
mod market;
mod measure;
mod oracle;
mod slates;

pub use self::fairness::{FairnessProtocol, KNOBS, fairness};
pub use self::frontier::frontier;
pub use self::market::Market;
pub use self::slates::{TownProtocol, evaluate};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
