//! Relations of people: who follows, befriends, blocks and reports whom, as rows.
//!
//! - How two people stand is decided by `features::relations`; here the state is kept, and every act is applied to it locked, in one transaction with
//!   the counts of both, their conversation and the events of the act. So a friendship begins once, whoever else acts at the same time.
//! - The events of a pair have times that grow strictly: whoever reads them in any order comes to the same.
//! - An act that comes again with the id of the actor's last one about the other changes nothing.
//! - A block is in the tables and in the ledger of this node before its request is answered. No list shows anybody across a block, whoever said so.
//! - Each side of a pair has a row under its own shard key. `version` of [`SETS`] changes with every change of somebody's lists: what is
//!   cached of a list carries the version that it was read at, and counts only while that is the one in the database.
//! - Everything over HTTP that relates people comes here, also likes and comments of Moments and `POST /v1/interactions`.

mod config;
mod error;
mod http;
mod lists;
mod pair;
mod rebuild;
mod service;
mod store;

pub use self::config::RelationsConfig;
pub use self::error::Refused;
pub use self::http::router;
pub use self::lists::{Counts, Entry, Page, Place};
pub use self::pair::{Done, List};
pub use self::rebuild::Rebuilt;
pub(crate) use self::service::forget_some;
pub use self::service::{Allowance, Deed, Relations, Spent, Unlimited};
pub(crate) use self::store::{CONVERSATIONS, NAMING, OF_THE_OTHER, RELATIONS, REPORTS, SETS, drop_tables, on_a_list, tables};

#[cfg(test)]
pub(crate) mod tests;
