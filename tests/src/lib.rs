//! What whole-system tests share: a hongniang of their own, in a folder of its own.
#![allow(clippy::unwrap_used)]

mod app;
mod disk;

pub use app::{Answer, KEY, TestApp, person};
pub use disk::SmallDisk;
