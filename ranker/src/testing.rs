//! A small world for tests and benchmarks.
