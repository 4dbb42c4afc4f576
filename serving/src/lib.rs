//! How it is given: the HTTP API, its rooms, the commands and the wiring of the one binary `hongniang`.

pub mod arroyo;
pub mod audit;
pub mod auth;
pub mod bench;
pub mod commands;
pub mod config;
pub mod dataset;
pub mod db;
pub mod entitlements;
pub mod eval;
pub mod experiments;
pub mod flight;
pub mod http;
pub mod import;
pub mod interactions;
mod limits;
pub mod models;
pub mod moderation;
pub mod moments;
pub mod ops;
mod outside;
pub mod recommend;
pub mod relations;
pub mod replay;
pub mod reviews;
pub mod rights;
pub mod search;
pub mod sink;
pub mod state;
pub mod town;
pub mod users;
pub mod web;
pub mod wiring;
pub mod world;

#[cfg(test)]
#[path = "../../tests/src/parts.rs"]
mod parts;
