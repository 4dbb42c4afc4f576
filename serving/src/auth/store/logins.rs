//! By what people log in.

use std::collections::HashMap;

use features::ids::UserId;
use sea_query::{Alias, Expr, ExprTrait, Order};

use super::{ACCOUNTS, HASH, IDENTITIES, Kept, put_session};
use crate::db::schema::{drop_table, index, number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, user};

/// What a provider tells of a login, by its id in [`IDENTITIES`].
pub(crate) const OIDC_LOGINS: &str = "oidc_logins";
/// ID tokens that must not be used again.
pub(crate) const SPENT_TOKENS: &str = "spent_tokens";

/// The tables of logins by OpenID Connect.
pub(crate) fn oidc_tables(kind: Kind) -> Vec<Step> {
    let made = |table: &mut sea_query::TableCreateStatement| Step::Create(Box::new(table.take()));
    vec![
        made(
            table(kind, OIDC_LOGINS)
                .col(number("id").primary_key())
                .col(number("user_id"))
                .col(text("mail", 80))
                .col(number("private"))
                .col(text("name", 40)),
        ),
        index(kind, OIDC_LOGINS, &["user_id"], false),
        made(table(kind, SPENT_TOKENS).col(text("token_hash", HASH).primary_key()).col(number("expires_at"))),
        index(kind, SPENT_TOKENS, &["expires_at"], false),
    ]
}

/// They go.
pub(crate) fn drop_oidc_tables() -> Vec<Step> {
    [SPENT_TOKENS, OIDC_LOGINS].map(drop_table).into()
}

/// Whose a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct Owned {
    /// Its id.
    pub(in crate::auth) id: i64,
    /// The person.
    pub(in crate::auth) user_id: UserId,
}

/// What a provider tells of a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::auth) struct Told {
    /// Mail address, masked; may be empty.
    pub(in crate::auth) mail: String,
    /// Whether the address forwards.
    pub(in crate::auth) private: bool,
    /// What to call the person; may be empty.
    pub(in crate::auth) name: String,
}

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

/// Whose a login is.
pub(in crate::auth) async fn login(tx: &mut Tx, provider: &str, subject: &str) -> Result<Option<Owned>, DbError> {
    let mut wanted = select(IDENTITIES, ["id", "user_id"]);
    wanted.and_where(col("provider").eq(provider)).and_where(col("subject").eq(subject));
    let read = |row: Row| Ok(Owned { id: row.int("id")?, user_id: user(row.int("user_id")?) });
    tx.one(&wanted).await?.map(read).transpose()
}

/// A login more.
pub(in crate::auth) async fn new_login(tx: &mut Tx, new: Owned, (provider, subject): (&str, &str), at: i64) -> Result<(), DbError> {
    let values = [new.id.into(), key(new.user_id).into(), provider.into(), subject.into(), at.into()];
    tx.run(&insert(IDENTITIES, ["id", "user_id", "provider", "subject", "created_at"], values)).await?;
    Ok(())
}

/// Begins the session of a login, and makes an account where it is the first one; whose login it is, and whether the account is new.
pub(in crate::auth) async fn enter(tx: &mut Tx, entry: &Entry) -> Result<(Owned, bool), DbError> {
    let at = entry.session.created_at;
    let known = login(tx, &entry.provider, &entry.subject).await?;
    let owned = known.unwrap_or(entry.new);
    if known.is_none() {
        tx.run(&insert(ACCOUNTS, ["user_id", "created_at"], [key(owned.user_id).into(), at.into()])).await?;
        new_login(tx, owned, (&entry.provider, &entry.subject), at).await?;
    }
    put_session(tx, &Kept { user_id: owned.user_id, ..entry.session.clone() }, known.is_none()).await?;
    Ok((owned, known.is_none()))
}

