//! Operating feature pipelines on an Arroyo cluster, over its REST API.
//!
//! What should run follows from the feature files (`pipelines::arroyo`), what runs is asked from the cluster, and [`plan`](plan::plan) is the difference.
//! [`Operator::deploy`] closes it, and can be ended and begun again at any point: a pipeline's name tells its feature set, its generation and its
//! text, and what has caught up is announced in the event log, so nothing is kept anywhere else.
//!
//! A changed file makes a new pipeline with empty state, because the SQL of one that runs cannot be changed. It begins at the beginning of its
//! topic, with the next generation, beside the old one. Its rows wait in the assembler until it has caught up and that is announced; then the old
//! one is stopped and deleted.

mod client;
mod error;
mod operate;
mod plan;
mod take_over;

pub use client::{Client, Job, Known};
pub use error::{ArroyoError, Rejection};
pub use operate::{Operator, Outcome, Settings, Source, Tell};
pub use plan::{Action, Step};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
