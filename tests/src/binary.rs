//! The binary, for tests that run it as people do.

use std::path::PathBuf;

/// The `hongniang` that was built beside this test.
///
/// # Panics
/// When it is not built.
pub fn binary() -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
    let binary = target.join("hongniang");
    assert!(binary.exists(), "{} is not built: `cargo build --workspace --all-targets` first, as `make test` does", binary.display());
    binary
}
