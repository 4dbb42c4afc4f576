//! The rules of logins and sessions.

mod doors;
mod logins;
mod notices;
mod oidc;
mod phone;
mod turns;

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use moka::sync::Cache;

use self::doors::Doors;
pub use self::logins::{Login, LoginKind};
pub use self::oidc::{IdToken, OidcLogin};
use super::oidc::Providers;
use super::refresh::Refresh;
use super::sms::{self, HandedOver, Sms};
use super::store::{self, Entry, Kept, Owned};
use super::{AuthConfig, AuthError, Chance, Claims, Keys, access};
use crate::db::{Db, micros, time};
use crate::limits::{Limits, PerHour};
use crate::state::Withheld;

mod people;

/// Logins by phone number, in the column of providers.
const PHONE: &str = "phone";

/// Logins and sessions.
pub struct Auth {
    db: Db,
    config: AuthConfig,
    keys: Keys,
    sms: Arc<dyn Sms>,
    providers: Providers,
    chance: Chance,
    limits: Arc<Limits>,
    doors: Doors,
    /// Sessions that went on a moment ago.
    live: Cache<i64, ()>,
    /// Sessions that were ended here while access tokens of theirs are good.
    ended: Cache<i64, ()>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// From which address.
    pub address: Option<IpAddr>,
    /// From which device, as the app says.
    pub device: Option<String>,
}

/// A device that logs in.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// Its name, for the list of sessions.
    pub name: String,
}

/// What a login or a refresh gives.
#[derive(Clone)]
pub struct Tokens {
    /// Whose.
    pub user_id: UserId,
    /// The session.
    pub session: i64,
    /// For requests.
    pub access: String,
    /// Seconds the access token is good for.
    pub access_s: i64,
    /// For the next tokens.
    pub refresh: String,
    /// Until when the session lasts without a refresh.
    pub expires_at: DateTime<Utc>,
    /// Whether the account was made by this login.
    pub created: bool,
}

/// A device that is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: i64,
    /// Name of the device.
    pub device: String,
    /// When it logged in.
    pub created_at: DateTime<Utc>,
    /// When it last asked for tokens.
    pub seen_at: DateTime<Utc>,
    /// Until when it lasts without a refresh.
    pub expires_at: DateTime<Utc>,
}

impl Auth {
    /// Logins over a database, with the keys of the configuration.
    ///
    /// # Errors
    /// When the keys cannot be read or made.
    pub fn open(db: Db, config: &AuthConfig, data_dir: &Path, chance: Chance, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let keys = Keys::open(&config.folder(data_dir), now, &chance)?;
        let sms = sms::sender(&config.sms)?;
        let access = Duration::from_secs(u64::try_from(config.access_s).unwrap_or_default() + 60);
        let cache = |lives| Cache::builder().max_capacity(1_000_000).time_to_live(lives).build();
        let limits = Arc::new(Limits::new());
        Ok(Self {
            doors: Doors::open(&db, config, &limits, &Withheld::default()),
            db,
            config: config.clone(),
            keys,
            sms,
            providers: Providers::new(&config.oidc)?,
            chance,
            limits,
            live: cache(Duration::from_secs(config.check_s)),
            ended: cache(access),
        })
    }

    /// The same, with codes that are handed over instead of sent.
    pub(crate) fn handing_over(self, codes: &Arc<HandedOver>) -> Self {
        Self { sms: Arc::clone(codes) as Arc<dyn Sms>, ..self }
    }

    #[cfg(test)]
    pub(super) fn with_sms(self, sms: Arc<dyn Sms>) -> Self {
        Self { sms, ..self }
    }

    /// The section that holds.
    pub fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// The public keys of access tokens, each a JWK.
    pub fn public_keys(&self) -> Vec<serde_json::Value> {
        access::public_keys(&self.keys)
    }

    fn limit(&self, what: &str, who: &str, quota: u32, now: DateTime<Utc>) -> Result<(), AuthError> {
        limit(&self.limits, (what, who), quota, now)
    }

