//! The same feature files on an Arroyo cluster: the dialect they must keep to, the SQL that wraps them, and how far a pipeline has come.
//!
//! Arroyo is spoken to by SQL, REST and Kafka only. This room makes the SQL and looks at Kafka; whoever operates a cluster over REST is in `serving`.
//!
//! - [`dialect`] holds every file to what Arroyo, the embedded runner and batch compute alike, by its syntax tree.
//! - [`Rendered`] is a file with everything around it: a pipeline. Its text and its name follow from the file, the tables and where the brokers
//!   are, so that whatever changes makes another pipeline: the SQL of one that runs cannot be changed.
//! - [`catch_up`] tells when a new pipeline has counted everything that was there when it began.

pub mod catch_up;
mod columns;
pub mod dialect;
mod names;
mod render;

pub use names::PipelineName;
pub use render::{Place, RenderError, Rendered, Surroundings};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
