//! Telling people that their logins have changed (ASVS 2.2.3, 2.5.5): whoever did not do it themselves learns of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::ids::UserId;

use super::{Auth, PHONE};
use crate::auth::Phone;
use crate::auth::sms::{Change, Message, Sms, Text};
use crate::auth::store;

/// Pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

impl Auth {
    /// Tells the numbers of an account that it has one login more, but for the one that is new: who added it has it in their hands.
    pub(super) fn tell_added(&self, user: UserId, (provider, subject): (&str, &str), now: DateTime<Utc>) {
        let new = if provider == PHONE { Some(Phone::kept(subject.to_owned())) } else { None };
        let change = Change::Added(new.as_ref().map_or_else(|| provider.to_owned(), ToString::to_string));
        self.tell(user, change, (None, new), now);
    }

    /// Tells the numbers of an account that it has one login less, and the number that was its login.
    pub(super) fn tell_removed(&self, user: UserId, (provider, subject): (&str, &str), now: DateTime<Utc>) {
        let old = if provider == PHONE { Some(Phone::kept(subject.to_owned())) } else { None };
        let change = Change::Removed(old.as_ref().map_or_else(|| provider.to_owned(), ToString::to_string));
        self.tell(user, change, (old, None), now);
    }

    /// Beside the request: the change is made, whether it can be told or not.
    fn tell(&self, user: UserId, change: Change, (and, but): (Option<Phone>, Option<Phone>), now: DateTime<Utc>) {
        if !self.sms.tells_changes() {
            return;
        }
        let (db, sms) = (self.db.clone(), Arc::clone(&self.sms));
        tokio::spawn(async move {
            let logins = match store::logins(&db, user).await {
                Ok(logins) => logins,
                Err(error) => return tracing::warn!(%error, "the numbers that a change of logins is told to cannot be read"),
            };
            let theirs = logins.into_iter().filter(|login| login.1 == PHONE).map(|login| Phone::kept(login.2));
            for phone in theirs.chain(and).filter(|phone| Some(phone.number()) != but.as_ref().map(Phone::number)) {
                send(&*sms, Message { phone: &phone, text: Text::Changed(&change), now }).await;
            }
        });
    }
}

async fn send(sms: &dyn Sms, Message { phone, text, now }: Message<'_>) {
    let Text::Changed(change) = text else { return };
    let mut pauses = PAUSES.into_iter();
    loop {
        let Err(reason) = sms.send(Message { phone, text: Text::Changed(change), now }).await else {
            metrics::counter!("hongniang_auth_notices_total", "outcome" => "sent").increment(1);
            return;
        };
        let Some(pause) = pauses.next() else {
            metrics::counter!("hongniang_auth_notices_total", "outcome" => "failed").increment(1);
            return tracing::warn!(reason, "nobody could be told of a change of their logins");
        };
        tokio::time::sleep(pause).await;
    }
}
