//! Logins by an ID token of a provider.

use chrono::{DateTime, Utc};

use super::doors::Comer;
use super::{Asker, Auth, Device, Tokens, network};
use crate::auth::AuthError;
use crate::auth::oidc::{Somebody, suggestion};
use crate::auth::store::{Spent, Told};
use crate::db::{Tx, micros, retrying};

/// An ID token that an app got from a provider.
#[derive(Clone, Default)]
pub struct IdToken {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The token.
    pub token: String,
    /// The nonce that the app began the login with.
    pub nonce: Option<String>,
    /// What the provider told the app the person is called: Apple does so once, at the first login, and not in the token.
    pub name: String,
}

/// What a login by a provider gives.
#[derive(Clone)]
pub struct OidcLogin {
    /// For requests.
    pub tokens: Tokens,
    /// The mail address that the provider has made sure of, masked; may be empty.
    pub mail: String,
    /// Whether the address is one that forwards, as Apple makes them up.
    pub is_private_email: bool,
    /// What the person may be called; may be empty.
    pub suggested_nickname: String,
}

/// A good token, as the tables see it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) somebody: Somebody,
    pub(super) told: Told,
    /// A keyed hash of the token, and until when it is kept, where it may be used once only.
    once: Option<(String, i64)>,
    /// When it was shown: microseconds since 1970.
    pub(super) at: i64,
}

impl Shown {
    /// The keyed hash of the token, where it may be used once only.
    pub(super) fn token(&self) -> Option<&str> {
        self.once.as_ref().map(|(hash, _)| hash.as_str())
    }

    /// The token was not used before, where it may be used once only.
    pub(super) fn must_be_new(&self, spent: &Spent) -> Result<(), AuthError> {
        if self.token().is_some_and(|token| spent.has(token)) { Err(AuthError::BadIdToken("it was used before")) } else { Ok(()) }
    }

    /// Uses the token up.
    pub(super) fn use_up(&self, spent: &mut Spent) {
        if let Some((token, until)) = &self.once {
            spent.spend(token, *until);
        }
    }

    /// Uses the token up in a transaction.
    pub(super) async fn spend(&self, tx: &mut Tx) -> Result<(), AuthError> {
        let mut spent = Spent::hold(tx, self.token().as_slice()).await?;
        self.must_be_new(&spent)?;
        self.use_up(&mut spent);
        Ok(spent.save(tx, self.at).await?)
    }
}

impl Auth {
    /// Whom a token is of; counts it for address and device.
    pub(super) async fn shown(&self, given: &IdToken, from: &Asker, now: DateTime<Utc>) -> Result<Shown, AuthError> {
        if given.nonce.as_ref().is_some_and(|nonce| nonce.is_empty() || nonce.chars().count() > 256) {
            return Err(AuthError::Field("nonce", "must have 1 to 256 characters".to_owned()));
        }
        if let Some(address) = from.address {
            self.limit("ID tokens of address", &network(address), self.config.id_tokens_per_address, now)?;
        }
        if let Some(device) = &from.device {
            self.limit("ID tokens of device", device, self.config.id_tokens_per_device, now)?;
        }
        let somebody = self.providers.verify(&given.provider, &given.token, given.nonce.as_deref(), now).await?;
        // What is signed: the signature itself can be written in several ways.
        let signed = given.token.rsplit_once('.').map_or("", |(signed, _)| signed);
        let hash = || self.hash("id token", &[given.provider.as_bytes(), signed.as_bytes()]);
        let name = if somebody.name.is_empty() { suggestion(&given.name) } else { somebody.name.clone() };
        Ok(Shown {
            once: somebody.once_until.map(|until| (hash(), until * 1_000_000)),
            told: Told { mail: somebody.mail.clone(), private: somebody.is_private_email, name },
            somebody,
            at: micros(now),
        })
    }

    /// A login by an ID token. The first one of a person at a provider makes an account.
    ///
    /// # Errors
    /// When there is no such provider, the token is not good or was used before, or the provider's keys cannot be had.
    pub async fn log_in_by(&self, given: &IdToken, device: &Device, from: &Asker, now: DateTime<Utc>) -> Result<OidcLogin, AuthError> {
        let shown = self.shown(given, from, now).await?;
        let (entry, refresh) = self.entry((&shown.somebody.provider, &shown.somebody.subject), device, now)?;
        let one = (shown, Comer { entry: entry.clone(), from: from.address, now });
        let (entered, told) = retrying(|| async { self.doors.tokens.ask(one.clone()).await? }).await?;
        Ok(OidcLogin {
            tokens: self.entered(&entry, &refresh, entered, now)?,
            mail: told.mail,
            is_private_email: told.private,
            suggested_nickname: told.name,
        })
    }
}
