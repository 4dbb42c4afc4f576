//! What whole-system tests share: a hongniang of their own, in a folder of its own; the binary; parts that may be missing.
#![allow(clippy::unwrap_used)]

mod app;
mod binary;
mod disk;
mod issuer;
mod judge;
pub mod parts;

pub use app::{Answer, KEY, TestApp, person};
pub use binary::{Run, binary};
pub use disk::SmallDisk;
pub use issuer::{Alg, Issuer};
pub use judge::{Judge, Mood};
