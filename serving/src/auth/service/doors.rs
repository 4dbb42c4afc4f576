//! Where people come in: those who come at the same time are let in together.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use futures::FutureExt;
use serde_json::json;

use super::limit;
use super::oidc::Shown;
use super::people::lets_in;
use super::phone::Given;
use super::turns::{Turn, Turned, turn};
use crate::audit::{self, Act, Actor};
use crate::auth::AuthError;
use crate::auth::config::{AuthConfig, CodesConfig};
use crate::auth::store::{Code, Codes, Entries, Entry, Spent, Telling, Told};
use crate::db::{Db, DbError, Together, Tx};
use crate::limits::Limits;
use crate::state::Withheld;

/// Whose a login is, and whether their account is new.
pub(super) type Entered = (UserId, bool);

/// A code that somebody asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Keyed hash of the number.
    pub(super) number: String,
    pub(super) code: Code,
    pub(super) now: DateTime<Utc>,
}

/// Somebody who comes.
#[derive(Debug, Clone)]
pub(super) struct Comer {
    pub(super) entry: Entry,
    /// Whence.
    pub(super) from: Option<IpAddr>,
    pub(super) now: DateTime<Utc>,
}

/// Somebody with a code.
pub(super) type ByPhone = (Given, Comer);

/// Somebody with an ID token.
pub(super) type ByToken = (Shown, Comer);

/// The ways in.
pub(super) struct Doors {
    /// Codes are made.
    pub(super) codes: Together<Wish, Result<(), AuthError>>,
    /// Codes are used; nobody enters with a wrong one.
    pub(super) phones: Together<ByPhone, Result<Option<Entered>, AuthError>>,
    /// ID tokens are used; with what is kept of what the provider tells.
    pub(super) tokens: Together<ByToken, Result<(Entered, Told), AuthError>>,
    /// Refresh tokens are used.
    pub(super) turns: Together<Turn, Turned>,
}

impl Doors {
    /// The ways into a database, closed to those who are withheld.
    pub(super) fn open(db: &Db, config: &AuthConfig, limits: &Arc<Limits>, withheld: &Withheld) -> Self {
        let CodesConfig { pause_s, per_number, .. } = config.codes;
        let rules = Arc::new(Rules { pause_s, per_number, limits: Arc::clone(limits) });
        let retry_us = config.retry_s * 1_000_000;
        let (phones, tokens) = (withheld.clone(), withheld.clone());
        Self {
            codes: Together::new(db.clone(), move |tx, all| {
                let rules = Arc::clone(&rules);
                async move { rules.make(tx, all).await }.boxed()
            }),
            phones: Together::new(db.clone(), move |tx, all| {
                let withheld = phones.clone();
                async move { by_phone(tx, all, &withheld).await }.boxed()
            }),
            tokens: Together::new(db.clone(), move |tx, all| {
                let withheld = tokens.clone();
                async move { by_token(tx, all, &withheld).await }.boxed()
            }),
            turns: Together::new(db.clone(), move |tx, all| turn(tx, all, retry_us).boxed()),
        }
    }
}

/// How often codes are made.
struct Rules {
    pause_s: i64,
    per_number: u32,
    limits: Arc<Limits>,
}

impl Rules {
    async fn make(&self, tx: &mut Tx, all: Vec<Wish>) -> Result<Vec<Result<(), AuthError>>, DbError> {
        let mut codes = Codes::hold(tx, all.iter().map(|wish| wish.number.as_str())).await?;
        let mut made = |wish: Wish| {
            if let Some(before) = codes.of(&wish.number) {
                let pause = before.sent_at + self.pause_s * 1_000_000 - wish.code.sent_at;
                if pause > 0 {
                    return Err(AuthError::TooOften(pause / 1_000_000 + 1));
                }
            }
            limit(&self.limits, ("codes of number", &wish.number), self.per_number, wish.now)?;
            codes.put(&wish.number, wish.code);
            Ok(())
        };
        let made = all.into_iter().map(&mut made).collect();
        codes.save(tx).await?;
        Ok(made)
    }
}

