//! How good the matching is: on what really happened, by the protocols of [`ranker::eval::protocols`] on the lake, and in the simulated town, where the
//! truth is known ([`town`]).
//!
//! Promises:
//! - rows come from the lake, where the gate has filed them; only sign-up answers, which are no part of a profile, come from a file;
//! - a score knows only what lies before the moment at which it is asked for; a test changes everything later and sees no score move;
//! - equal lakes, seeds and flags give equal rows.
//!
//! [`report`] tells the rows of every evaluation in the same way.

mod answers;
mod contacts;
mod facts;
mod findings;
pub mod lake;
mod meetings;
pub mod off_policy;
mod partners;
pub mod report;
pub mod town;

pub use self::answers::answers;
pub use self::contacts::contacts;
pub use self::facts::{IdRange, Meetings, likes, meetings as meetings_of, messages};
pub use self::findings::Findings;
pub use self::meetings::{cold, warm};
pub use self::partners::partners;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
