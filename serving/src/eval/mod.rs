//! Evaluations: recorded data in, rows of a report out. What is measured and how is in `ranker::eval`.

pub mod off_policy;
