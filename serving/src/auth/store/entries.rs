//! People who log in, held by a transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use features::ids::UserId;
use sea_query::{Alias, Cond, Expr, ExprTrait};

use super::logins::{OIDC_LOGINS, SPENT_TOKENS, Told, read_told};
use super::{ACCOUNTS, COLUMNS, IDENTITIES, Kept, Owned, SESSIONS, session_row};
use crate::audit::{self, Act, Actor};
use crate::db::statement::{col, delete, insert_all, one_of, select, update};
use crate::db::{DbError, Tx, key, time, user};

/// Somebody who logs in, known or not.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Entry {
    /// `phone`, or the name of a provider.
    pub(in crate::auth) provider: String,
    /// The number, or `sub`.
    pub(in crate::auth) subject: String,
    /// Ids of account and login, should there be none yet.
    pub(in crate::auth) new: Owned,
    /// The session, still of nobody.
    pub(in crate::auth) session: Kept,
}

impl Entry {
    fn by(&self) -> (String, String) {
        (self.provider.clone(), self.subject.clone())
    }
}

/// Whose the logins of some are, and who enters. Nothing is written before [`Entries::save`].
#[derive(Debug, Default)]
pub(in crate::auth) struct Entries {
    owned: HashMap<(String, String), Owned>,
    new: Vec<(Owned, (String, String), i64)>,
    sessions: Vec<Kept>,
    /// Who was here before.
    returning: HashSet<i64>,
}

impl Entries {
    /// Whose the logins are by which they come.
    pub(in crate::auth) async fn hold(tx: &mut Tx, entries: impl IntoIterator<Item = &Entry>) -> Result<Self, DbError> {
        let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in entries {
            by.entry(&entry.provider).or_default().push(&entry.subject);
        }
        let mut any = Cond::any();
        for (provider, subjects) in by {
            any = any.add(col("provider").eq(provider).and(one_of("subject", subjects)));
        }
        let mut wanted = select(IDENTITIES, ["id", "user_id", "provider", "subject"]);
        wanted.cond_where(any);
        let mut held = Self::default();
        for row in tx.all(&wanted).await? {
            let owned = Owned { id: row.int("id")?, user_id: user(row.int("user_id")?) };
            held.owned.insert((row.text("provider")?, row.text("subject")?), owned);
        }
        Ok(held)
    }

    /// Whose a login is that is known.
    pub(in crate::auth) fn owner(&self, entry: &Entry) -> Option<Owned> {
        self.owned.get(&entry.by()).copied()
    }

    /// The ids of the logins that are known.
    pub(in crate::auth) fn ids(&self) -> Vec<i64> {
        self.owned.values().map(|owned| owned.id).collect()
    }

    /// Begins the session of a login, and makes an account where it is the first one; whose login it is, and whether the account is new.
    pub(in crate::auth) fn enter(&mut self, entry: &Entry) -> (Owned, bool) {
        let known = self.owner(entry);
        let owned = known.unwrap_or(entry.new);
        if known.is_some() {
            self.returning.insert(key(owned.user_id));
        } else {
            self.new.push((owned, entry.by(), entry.session.created_at));
            self.owned.insert(entry.by(), owned);
        }
        self.sessions.push(Kept { user_id: owned.user_id, ..entry.session.clone() });
        (owned, known.is_none())
    }

    /// Writes accounts, logins and sessions, each session with its entry in the audit log; those that expired of people who come again go.
    pub(in crate::auth) async fn save(self, tx: &mut Tx) -> Result<(), DbError> {
        let Some(first) = self.sessions.iter().map(|session| session.created_at).min() else { return Ok(()) };
        let account = |(owned, _, at): &(Owned, _, i64)| [key(owned.user_id).into(), (*at).into()];
        tx.run_all(&insert_all(ACCOUNTS, ["user_id", "created_at"], self.new.iter().map(account).collect())).await?;
        new_logins(tx, self.new).await?;
        if !self.returning.is_empty() {
            let mut over = delete(SESSIONS);
            over.and_where(one_of("user_id", self.returning)).and_where(col("expires_at").lt(first));
            tx.run(&over).await?;
        }
        tx.run_all(&insert_all(SESSIONS, COLUMNS, self.sessions.iter().map(session_row).collect())).await?;
        // Whatever proves who somebody is, a login makes a session.
        let acts = self.sessions.iter().map(|s| (s.id, Act::done(Actor::Person(s.user_id), s.user_id, "login"), time(s.created_at)));
        audit::put_all(tx, &acts.collect::<Vec<_>>()).await
    }
}

