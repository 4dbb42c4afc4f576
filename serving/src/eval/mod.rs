//! How good the matching is, on what really happened. [`report`] tells the rows of every evaluation in the same way.

pub mod report;
