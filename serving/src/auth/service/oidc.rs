//! Logins by an ID token of a provider.

use chrono::{DateTime, Utc};
use features::ids::UserId;
use futures::FutureExt;

use super::people::lets_in;
use super::{Asker, Auth, Device, Tokens, network};
use crate::auth::AuthError;
use crate::auth::oidc::{Somebody, suggestion};
use crate::auth::store::{self, Entry, Told};
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
    at: i64,
}

impl Shown {
    /// Uses the token up.
    pub(super) async fn spend(&self, tx: &mut Tx) -> Result<(), AuthError> {
        let Some((hash, until)) = &self.once else { return Ok(()) };
        if store::spend(tx, hash, *until, self.at).await? { Ok(()) } else { Err(AuthError::BadIdToken("it was used before")) }
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
        let (entered, told) = retrying(|| self.enter_by(&shown, &entry, now)).await?;
        Ok(OidcLogin {
            tokens: self.entered(&entry, &refresh, entered, now)?,
            mail: told.mail,
            is_private_email: told.private,
            suggested_nickname: told.name,
        })
    }

    /// Logins that come at the same time share a commit.
    async fn enter_by(&self, shown: &Shown, entry: &Entry, now: DateTime<Utc>) -> Result<((UserId, bool), Told), AuthError> {
        let (shown, entry, withheld) = (shown.clone(), entry.clone(), self.withheld.clone());
        let work = self.db.together(move |tx| {
            let work = async move {
                shown.spend(tx).await?;
                let (owned, created) = store::enter(tx, &entry).await?;
                lets_in(&withheld, owned.user_id, now)?;
                let told = store::tell(tx, owned, &shown.told).await?;
                Ok(((owned.user_id, created), told))
            };
            work.boxed()
        });
        work.await
    }
}
