//! Login: codes by phone, ID tokens of OpenID providers, access and refresh tokens, sessions of devices.
//!
//! - A code has six digits, is kept as a keyed hash, works once, for five minutes, and a few attempts. No answer tells whether a number has an account.
//! - An ID token is checked in full. The key of such a login is the provider and its `sub`, never a mail address; a token that anybody could use again works once.
//! - One person may have several logins. They are added and removed soon after a login only, and the last one stays.
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
mod jwt;
mod keys;
mod oidc;
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
pub use self::oidc::{NonceRule, OidcConfig};
pub use self::phone::{Phone, PhoneError};
pub use self::service::{Asker, Auth, Device, IdToken, Login, LoginKind, OidcLogin, Session, Tokens};
pub(crate) use self::sms::HandedOver;
pub(crate) use self::store::{
    ACCOUNTS, CODES, IDENTITIES, OIDC_LOGINS, SESSIONS, SPENT_TOKENS, drop_oidc_tables, drop_tables, oidc_tables, tables,
};

#[cfg(test)]
mod tests;
