//! Recommendations: decks, pages, exposures, explanations.
//!
//! - A deck is made once, kept for minutes, and served by pages through an opaque cursor. A request without a cursor makes a new deck.
//! - Pages of one viewer are made one after the other: nobody is shown twice, also by requests at the same time.
//! - Impressions are durable, and in the ledger, before the page is answered; with them what it takes to compute the page again.
//! - Blocks, new relations and exposures are checked again at every page. Distances leave as buckets.
//! - When a deck is nearly used up the next one is made ahead, in the background.
//! - What is usual in everybody's segment is computed anew every few minutes, for the strategy `warm`.
//! - The place somebody is ranked from changes only so many times in an hour.

mod again;
mod ahead;
mod answer;
mod cursor;
mod decks;
mod hops;
mod http;
mod judge;
mod log;
mod pack;
mod rates;
mod record;
mod service;

pub use self::again::{body_again, people_again};
pub use self::ahead::make_ahead;
pub use self::decks::Decks;
pub use self::http::router;
pub use self::log::{program, sha256};
pub use self::rates::KeptRates;
pub use self::record::{Beside, RecordError, names, unpack};
