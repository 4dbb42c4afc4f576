//! What people report, what the moderation flagged, and what is decided about it.
//!
//! - The job `reviews` reads filed events: reports of people, and texts and photos that the moderation flags but does not refuse. So it does not matter by which way they came. An event counts once.
//! - It asks the whole chain, the operator's service as well, which remembers what it has said to whoever took the write. What it could not look at waits in a table and is tried again; reports
//!   and what the built-in check finds do not wait for that. What nobody could judge for three days is raised as such: a flag is late at worst, and not lost.
//! - What is open about somebody from one source is one entry of the queue; what comes after a decision opens another.
//! - A ban is in force on the node that decides before the decision is answered, on others within two seconds: the person is shown to nobody, their sessions are ended, and they cannot log in.
//!   It lies in the database, so a restart changes nothing; it ends by itself at its time, or is lifted.
//! - Every decision is in the audit log.

mod error;
mod http;
mod job;
mod service;
mod sift;
mod store;

pub use self::error::ReviewError;
pub use self::http::router;
pub use self::job::{BANS, NAME, Watcher, keep_bans, look};
pub use self::service::{Ban, By, Decision, Review, Verdict, bans, decide, lift, reviews};
pub(crate) use self::store::pending::{PENDING, drop_pending_tables, pending_tables};
pub(crate) use self::store::{BANS as BANS_TABLE, NAMING, REPORTS, REVIEWS, drop_tables, tables};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
