//! The binary, for tests that run it as people do.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

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

/// How a run of it ended, and what it said.
pub struct Run {
    /// The exit status; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self { code: output.status.code(), out: String::from_utf8(output.stdout).unwrap(), err: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Run {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}): {} {}", self.out, self.err))
    }

    /// The same, after a success.
    ///
    /// # Panics
    /// After anything else.
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        self
    }

    /// It failed, and named all of these.
    ///
    /// # Panics
    /// When it did not.
    pub fn fails_naming(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{} {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word} is not named: {}", self.err);
        }
    }
}
