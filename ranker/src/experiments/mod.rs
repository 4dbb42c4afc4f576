//! Experiments: who is in which arm, what holds there, and what may be concluded. Pure: the same configuration, user and time give the same
//! arm, and the same sums the same verdict.
//!
//! | step | file |
//! | --- | --- |
//! | `[ranker.experiments]` and `[ranker.holdout]`, checked | [`config`] |
//! | user → bucket of the layer → experiment → arm | [`assign`] |
//! | region and arms → the configuration that holds | [`plans`] |
//! | sums of users → estimates and their variance | [`estimate`] |
//! | did the split come out as configured | [`split`] |
//! | arm against control: a fixed interval and one that may be looked at every day | [`compare`] |
//!
//! Promises:
//! - an assignment depends on nothing but salt, layer, user and time, and anybody can compute it again (see [`assign::bucket`]);
//! - a user is in at most one experiment of a layer; layers are independent of each other;
//! - raising `share` never moves anybody who is in already;
//! - no two experiments of different layers that run at the same time override the same key, so that the order of layers means nothing;
//! - who is held out is in no experiment.

pub mod assign;
pub mod compare;
pub mod config;
pub mod estimate;
pub mod plans;
pub mod split;
pub mod tails;

pub use self::assign::{Assignment, Experiments, bucket};
pub use self::compare::{Comparison, Looks, Verdict, compare};
pub use self::config::{ArmConfig, ExperimentConfig, HoldoutConfig};
pub use self::estimate::{Estimate, Sums};
pub use self::plans::Plans;
pub use self::split::{SUSPICIOUS, split_p_value};

pub(crate) use self::config::{NAMES, is_name, validate};

/// The name under which a holdout is logged: arms `in` and `out`.
pub const HOLDOUT: &str = "holdout";

#[cfg(test)]
mod tests;
