//! Who comes first: from one viewer to a ranked deck of people, with every reason on the table.
//!
//! A request is a row of stages, each a trait whose default `run` measures and traces, one idea per file:
//!
//! | stage | trait | folder |
//! | --- | --- | --- |
//! | query hydration: portrait, place, region, memory | [`query::Hydrator`] | `query` |
//! | sources, in parallel, each with a time limit and a budget | [`sources::Source`] | `sources` |
//! | filters: hard, both ways, unknown means no | [`filters::Filter`] | `filters` |
//! | scorers: what one person is worth to another, both ways | [`scorers::Scorer`] | `scorers` |
//! | strategy: what a candidate is worth, by the formula or otherwise | [`strategy::Strategy`] | `strategy` |
//! | selector: weighted draw, diversity, caps, newcomers | [`selector::Selector`] | `selector` |
//!
//! Promises:
//! - the same inputs, time and seed give the same deck, whatever the order in which sources answer;
//! - nobody whom a filter refuses is in a deck, and every candidate that is not in it is recorded with what took them out;
//! - the terms of an item sum to its scores, and a person can compute them again from the item alone;
//! - a deck can be made again from its trace and the portraits of the time, to the last bit ([`replay()`]);
//! - a source that fails or is slow is named in [`Deck::degraded`] and costs nothing but its candidates;
//! - distances enter the score as buckets, so that no score tells more about a place than the bucket beside it;
//! - the cost of a deck is bounded by the configuration, however dense the city.
//!
//! This crate knows neither Kafka nor HTTP, and takes time and chance as arguments.

pub mod chance;
pub mod config;
pub mod deck;
pub mod error;
pub mod eval;
pub mod experiments;
mod explain;
pub mod face;
pub mod filters;
pub mod measure;
mod names;
pub mod query;
mod recommend;
pub mod replay;
pub mod scorers;
pub mod selector;
pub mod sources;
pub mod strategy;
pub mod trace;
pub mod warm;

#[cfg(test)]
#[path = "../../tests/src/parts.rs"]
mod parts;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::config::RankerConfig;
pub use self::deck::{Deck, DeckItem, Removed};
pub use self::error::{ConfigError, RankError};
pub use self::names::{FilterName, SourceName, TermName};
pub use self::query::DeckRequest;
pub use self::recommend::{Parts, Recheck, Recommender};
pub use self::replay::{ReplayError, replay};
pub use self::trace::{Seen, Trace};
