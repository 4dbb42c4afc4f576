//! By what people log in.

use std::collections::HashMap;

use features::ids::UserId;
use sea_query::{Alias, ExprTrait, Order};

use super::{ACCOUNTS, HASH, IDENTITIES};
use crate::db::schema::{drop_table, index, number, table, text};
use crate::db::statement::{col, delete, select};
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

/// Whose a login is.
pub(in crate::auth) async fn login(tx: &mut Tx, provider: &str, subject: &str) -> Result<Option<Owned>, DbError> {
    let mut wanted = select(IDENTITIES, ["id", "user_id"]);
    wanted.and_where(col("provider").eq(provider)).and_where(col("subject").eq(subject));
    let read = |row: Row| Ok(Owned { id: row.int("id")?, user_id: user(row.int("user_id")?) });
    tx.one(&wanted).await?.map(read).transpose()
}

pub(super) fn read_told(row: &Row) -> Result<Told, DbError> {
    Ok(Told { mail: row.text("mail")?, private: row.int("private")? != 0, name: row.text("name")? })
}

/// Holds an account until the end of the transaction, so that its logins change one after the other; whether it is there.
pub(in crate::auth) async fn lock_account(tx: &mut Tx, user_id: UserId) -> Result<bool, DbError> {
    let mut wanted = select(ACCOUNTS, ["user_id"]);
    wanted.and_where(col("user_id").eq(key(user_id))).lock_exclusive();
    Ok(tx.one(&wanted).await?.is_some())
}

/// The logins of a person: the id of each, and its provider and subject.
pub(in crate::auth) async fn held(tx: &mut Tx, user_id: UserId) -> Result<Vec<(i64, (String, String))>, DbError> {
    let mut wanted = select(IDENTITIES, ["id", "provider", "subject"]);
    wanted.and_where(col("user_id").eq(key(user_id)));
    tx.all(&wanted).await?.iter().map(|row| Ok((row.int("id")?, (row.text("provider")?, row.text("subject")?)))).collect()
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
