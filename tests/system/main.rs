//! The whole-system suite: one binary, a module per theme, so that the dependencies are linked once.
#![allow(clippy::unwrap_used)]

mod api;
mod cli;
mod conformance;
mod console;
mod crash;
mod docs;
mod experiments;
mod layout;
mod manifests;
mod replay;
mod streams;
mod webdriver;
mod world;
