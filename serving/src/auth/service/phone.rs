//! Logins by a code that comes to a phone.

use chrono::{DateTime, TimeDelta, Utc};
use subtle::ConstantTimeEq;

use super::doors::{Comer, Wish};
use super::{Asker, Auth, Device, PHONE, Tokens, network};
use crate::auth::sms::{Message, Text};
use crate::auth::store::{Code, Codes};
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
    /// The keyed hash of the number.
    pub(super) fn number(&self) -> &str {
        &self.phone_hash
    }

    /// Whether it is the code that is on its way, and works.
    pub(super) fn fits(&self, codes: &Codes) -> bool {
        codes.of(&self.phone_hash).is_some_and(|kept| {
            let works = kept.expires_at > self.at && kept.attempts < self.attempts;
            works && bool::from(kept.code_hash.as_bytes().ct_eq(self.code_hash.as_bytes()))
        })
    }

    /// Whether it is one of the attempts that a code has: there is one on its way, and attempts are left.
    pub(super) fn counts(&self, codes: &Codes) -> bool {
        codes.of(&self.phone_hash).is_some_and(|kept| kept.attempts < self.attempts)
    }

    /// Takes the code if it fits, and counts an attempt if it does not; whether it does.
    pub(super) fn use_up(&self, codes: &mut Codes) -> bool {
        if self.fits(codes) {
            codes.spend(&self.phone_hash);
            return true;
        }
        if self.counts(codes) {
            codes.miss(&self.phone_hash);
            metrics::counter!("hongniang_auth_wrong_codes_total").increment(1);
        }
        false
    }

    /// The same in a transaction, which is to be committed in both cases.
    pub(super) async fn take(&self, tx: &mut Tx) -> Result<bool, DbError> {
        let mut codes = Codes::hold(tx, [self.number()]).await?;
        let fits = self.use_up(&mut codes);
        codes.save(tx).await?;
        Ok(fits)
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
        let wish = Wish { number: phone_hash.clone(), code: kept, now };
        retrying(|| async { self.doors.codes.ask(wish.clone()).await? }).await?;
        let message = Message { phone: &phone, text: Text::Code { code: &code, lives_s: codes.lives_s }, now };
        if let Err(reason) = self.sms.send(message).await {
            // Nobody has it: the next one may be asked for at once.
            let mut tx = self.db.begin().await?;
            let mut codes = Codes::hold(&mut tx, [phone_hash.as_str()]).await?;
            codes.spend(&phone_hash);
            codes.save(&mut tx).await?;
            tx.commit().await?;
            return Err(AuthError::NotSent(reason));
        }
        metrics::counter!("hongniang_auth_codes_total").increment(1);
        Ok(codes.lives_s)
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
        let one = (given, Comer { entry: entry.clone(), from: from.address, now });
        let entered = retrying(|| async { self.doors.phones.ask(one.clone()).await? }).await?.ok_or(AuthError::WrongCode)?;
        self.entered(&entry, &refresh, entered, now)
    }
}
