//! What people may ask of their data: that all of it goes, or that they get a copy.
//!
//! - An erasure takes effect with its answer: the person is shown to nobody, cannot log in, and their rows are gone. What is in files goes after that, by the job
//!   `erase`, for all who are waiting together: see [`places`] for where it looks.
//! - It is a row of the table `erasures` until it is done. Killed anywhere the job begins again; every step may be done twice. At the end the row does not say any more whom
//!   it was about.
//! - While it goes on nothing of the person may begin anew.
//! - The receipt counts what went; it holds nothing of it.

mod config;
mod export;
mod http;
mod job;
mod places;
mod receipt;
mod service;
mod store;

pub use self::config::RightsConfig;
pub use self::http::router;
pub use self::job::{Eraser, NAME, WITHHELD, keep_withheld, look};
pub use self::places::{Found, Place, Places, Round};
pub use self::receipt::{Erasure, Receipt, Stage};
pub use self::service::{NoSuchErasure, erasure, request_by_operator};
pub(crate) use self::store::{ERASURES, drop_tables, tables};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