/// Lets people in, and keeps the entries of the audit log about those who are not.
struct Doorkeeper<'a> {
    entries: Entries,
    withheld: &'a Withheld,
    refused: Vec<(i64, Act, DateTime<Utc>)>,
}

impl<'a> Doorkeeper<'a> {
    async fn hold(tx: &mut Tx, comers: impl Iterator<Item = &Comer>, withheld: &'a Withheld) -> Result<Self, DbError> {
        let entries = Entries::hold(tx, comers.map(|comer| &comer.entry)).await?;
        Ok(Self { entries, withheld, refused: Vec::new() })
    }

    /// Somebody is not let in; by the id that their login would have had.
    fn refuse(&mut self, comer: &Comer, reason: &str) {
        let nobody = Act::of_nobody(Actor::System, "login", json!({"reason": reason}));
        let subject = self.entries.owner(&comer.entry).map(|owned| owned.user_id);
        self.refused.push((comer.entry.new.id, Act { subject, outcome: "refused", address: comer.from, ..nobody }, comer.now));
    }

    /// Whether somebody who has proven who they are may come in.
    fn admits(&mut self, comer: &Comer) -> Result<(), AuthError> {
        let Some(owned) = self.entries.owner(&comer.entry) else { return Ok(()) };
        lets_in(self.withheld, owned.user_id, comer.now).inspect_err(|_| self.refuse(comer, "banned"))
    }

    async fn save(self, tx: &mut Tx) -> Result<(), DbError> {
        self.entries.save(tx).await?;
        audit::put_all(tx, &self.refused).await
    }
}

/// Codes are used, wrong ones are counted. The code of somebody who is not let in stays as it is.
async fn by_phone(tx: &mut Tx, all: Vec<ByPhone>, withheld: &Withheld) -> Result<Vec<Result<Option<Entered>, AuthError>>, DbError> {
    let mut codes = Codes::hold(tx, all.iter().map(|(given, _)| given.number())).await?;
    let mut door = Doorkeeper::hold(tx, all.iter().map(|(_, comer)| comer), withheld).await?;
    let mut enter = |(given, comer): &ByPhone| {
        if given.fits(&codes) {
            door.admits(comer)?;
        } else if given.counts(&codes) {
            // Guesses at codes that are none are counted nowhere: they would fill the log and tell nothing.
            door.refuse(comer, "wrong_code");
        }
        if !given.use_up(&mut codes) {
            return Ok(None);
        }
        let (owned, created) = door.entries.enter(&comer.entry);
        Ok(Some((owned.user_id, created)))
    };
    let entered = all.iter().map(&mut enter).collect();
    codes.save(tx).await?;
    door.save(tx).await?;
    Ok(entered)
}

/// ID tokens are used. That of somebody who is not let in stays as it is.
async fn by_token(tx: &mut Tx, all: Vec<ByToken>, withheld: &Withheld) -> Result<Vec<Result<(Entered, Told), AuthError>>, DbError> {
    let tokens: Vec<&str> = all.iter().filter_map(|(shown, _)| shown.token()).collect();
    let mut spent = Spent::hold(tx, &tokens).await?;
    let mut door = Doorkeeper::hold(tx, all.iter().map(|(_, comer)| comer), withheld).await?;
    let mut telling = Telling::hold(tx, &door.entries.ids()).await?;
    let mut enter = |(shown, comer): &ByToken| {
        shown.must_be_new(&spent).inspect_err(|_| door.refuse(comer, "used_token"))?;
        door.admits(comer)?;
        shown.use_up(&mut spent);
        let (owned, created) = door.entries.enter(&comer.entry);
        Ok(((owned.user_id, created), telling.tell(owned, &shown.told)))
    };
    let entered = all.iter().map(&mut enter).collect();
    let at = all.iter().map(|(shown, _)| shown.at).min().unwrap_or_default();
    spent.save(tx, at).await?;
    door.save(tx).await?;
    telling.save(tx).await?;
    Ok(entered)
}
