//! What the protocols reach on real data, and that they do not look ahead.
#![allow(clippy::unwrap_used)]

mod data;
mod leaks;
mod reached;
