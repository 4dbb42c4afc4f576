//! The whole-system suite: one binary, a module per theme, so that the dependencies are linked once.
#![allow(clippy::unwrap_used)]

mod api;
mod backfill;
mod cli;
mod conformance;
mod console;
mod crash;
mod dataset;
mod docs;
mod experiments;
mod lake;
mod layout;
mod manifests;
mod notebooks;
mod query;
mod replay;
mod s3;
mod streams;
mod webdriver;
mod world;
