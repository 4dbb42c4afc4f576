//! The rules of logins and sessions.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use moka::sync::Cache;
use subtle::ConstantTimeEq;

use super::limits::{Limits, PerHour};
use super::refresh::Refresh;
use super::sms::{self, Message, Sms};
use super::store::{self, Code, Kept};
use super::{AuthConfig, AuthError, Chance, Claims, Keys, Phone, access};
use crate::db::{Db, micros, retrying, time};

const PROVIDER: &str = "phone";

/// Logins and sessions.
pub struct Auth {
    db: Db,
    config: AuthConfig,
    keys: Keys,
    sms: Arc<dyn Sms>,
    chance: Chance,
    limits: Limits,
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
        Ok(Self {
            db,
            config: config.clone(),
            keys,
            sms,
            chance,
            limits: Limits::new(),
            live: cache(Duration::from_secs(config.check_s)),
            ended: cache(access),
        })
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
        self.limits.take(format!("{what} {who}"), PerHour(quota), now).map_err(|wait| {
            metrics::counter!("hongniang_auth_refused_total", "limit" => what.to_owned()).increment(1);
            AuthError::TooOften(wait)
        })
    }

    fn phone(&self, phone: &str) -> Result<Phone, AuthError> {
        let phone = Phone::parse(phone, &self.config.country)?;
        if phone.is_of(&self.config.countries) { Ok(phone) } else { Err(super::PhoneError::Country.into()) }
    }

    fn hash(&self, purpose: &str, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.mac(purpose, parts))
    }

    /// Sends a code to a number; the same for those with and without an account. Returns how long it works, in seconds.
    ///
    /// # Errors
    /// When the number is none, something was asked for too often, or the code cannot be sent.
    pub async fn send_code(&self, phone: &str, from: &Asker, now: DateTime<Utc>) -> Result<i64, AuthError> {
        let codes = &self.config.codes;
        let phone = self.phone(phone)?;
        if let Some(address) = from.address {
            self.limit("codes of address", &network(address), codes.per_address, now)?;
        }
        if let Some(device) = &from.device {
            self.limit("codes of device", device, codes.per_device, now)?;
        }
        let phone_hash = self.hash("phone", &[phone.number().as_bytes()]);
        let code = self.new_code()?;
        let kept = Code {
            code_hash: self.hash("code", &[phone_hash.as_bytes(), code.as_bytes()]),
            attempts: 0,
            sent_at: micros(now),
            expires_at: micros(now + TimeDelta::seconds(codes.lives_s)),
        };
        retrying(|| self.keep_code(&phone_hash, &kept, now)).await?;
        let message = Message { phone: &phone, code: &code, lives_s: codes.lives_s, now };
        if let Err(reason) = self.sms.send(message).await {
            // Nobody has it: the next one may be asked for at once.
            let mut tx = self.db.begin().await?;
            store::drop_code(&mut tx, &phone_hash).await?;
            tx.commit().await?;
            return Err(AuthError::NotSent(reason));
        }
        metrics::counter!("hongniang_auth_codes_total").increment(1);
        Ok(codes.lives_s)
    }

    async fn keep_code(&self, phone_hash: &str, kept: &Code, now: DateTime<Utc>) -> Result<(), AuthError> {
        let mut tx = self.db.begin().await?;
        if let Some(before) = store::code(&mut tx, phone_hash).await? {
            let pause = before.sent_at + self.config.codes.pause_s * 1_000_000 - micros(now);
            if pause > 0 {
                return Err(AuthError::TooOften(pause / 1_000_000 + 1));
            }
        }
        self.limit("codes of number", phone_hash, self.config.codes.per_number, now)?;
        store::put_code(&mut tx, phone_hash, kept).await?;
        Ok(tx.commit().await?)
    }

    fn new_code(&self) -> Result<String, AuthError> {
        let mut bytes = [0; 8];
        (self.chance)(&mut bytes)?;
        // 2^64 is so much larger than a million that no code is likelier than another by more than 1 in 10^13.
        Ok(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
    }

    /// A login by number and code. The first one with a number makes an account.
    ///
    /// # Errors
    /// When the code does not work, or was tried too often.
    pub async fn verify(&self, phone: &str, code: &str, device: &Device, from: &Asker, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let phone = self.phone(phone)?;
        if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AuthError::Field("code", "must be the six digits that were sent".to_owned()));
        }
        let name = device.name.trim();
        if name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(AuthError::Field("device_name", "must have at most 100 characters".to_owned()));
        }
        if let Some(address) = from.address {
            self.limit("tries of address", &network(address), self.config.codes.tries_per_address, now)?;
        }
        let mut secret = [0; 32];
        (self.chance)(&mut secret)?;
        retrying(|| self.log_in(&phone, code, (name, secret), now)).await
    }

    async fn log_in(&self, phone: &Phone, code: &str, (device, secret): (&str, [u8; 32]), now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let at = micros(now);
        let phone_hash = self.hash("phone", &[phone.number().as_bytes()]);
        let given = self.hash("code", &[phone_hash.as_bytes(), code.as_bytes()]);
        let mut tx = self.db.begin().await?;
        let Some(kept) = store::code(&mut tx, &phone_hash).await? else { return Err(AuthError::WrongCode) };
        let works = kept.expires_at > at && kept.attempts < self.config.codes.attempts;
        if !works || !bool::from(kept.code_hash.as_bytes().ct_eq(given.as_bytes())) {
            store::count_attempt(&mut tx, &phone_hash).await?;
            tx.commit().await?;
            metrics::counter!("hongniang_auth_wrong_codes_total").increment(1);
            return Err(AuthError::WrongCode);
        }
        store::drop_code(&mut tx, &phone_hash).await?;
        let known = store::owner(&mut tx, PROVIDER, phone.number()).await?;
        let user_id = known.unwrap_or_else(|| crate::db::user(self.db.ids.next(now)));
        if known.is_none() {
            store::new_account(&mut tx, (user_id, self.db.ids.next(now)), (PROVIDER, phone.number()), at).await?;
        }
        let refresh = Refresh::new(self.db.ids.next(now), secret);
        let session = Kept {
            id: refresh.session,
            user_id,
            device: device.to_owned(),
            created_at: at,
            seen_at: at,
            expires_at: self.session_ends(now),
            ended_at: None,
            refresh_hash: refresh.hash(&self.keys),
            previous_hash: String::new(),
            refreshed_at: at,
        };
        store::put_session(&mut tx, &session).await?;
        tx.commit().await?;
        metrics::counter!("hongniang_auth_logins_total").increment(1);
        let tokens = self.tokens(&session, &refresh, now)?;
        Ok(Tokens { created: known.is_none(), ..tokens })
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

    /// New tokens for a refresh token, which then has been used. Used again it ends the session; but within `auth.retry_s` after its use, and while
    /// the token that it gave has not been used, it gives that same one again: the first answer was lost on its way.
    ///
    /// # Errors
    /// When the token is not one of ours, its session has ended, or it was used before.
    pub async fn refresh(&self, token: &str, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let token = Refresh::parse(token, &self.keys).ok_or(AuthError::BadRefresh)?;
        retrying(|| self.turn(&token, now)).await
    }

    async fn turn(&self, token: &Refresh, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let at = micros(now);
        let (old, next) = (token.hash(&self.keys), token.next(&self.keys));
        let new = next.hash(&self.keys);
        let mut tx = self.db.begin().await?;
        let kept = store::session(&mut tx, token.session).await?.filter(|s| s.ended_at.is_none() && s.expires_at > at);
        let Some(mut kept) = kept else { return Err(AuthError::BadRefresh) };
        let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
        if same(&kept.refresh_hash, &old) {
            kept.expires_at = self.session_ends(now);
            if !store::turn(&mut tx, kept.id, (&old, &new), at, kept.expires_at).await? {
                return Err(AuthError::BadRefresh);
            }
            tx.commit().await?;
            return self.tokens(&kept, &next, now);
        }
        drop(tx);
        let retried = at - kept.refreshed_at <= self.config.retry_s * 1_000_000;
        if retried && same(&kept.previous_hash, &old) && same(&kept.refresh_hash, &new) {
            return self.tokens(&kept, &next, now);
        }
        match self.end_session(kept.user_id, kept.id, now).await {
            Ok(()) | Err(AuthError::NoSession) => {}
            Err(error) => return Err(error),
        }
        metrics::counter!("hongniang_auth_reused_total").increment(1);
        tracing::warn!(session = kept.id, "a refresh token was used twice; its session is ended");
        Err(AuthError::Reused)
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
    ///
    /// # Errors
    /// When there is no such session of theirs that goes on, or the database fails.
    pub async fn end_session(&self, user_id: UserId, session: i64, now: DateTime<Utc>) -> Result<(), AuthError> {
        let ended = store::end(&self.db, session, user_id, micros(now)).await?;
        if !ended {
            return Err(AuthError::NoSession);
        }
        self.ended.insert(session, ());
        self.live.invalidate(&session);
        Ok(())
    }
}

/// What counts as one address: of IPv6 the first 64 bits, which one customer has.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string(),
    }
}
