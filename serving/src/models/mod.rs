//! Getting models: download, check, convert, keep.
//!
//! A finished model is a folder in the model cache whose files have the sha256 that the manifest
//! names; whoever finds one there may use it without asking the network. [`ModelStore::ensure`]
//! makes one when it is missing: it asks the model's sources in turn, checks what came, converts
//! it, checks the result and moves it into place in one step, so that two processes may do the same
//! at the same time and neither ever sees half a model.

mod check;
mod error;
mod fetch;
mod store;

pub use error::ModelsError;
pub use store::{ModelStatus, ModelStore, Step};

#[cfg(test)]
mod tests;