/// Keeps what a provider tells of a login; a name that was told before stays where none is told now, for Apple tells it once. What is kept then.
pub(in crate::auth) async fn tell(tx: &mut Tx, login: Owned, told: &Told) -> Result<Told, DbError> {
    let mut wanted = select(OIDC_LOGINS, ["mail", "private", "name"]);
    wanted.and_where(col("id").eq(login.id));
    let Some(before) = tx.one(&wanted).await?.map(|row| read_told(&row)).transpose()? else {
        let (mail, name) = (told.mail.as_str().into(), told.name.as_str().into());
        let values = [login.id.into(), key(login.user_id).into(), mail, i64::from(told.private).into(), name];
        tx.run(&insert(OIDC_LOGINS, ["id", "user_id", "mail", "private", "name"], values)).await?;
        return Ok(told.clone());
    };
    let name = if told.name.is_empty() { before.name.clone() } else { told.name.clone() };
    let now = Told { name, ..told.clone() };
    if now != before {
        let mut change = update(OIDC_LOGINS);
        change.values([
            (Alias::new("mail"), Expr::val(now.mail.as_str())),
            (Alias::new("private"), Expr::val(i64::from(now.private))),
            (Alias::new("name"), Expr::val(now.name.as_str())),
        ]);
        change.and_where(col("id").eq(login.id));
        tx.run(&change).await?;
    }
    Ok(now)
}

fn read_told(row: &Row) -> Result<Told, DbError> {
    Ok(Told { mail: row.text("mail")?, private: row.int("private")? != 0, name: row.text("name")? })
}

/// Marks a token as used until a time; whether it was not so before. Tokens that have ended go.
pub(in crate::auth) async fn spend(tx: &mut Tx, token_hash: &str, until: i64, at: i64) -> Result<bool, DbError> {
    let mut wanted = select(SPENT_TOKENS, ["expires_at"]);
    wanted.and_where(col("token_hash").eq(token_hash));
    if tx.one(&wanted).await?.is_some() {
        return Ok(false);
    }
    let mut old = delete(SPENT_TOKENS);
    old.and_where(col("expires_at").lt(at));
    tx.run(&old).await?;
    tx.run(&insert(SPENT_TOKENS, ["token_hash", "expires_at"], [token_hash.into(), until.into()])).await?;
    Ok(true)
}

/// Holds an account until the end of the transaction, so that its logins change one after the other; whether it is there.
pub(in crate::auth) async fn lock_account(tx: &mut Tx, user_id: UserId) -> Result<bool, DbError> {
    let mut wanted = select(ACCOUNTS, ["user_id"]);
    wanted.and_where(col("user_id").eq(key(user_id))).lock_exclusive();
    Ok(tx.one(&wanted).await?.is_some())
}

/// How many logins a person has, and whether one of these is theirs.
pub(in crate::auth) async fn count(tx: &mut Tx, user_id: UserId, id: i64) -> Result<(u64, bool), DbError> {
    let mut wanted = select(IDENTITIES, ["id"]);
    wanted.and_where(col("user_id").eq(key(user_id)));
    let ids: Vec<i64> = tx.all(&wanted).await?.iter().map(|row| row.int("id")).collect::<Result<_, _>>()?;
    Ok((ids.len() as u64, ids.contains(&id)))
}

/// A login goes, with what was told of it.
pub(in crate::auth) async fn drop_login(tx: &mut Tx, user_id: UserId, id: i64) -> Result<(), DbError> {
    for from in [OIDC_LOGINS, IDENTITIES] {
        let mut gone = delete(from);
        gone.and_where(col("id").eq(id)).and_where(col("user_id").eq(key(user_id)));
        tx.run(&gone).await?;
    }
    Ok(())
}

/// A row of [`logins`]: id, provider, subject, when it was added (microseconds since 1970), what the provider tells.
pub(in crate::auth) type LoginRow = (i64, String, String, i64, Told);

/// The logins of a person, the oldest first.
pub(in crate::auth) async fn logins(db: &Db, user_id: UserId) -> Result<Vec<LoginRow>, DbError> {
    let mut wanted = select(IDENTITIES, ["id", "provider", "subject", "created_at"]);
    wanted.and_where(col("user_id").eq(key(user_id))).order_by(Alias::new("created_at"), Order::Asc).order_by(Alias::new("id"), Order::Asc);
    let mut about = select(OIDC_LOGINS, ["id", "mail", "private", "name"]);
    about.and_where(col("user_id").eq(key(user_id)));
    let told = db.all(&about).await?;
    let mut told: HashMap<i64, Told> = told.iter().map(|row| Ok((row.int("id")?, read_told(row)?))).collect::<Result<_, DbError>>()?;
    let read = |row: &Row| {
        let id = row.int("id")?;
        Ok((id, row.text("provider")?, row.text("subject")?, row.int("created_at")?, told.remove(&id).unwrap_or_default()))
    };
    db.all(&wanted).await?.iter().map(read).collect()
}
