//! What crosses versions: records that older ones wrote are read for ever, and no change of a type breaks a reader.

mod golden;
mod schema;

use std::path::PathBuf;

/// Where the golden files are.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))
}
