//! How it is given: the HTTP API, its rooms, the commands and the wiring of the one binary `hongniang`.

pub mod models;
