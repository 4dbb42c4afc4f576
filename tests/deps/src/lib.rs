//! Names every outside crate of the workspace and holds no code.
//!
//! Cargo unifies features over the packages it is asked to build. Building
//! `-p index` alone would therefore compile some dependencies a second time with
//! fewer features. `cargo test -p index -p deps --lib` does not: this crate pulls in
//! the same set as the whole workspace.
