//! Logins by a code that comes to a phone.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::ids::UserId;
use futures::FutureExt;
use subtle::ConstantTimeEq;

use super::people::lets_in;
use super::{Asker, Auth, Device, PHONE, Tokens, limit, network};
use crate::auth::sms::Message;
use crate::auth::store::{self, Code, Entry};
use crate::auth::{AuthError, Phone, PhoneError};
use crate::db::{DbError, Tx, micros, retrying};

/// A code that somebody says has come to a number.
#[derive(Debug, Clone)]
pub(super) struct Given {
    phone_hash: String,
    code_hash: String,
    /// Attempts that a code has.
    attempts: i64,
    /// Microseconds since 1970.
    at: i64,
}

impl Given {
    /// Takes the code if it is right, and counts an attempt if it is not; whether it is. The transaction is to be committed in both cases.
    pub(super) async fn take(&self, tx: &mut Tx) -> Result<bool, DbError> {
        let Some(kept) = store::code(tx, &self.phone_hash).await? else { return Ok(false) };
        let works = kept.expires_at > self.at && kept.attempts < self.attempts;
        if works && bool::from(kept.code_hash.as_bytes().ct_eq(self.code_hash.as_bytes())) {
            store::drop_code(tx, &self.phone_hash).await?;
            return Ok(true);
        }
        store::count_attempt(tx, &self.phone_hash).await?;
        metrics::counter!("hongniang_auth_wrong_codes_total").increment(1);
        Ok(false)
    }
}

impl Auth {
    fn phone(&self, phone: &str) -> Result<Phone, AuthError> {
        let phone = Phone::parse(phone, &self.config.country)?;
        if phone.is_of(&self.config.countries) { Ok(phone) } else { Err(PhoneError::Country.into()) }
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

    /// Codes that are asked for at the same time share a commit.
    async fn keep_code(&self, phone_hash: &str, kept: &Code, now: DateTime<Utc>) -> Result<(), AuthError> {
        let (limits, codes) = (Arc::clone(&self.limits), &self.config.codes);
        let (pause_s, per_number, phone_hash, kept) = (codes.pause_s, codes.per_number, phone_hash.to_owned(), kept.clone());
        let work = self.db.together(move |tx| {
            let work = async move {
                let before = store::code(tx, &phone_hash).await?;
                if let Some(before) = &before {
                    let pause = before.sent_at + pause_s * 1_000_000 - kept.sent_at;
                    if pause > 0 {
                        return Err(AuthError::TooOften(pause / 1_000_000 + 1));
                    }
                }
                limit(&limits, ("codes of number", &phone_hash), per_number, now)?;
                Ok(store::put_code(tx, &phone_hash, &kept, before.is_some()).await?)
            };
            work.boxed()
        });
        work.await
    }

    fn new_code(&self) -> Result<String, AuthError> {
        let mut bytes = [0; 8];
        (self.chance)(&mut bytes)?;
        // 2^64 is so much larger than a million that no code is likelier than another by more than 1 in 10^13.
        Ok(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
    }

    /// A number and a code as they are compared; counts the try for the address.
    pub(super) fn given(&self, phone: &str, code: &str, from: &Asker, now: DateTime<Utc>) -> Result<(Phone, Given), AuthError> {
        let phone = self.phone(phone)?;
        if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AuthError::Field("code", "must be the six digits that were sent".to_owned()));
        }
        if let Some(address) = from.address {
            self.limit("tries of address", &network(address), self.config.codes.tries_per_address, now)?;
        }
        let phone_hash = self.hash("phone", &[phone.number().as_bytes()]);
        let code_hash = self.hash("code", &[phone_hash.as_bytes(), code.as_bytes()]);
        Ok((phone, Given { phone_hash, code_hash, attempts: self.config.codes.attempts, at: micros(now) }))
    }

    /// A login by number and code. The first one with a number makes an account.
    ///
    /// # Errors
    /// When the code does not work, or was tried too often.
    pub async fn verify(&self, phone: &str, code: &str, device: &Device, from: &Asker, now: DateTime<Utc>) -> Result<Tokens, AuthError> {
        let (phone, given) = self.given(phone, code, from, now)?;
        let (entry, refresh) = self.entry((PHONE, phone.number()), device, now)?;
        let entered = retrying(|| self.log_in(&given, &entry, now)).await?.ok_or(AuthError::WrongCode)?;
        self.entered(&entry, &refresh, entered, now)
    }

    /// Logins that come at the same time share a commit.
    async fn log_in(&self, given: &Given, entry: &Entry, now: DateTime<Utc>) -> Result<Option<(UserId, bool)>, AuthError> {
        let (given, entry, withheld) = (given.clone(), entry.clone(), self.withheld.clone());
        let work = self.db.together(move |tx| {
            let work = async move {
                if !given.take(tx).await? {
                    return Ok(None); // and the attempt is counted
                }
                let (owned, created) = store::enter(tx, &entry).await?;
                lets_in(&withheld, owned.user_id, now)?;
                Ok(Some((owned.user_id, created)))
            };
            work.boxed()
        });
        work.await
    }
}
