//! Login: codes by phone, access and refresh tokens, sessions of devices.
//!
//! - A code has six digits, is kept as a keyed hash, works once, for five minutes, and a few attempts. No answer tells whether a number has an account.
//! - An access token is a JWT that is signed with Ed25519 and short-lived; its public keys are at `/.well-known/jwks.json`.
//! - A refresh token is random and kept as a hash. It works once; an old one that comes again ends its session, but for the retry of a lost answer.
//! - A session is a device of a person: it can be listed and ended. Of an ended session no access token is accepted here from the answer on, and on other
//!   nodes within `auth.check_s`.
//! - Phone numbers, codes and tokens are in no log, error or event.

mod access;
mod chance;
mod config;
mod error;
mod http;
mod keys;
mod limits;
mod phone;
mod refresh;
mod service;
mod sms;
mod store;

pub use self::access::Claims;
pub use self::chance::{Chance, NoChance, system_chance};
pub use self::config::AuthConfig;
pub use self::error::AuthError;
pub use self::http::router;
pub use self::keys::{KeyInfo, Keys, add_signing_key};
pub use self::phone::{Phone, PhoneError};
pub use self::service::{Asker, Auth, Device, Session, Tokens};
pub(crate) use self::store::{ACCOUNTS, CODES, IDENTITIES, SESSIONS, drop_tables, tables};

#[cfg(test)]
mod tests;
