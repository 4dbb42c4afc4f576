//! What came of experiments, out of the lake: who was in which arm, what they were shown, what they did.
//!
//! - Arms are read from the impressions themselves, not from the configuration of today: what was logged is what was shown.
//! - The unit is the user, because users were assigned. A user counts from the first impression in an arm on.
//! - Users whose impressions carry two arms of one experiment are left out and counted: there should be none.
//! - Nothing is read that cannot be summed up by SQL: the report takes a row an arm, however many people there are.

mod lake;
mod report;
mod tables;

pub use self::lake::{ArmSums, Outcomes, outcomes};
pub use self::report::{Metric, ReportOptions, ReportRow, Trial, report};
pub use self::tables::tables;
