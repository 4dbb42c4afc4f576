//! Parts that a test needs and a machine may lack, and data that only some machines have.
//!
//! `make test` sets `HONGNIANG_TEST_PARTS=required`: then a test whose part is missing fails and says what to do. Without it (`cargo test` by
//! hand) the test is skipped and says so, on the real standard error, because the test runner hides what a passing test prints. The data sets
//! in `../shared/data` (or `HONGNIANG_TEST_DATA`) are on few machines, and an outside server must be named: tests of those are always allowed
//! to skip, and say so in the same way.
//!
//! Unit tests of other crates take this file in by `#[path]`, because no crate may depend on this one.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;
use std::path::PathBuf;

/// The switch; `required` makes every part of `make test` compulsory.
pub const SWITCH: &str = "HONGNIANG_TEST_PARTS";

/// Says that a test is not done, although it passes.
pub fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not a macro of print: what those print is captured, and shown only of tests that fail.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// A part is missing: fails where parts are required, else says that the test is skipped. `remedy` is how one gets the part.
///
/// # Panics
/// Where parts are required.
pub fn missing(part: &str, remedy: &str) {
    match judge(std::env::var(SWITCH).ok().as_deref(), part, remedy) {
        Ok(reason) => skipped(&reason),
        Err(failure) => panic!("{failure}"),
    }
}

/// Why a test is skipped for want of a part under this value of the switch.
///
/// # Errors
/// Why it fails, where the value is `required`.
pub fn judge(switch: Option<&str>, part: &str, remedy: &str) -> Result<String, String> {
    let reason = format!("{part} is missing: {remedy}");
    if switch == Some("required") { Err(format!("{reason} (`make test {SWITCH}=optional` goes on without it)")) } else { Ok(reason) }
}

/// A file of the shared data, or nothing, with the reason said.
pub fn data(file: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let path = PathBuf::from(std::env::var_os("HONGNIANG_TEST_DATA").unwrap_or_else(|| beside.into())).join(file);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not there; set HONGNIANG_TEST_DATA to a folder that has it", path.display()));
    None
}

/// A program of the Python that `deploy/python.sh` made, such as `python`; nothing, with the reason said, where it is not there.
pub fn of_python(program: &str) -> Option<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hongniang/python");
    let program_there = std::env::var_os("HONGNIANG_PYTHON").map_or_else(home, PathBuf::from).join("bin").join(program);
    if program_there.exists() {
        return Some(program_there);
    }
    missing(&format!("`{program}` with the packages of notebooks/requirements.txt"), "run deploy/python.sh");
    None
}

/// A seed from the clock, printed, or the one in `HONGNIANG_TEST_SEED`: what failed once can be had again.
pub fn seed(what: &str) -> u64 {
    let given = std::env::var("HONGNIANG_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    let seed = given.unwrap_or_else(now);
    println!("{what}: HONGNIANG_TEST_SEED={seed}");
    seed
}
