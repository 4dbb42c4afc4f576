//! The logins of one person: listed, added, removed.
//!
//! Adding and removing needs a session that began a short while ago: a token that was left behind, or stolen, neither locks anybody out nor lets
//! anybody stay. The logins of an account change one after the other, so that two removals at once cannot take the last two.

use chrono::{DateTime, Utc};
use features::ids::UserId;

use super::{Asker, Auth, IdToken, PHONE};
use crate::audit::{self, Act, Actor};
use crate::auth::store::{self, LoginRow, Owned, Telling};
use crate::auth::{AuthError, Phone};
use crate::db::{Tx, micros, retrying, time};

/// Logins of an account at most.
const MOST: u64 = 10;

/// By what somebody logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginKind {
    /// A phone number, with its first and last digits only.
    Phone(String),
    /// A provider.
    Oidc {
        /// Its name in the configuration.
        provider: String,
        /// The mail address that it has made sure of, masked; may be empty.
        mail: String,
        /// Whether the address is one that forwards.
        is_private_email: bool,
    },
}

/// A login of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its id.
    pub id: i64,
    /// By what.
    pub kind: LoginKind,
    /// When it was added.
    pub since: DateTime<Utc>,
}

fn shown((id, provider, subject, since, told): LoginRow) -> Login {
    let kind = if provider == PHONE {
        LoginKind::Phone(Phone::kept(subject).to_string())
    } else {
        LoginKind::Oidc { provider, mail: told.mail, is_private_email: told.private }
    };
    Login { id, kind, since: time(since) }
}

impl Auth {
    /// The logins of a person, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logins(&self, user_id: UserId) -> Result<Vec<Login>, AuthError> {
        Ok(store::logins(&self.db, user_id).await?.into_iter().map(shown).collect())
    }

    /// Whether the session began a short while ago.
    async fn must_be_fresh(&self, (user_id, session): (UserId, i64), now: DateTime<Utc>) -> Result<(), AuthError> {
        let began = store::began(&self.db, session, user_id).await?.ok_or(AuthError::BadToken)?;
        let fresh_s = self.config.fresh_s;
        if micros(now) - began <= fresh_s * 1_000_000 { Ok(()) } else { Err(AuthError::NotFresh(fresh_s)) }
    }

    /// Adds a phone number, proved by the code that came there; its id. One that is the caller's already stays as it is.
    ///
    /// # Errors
    /// When the session is not fresh, the code is wrong, or the number is somebody else's.
    pub async fn link_phone(
        &self,
        caller: (UserId, i64),
        (phone, code): (&str, &str),
        from: &Asker,
        now: DateTime<Utc>,
    ) -> Result<i64, AuthError> {
        self.must_be_fresh(caller, now).await?;
        let (phone, given) = self.given(phone, code, from, now)?;
        let new = self.new_login(caller.0, now);
        let linked = || async {
            let mut tx = self.db.begin().await?;
            if !given.take(&mut tx).await? {
                tx.commit().await?;
                return Err(AuthError::WrongCode);
            }
            let linked = link(&mut tx, new, (PHONE, phone.number()), micros(now)).await;
            // The code is used up, whatever came of it; but not where the same is to be tried again.
            if matches!(linked, Ok(_) | Err(AuthError::Taken | AuthError::TooManyLogins(_))) {
                tx.commit().await?;
            }
            linked
        };
        let id = retrying(linked).await?;
        if id == new.id {
            self.tell_added(caller.0, (PHONE, phone.number()), now);
        }
        Ok(id)
    }

    /// Adds a login by a provider; its id. One that is the caller's already stays as it is.
    ///
    /// # Errors
    /// When the session is not fresh, the token is not good, or the login is somebody else's.
    pub async fn link_oidc(&self, caller: (UserId, i64), given: &IdToken, from: &Asker, now: DateTime<Utc>) -> Result<i64, AuthError> {
        self.must_be_fresh(caller, now).await?;
        let shown = self.shown(given, from, now).await?;
        let new = self.new_login(caller.0, now);
        let linked = || async {
            let mut tx = self.db.begin().await?;
            shown.spend(&mut tx).await?;
            let linked = link(&mut tx, new, (&shown.somebody.provider, &shown.somebody.subject), micros(now)).await;
            if let Ok(id) = linked {
                let mut telling = Telling::hold(&mut tx, &[id]).await?;
                telling.tell(Owned { id, ..new }, &shown.told);
                telling.save(&mut tx).await?;
            }
            if matches!(linked, Ok(_) | Err(AuthError::Taken | AuthError::TooManyLogins(_))) {
                tx.commit().await?;
            }
            linked
        };
        let id = retrying(linked).await?;
        if id == new.id {
            self.tell_added(caller.0, (&shown.somebody.provider, &shown.somebody.subject), now);
        }
        Ok(id)
    }

    /// Removes a login of a person. Sessions go on, also those that began with it.
    ///
    /// # Errors
    /// When the session is not fresh, there is no such login of theirs, or it is their last one.
    pub async fn unlink(&self, caller: (UserId, i64), id: i64, now: DateTime<Utc>) -> Result<(), AuthError> {
        self.must_be_fresh(caller, now).await?;
        let (provider, subject) = retrying(|| self.remove(caller.0, id, now)).await?;
        self.tell_removed(caller.0, (&provider, &subject), now);
        Ok(())
    }

    /// By what it was.
    async fn remove(&self, user_id: UserId, id: i64, now: DateTime<Utc>) -> Result<(String, String), AuthError> {
        let mut tx = self.db.begin().await?;
        store::lock_account(&mut tx, user_id).await?;
        let mut theirs = store::held(&mut tx, user_id).await?;
        let at = theirs.iter().position(|(held, _)| *held == id).ok_or(AuthError::NoLogin)?;
        if theirs.len() < 2 {
            return Err(AuthError::LastLogin);
        }
        store::drop_login(&mut tx, user_id, id).await?;
        audit::put(&mut tx, &self.db, &Act::done(Actor::Person(user_id), user_id, "login_unlinked"), now).await?;
        tx.commit().await?;
        Ok(theirs.swap_remove(at).1)
    }
}

/// Makes a login the caller's, unless it is somebody's; its id, which is that of another one where it was theirs already.
async fn link(tx: &mut Tx, new: Owned, (provider, subject): (&str, &str), at: i64) -> Result<i64, AuthError> {
    if !store::lock_account(tx, new.user_id).await? {
        return Err(AuthError::BadToken);
    }
    match store::login(tx, provider, subject).await? {
        Some(owned) if owned.user_id == new.user_id => return Ok(owned.id),
        Some(_) => return Err(AuthError::Taken),
        None => {}
    }
    if store::held(tx, new.user_id).await?.len() as u64 >= MOST {
        return Err(AuthError::TooManyLogins(MOST));
    }
    store::new_logins(tx, vec![(new, (provider.to_owned(), subject.to_owned()), at)]).await?;
    audit::put_as(tx, new.id, &Act::done(Actor::Person(new.user_id), new.user_id, "login_linked"), time(at)).await?;
    Ok(new.id)
}
