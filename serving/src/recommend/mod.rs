//! Recommendations: decks, pages, exposures, explanations.
//!
//! - A deck is made once, kept for minutes, and served by pages through an opaque cursor. A request without a cursor makes a new deck.
//! - Pages of one viewer are made one after the other: nobody is shown twice, also by requests at the same time.
//! - Impressions are durable, and in the ledger, before the page is answered.
//! - Blocks, new relations and exposures are checked again at every page. Distances leave as buckets.

mod cursor;
mod decks;
mod http;
mod judge;
mod service;

pub use self::decks::Decks;
pub use self::http::router;