/// Logins more: whose, by what, and since when.
pub(in crate::auth) async fn new_logins(tx: &mut Tx, new: Vec<(Owned, (String, String), i64)>) -> Result<(), DbError> {
    let row = |(owned, (provider, subject), at): (Owned, (String, String), i64)| {
        [owned.id.into(), key(owned.user_id).into(), provider.into(), subject.into(), at.into()]
    };
    let columns = ["id", "user_id", "provider", "subject", "created_at"];
    tx.run_all(&insert_all(IDENTITIES, columns, new.into_iter().map(row).collect())).await
}

/// What providers told of some logins. Nothing is written before [`Telling::save`].
#[derive(Debug, Default)]
pub(in crate::auth) struct Telling {
    told: HashMap<i64, Told>,
    new: HashMap<i64, UserId>,
    changed: HashSet<i64>,
}

impl Telling {
    /// What was told of logins, by their ids.
    pub(in crate::auth) async fn hold(tx: &mut Tx, ids: &[i64]) -> Result<Self, DbError> {
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = select(OIDC_LOGINS, ["id", "mail", "private", "name"]);
        wanted.and_where(one_of("id", ids.iter().copied()));
        let told = tx.all(&wanted).await?.iter().map(|row| Ok((row.int("id")?, read_told(row)?))).collect::<Result<_, DbError>>()?;
        Ok(Self { told, ..Self::default() })
    }

    /// Keeps what is told now of a login; a name that was told before stays where none is told now, for Apple tells it once. What is kept then.
    pub(in crate::auth) fn tell(&mut self, login: Owned, told: &Told) -> Told {
        let Some(before) = self.told.get_mut(&login.id) else {
            self.new.insert(login.id, login.user_id);
            self.told.insert(login.id, told.clone());
            return told.clone();
        };
        let name = if told.name.is_empty() { before.name.clone() } else { told.name.clone() };
        let now = Told { name, ..told.clone() };
        if now != *before {
            *before = now.clone();
            if !self.new.contains_key(&login.id) {
                self.changed.insert(login.id);
            }
        }
        now
    }

    /// Writes what is new.
    pub(in crate::auth) async fn save(self, tx: &mut Tx) -> Result<(), DbError> {
        for (id, now) in self.told.iter().filter(|(id, _)| self.changed.contains(id)) {
            let mut change = update(OIDC_LOGINS);
            change.values([
                (Alias::new("mail"), Expr::val(now.mail.as_str())),
                (Alias::new("private"), Expr::val(i64::from(now.private))),
                (Alias::new("name"), Expr::val(now.name.as_str())),
            ]);
            change.and_where(col("id").eq(*id));
            tx.run(&change).await?;
        }
        let row = |(id, user): (&i64, &UserId)| {
            let told = self.told.get(id)?;
            let (mail, name) = (told.mail.as_str().into(), told.name.as_str().into());
            Some([(*id).into(), key(*user).into(), mail, i64::from(told.private).into(), name])
        };
        let columns = ["id", "user_id", "mail", "private", "name"];
        tx.run_all(&insert_all(OIDC_LOGINS, columns, self.new.iter().filter_map(row).collect())).await
    }
}

/// ID tokens that were used, of some, by keyed hashes. Nothing is written before [`Spent::save`].
#[derive(Debug, Default)]
pub(in crate::auth) struct Spent {
    used: HashSet<String>,
    new: Vec<(String, i64)>,
}

impl Spent {
    /// Which of some tokens were used before.
    pub(in crate::auth) async fn hold(tx: &mut Tx, tokens: &[&str]) -> Result<Self, DbError> {
        if tokens.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = select(SPENT_TOKENS, ["token_hash"]);
        wanted.and_where(one_of("token_hash", tokens.iter().copied()));
        let used = tx.all(&wanted).await?.iter().map(|row| row.text("token_hash")).collect::<Result<_, DbError>>()?;
        Ok(Self { used, new: Vec::new() })
    }

    /// Whether a token was used.
    pub(in crate::auth) fn has(&self, token: &str) -> bool {
        self.used.contains(token)
    }

    /// A token is used; it is known until a time.
    pub(in crate::auth) fn spend(&mut self, token: &str, until: i64) {
        self.used.insert(token.to_owned());
        self.new.push((token.to_owned(), until));
    }

    /// Writes what was used, at a time; tokens that have ended go.
    pub(in crate::auth) async fn save(self, tx: &mut Tx, at: i64) -> Result<(), DbError> {
        if self.new.is_empty() {
            return Ok(());
        }
        let mut old = delete(SPENT_TOKENS);
        old.and_where(col("expires_at").lt(at));
        tx.run(&old).await?;
        let rows = self.new.into_iter().map(|(token, until)| [token.into(), until.into()]).collect();
        tx.run_all(&insert_all(SPENT_TOKENS, ["token_hash", "expires_at"], rows)).await
    }
}