    fn hash(&self, purpose: &str, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.mac(purpose, parts))
    }

    /// Somebody about to log in by something, with the first refresh token of the session.
    fn entry(&self, (provider, subject): (&str, &str), device: &Device, now: DateTime<Utc>) -> Result<(Entry, Refresh), AuthError> {
        let name = device.name.trim();
        if name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(AuthError::Field("device_name", "must have at most 100 characters".to_owned()));
        }
        let mut secret = [0; 32];
        (self.chance)(&mut secret)?;
        let new = self.new_login(crate::db::user(self.db.ids.next(now)), now);
        let refresh = Refresh::new(self.db.ids.next(now), secret);
        let session = Kept {
            id: refresh.session,
            user_id: new.user_id,
            device: name.to_owned(),
            created_at: micros(now),
            seen_at: micros(now),
            expires_at: self.session_ends(now),
            ended_at: None,
            refresh_hash: refresh.hash(&self.keys),
            previous_hash: String::new(),
            refreshed_at: micros(now),
        };
        Ok((Entry { provider: provider.to_owned(), subject: subject.to_owned(), new, session }, refresh))
    }

    fn new_login(&self, user_id: UserId, now: DateTime<Utc>) -> Owned {
        Owned { id: self.db.ids.next(now), user_id }
    }

    /// The answer to a login that is in the tables.
    fn entered(
        &self,
        entry: &Entry,
        refresh: &Refresh,
        (user_id, created): (UserId, bool),
        now: DateTime<Utc>,
    ) -> Result<Tokens, AuthError> {
        metrics::counter!("hongniang_auth_logins_total", "by" => entry.provider.clone()).increment(1);
        let tokens = self.tokens(&Kept { user_id, ..entry.session.clone() }, refresh, now)?;
        Ok(Tokens { created, ..tokens })
    }

    fn session_ends(&self, now: DateTime<Utc>) -> i64 {
        micros(now + TimeDelta::days(self.config.session_days))
    }

    fn tokens(&self, session: &Kept, refresh: &Refresh, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let claims = Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: session.user_id,
            sid: session.id.to_string(),
            iat: now.timestamp(),
            exp: now.timestamp() + self.config.access_s,
        };
        Ok(Tokens {
            user_id: session.user_id,
            session: session.id,
            access: access::issue(&self.keys, &claims, now)?,
            access_s: self.config.access_s,
            refresh: refresh.text(&self.keys),
            expires_at: time(session.expires_at),
            created: false,
        })
    }

    /// Whose a token is, and of which session, if both are good.
    ///
    /// # Errors
    /// When the token is not one of ours, has ended, or its session has; or when the database cannot be asked.
    pub async fn caller(&self, token: &str, now: DateTime<Utc>) -> Result<(UserId, i64), AuthError> {
        let claims = access::read(&self.keys, &self.config, token, now)?;
        let session = claims.session().ok_or(AuthError::BadToken)?;
        if self.ended.contains_key(&session) {
            return Err(AuthError::BadToken);
        }
        if !self.live.contains_key(&session) {
            if !store::is_live(&self.db, session, claims.sub, micros(now)).await? {
                return Err(AuthError::BadToken);
            }
            self.live.insert(session, ());
            // It may have been ended while the database was asked.
            if self.ended.contains_key(&session) {
                return Err(AuthError::BadToken);
            }
        }
        Ok((claims.sub, session))
    }

    /// The devices of a person, the last seen first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<Vec<Session>, AuthError> {
        let told = |s: Kept| Session {
            id: s.id,
            device: s.device,
            created_at: time(s.created_at),
            seen_at: time(s.seen_at),
            expires_at: time(s.expires_at),
        };
        Ok(store::sessions(&self.db, user_id, micros(now)).await?.into_iter().map(told).collect())
    }

    /// Ends a session of a person: none of its tokens is good from now on.
    async fn end(&self, user_id: UserId, session: i64, now: DateTime<Utc>) -> Result<(), AuthError> {
        let ended = store::end(&self.db, session, user_id, micros(now)).await?;
        if !ended {
            return Err(AuthError::NoSession);
        }
        self.ended.insert(session, ());
        self.live.invalidate(&session);
        Ok(())
    }
}

/// Takes one of a quota.
fn limit(limits: &Limits, (what, who): (&str, &str), quota: u32, now: DateTime<Utc>) -> Result<(), AuthError> {
    limits.take(format!("{what} {who}"), PerHour(quota), now).map_err(|wait| {
        metrics::counter!("hongniang_auth_refused_total", "limit" => what.to_owned()).increment(1);
        AuthError::TooOften(wait)
    })
}

/// What counts as one address: of IPv6 the first 64 bits, which one customer has.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string(),
    }
}
