//! The tables of the room.

mod codes;
mod entries;
mod logins;

use std::collections::{HashMap, HashSet};

use features::ids::UserId;
use sea_query::{Alias, Expr, ExprTrait, Order, Value};

use crate::db::schema::{drop_table, index, number, opt_number, table, text};
use crate::db::statement::{col, one_of, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, user};

pub(super) use self::codes::{Code, Codes};
pub(super) use self::entries::{Entries, Entry, Spent, Telling, new_logins};
pub(super) use self::logins::{LoginRow, Owned, Told, drop_login, held, lock_account, login, logins};
pub(crate) use self::logins::{OIDC_LOGINS, SPENT_TOKENS, drop_oidc_tables, oidc_tables};

/// People who have logged in: one row each.
pub(crate) const ACCOUNTS: &str = "accounts";
/// By what they log in: a phone number.
pub(crate) const IDENTITIES: &str = "identities";
/// Codes on their way, by a keyed hash of the number.
pub(crate) const CODES: &str = "phone_codes";
/// Devices that are logged in.
pub(crate) const SESSIONS: &str = "sessions";

const HASH: u32 = 64;

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let made = |table: &mut sea_query::TableCreateStatement| Step::Create(Box::new(table.take()));
    vec![
        made(table(kind, ACCOUNTS).col(number("user_id").primary_key()).col(number("created_at"))),
        made(
            table(kind, IDENTITIES)
                .col(number("id").primary_key())
                .col(number("user_id"))
                .col(text("provider", 20))
                .col(text("subject", 255))
                .col(number("created_at")),
        ),
        index(kind, IDENTITIES, &["provider", "subject"], true),
        index(kind, IDENTITIES, &["user_id"], false),
        made(
            table(kind, CODES)
                .col(text("phone_hash", HASH).primary_key())
                .col(text("code_hash", HASH))
                .col(number("attempts"))
                .col(number("sent_at"))
                .col(number("expires_at")),
        ),
        index(kind, CODES, &["expires_at"], false),
        made(
            table(kind, SESSIONS)
                .col(number("id").primary_key())
                .col(number("user_id"))
                .col(text("device", 100))
                .col(number("created_at"))
                .col(number("seen_at"))
                .col(number("expires_at"))
                .col(opt_number("ended_at"))
                .col(text("refresh_hash", HASH))
                .col(text("previous_hash", HASH))
                .col(number("refreshed_at")),
        ),
        index(kind, SESSIONS, &["user_id"], false),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    [SESSIONS, CODES, IDENTITIES, ACCOUNTS].map(drop_table).into()
}

/// A session as it is kept. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) user_id: UserId,
    pub(super) device: String,
    pub(super) created_at: i64,
    pub(super) seen_at: i64,
    pub(super) expires_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) refresh_hash: String,
    pub(super) previous_hash: String,
    pub(super) refreshed_at: i64,
}

impl Kept {
    /// The same with the next refresh token.
    pub(super) fn turned(&self, (old, new): (&str, &str), at: i64) -> Self {
        Self { refresh_hash: new.to_owned(), previous_hash: old.to_owned(), refreshed_at: at, seen_at: at, ..self.clone() }
    }
}

/// Some sessions, locked for change. Nothing is written before [`Sessions::save`].
#[derive(Debug)]
pub(super) struct Sessions {
    kept: HashMap<i64, Kept>,
    turned: HashSet<i64>,
}

impl Sessions {
    /// Sessions by their ids, as far as there are any.
    pub(super) async fn hold(tx: &mut Tx, ids: impl IntoIterator<Item = i64>) -> Result<Self, DbError> {
        let mut wanted = select(SESSIONS, COLUMNS);
        wanted.and_where(one_of("id", ids)).lock_exclusive();
        let kept = tx.all(&wanted).await?.iter().map(|row| kept(row).map(|kept| (kept.id, kept))).collect::<Result<_, DbError>>()?;
        Ok(Self { kept, turned: HashSet::new() })
    }

    /// A session.
    pub(super) fn of(&self, id: i64) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// Its next refresh token counts from now on.
    pub(super) fn put(&mut self, next: Kept) {
        self.turned.insert(next.id);
        self.kept.insert(next.id, next);
    }

    /// Writes what has changed.
    pub(super) async fn save(self, tx: &mut Tx) -> Result<(), DbError> {
        for next in self.turned.iter().filter_map(|id| self.kept.get(id)) {
            let mut turned = update(SESSIONS);
            turned.values([
                (Alias::new("refresh_hash"), Expr::val(next.refresh_hash.as_str())),
                (Alias::new("previous_hash"), Expr::val(next.previous_hash.as_str())),
                (Alias::new("refreshed_at"), Expr::val(next.refreshed_at)),
                (Alias::new("seen_at"), Expr::val(next.seen_at)),
                (Alias::new("expires_at"), Expr::val(next.expires_at)),
            ]);
            turned.and_where(col("id").eq(next.id));
            tx.run(&turned).await?;
        }
        Ok(())
    }
}

const COLUMNS: [&str; 10] =
    ["id", "user_id", "device", "created_at", "seen_at", "expires_at", "ended_at", "refresh_hash", "previous_hash", "refreshed_at"];

fn kept(row: &Row) -> Result<Kept, DbError> {
    Ok(Kept {
        id: row.int("id")?,
        user_id: user(row.int("user_id")?),
        device: row.text("device")?,
        created_at: row.int("created_at")?,
        seen_at: row.int("seen_at")?,
        expires_at: row.int("expires_at")?,
        ended_at: row.opt_int("ended_at")?,
        refresh_hash: row.text("refresh_hash")?,
        previous_hash: row.text("previous_hash")?,
        refreshed_at: row.int("refreshed_at")?,
    })
}

/// A session as a row of [`COLUMNS`].
fn session_row(s: &Kept) -> [Value; 10] {
    [
        s.id.into(),
        key(s.user_id).into(),
        s.device.as_str().into(),
        s.created_at.into(),
        s.seen_at.into(),
        s.expires_at.into(),
        s.ended_at.into(),
        s.refresh_hash.as_str().into(),
        s.previous_hash.as_str().into(),
        s.refreshed_at.into(),
    ]
}

/// When a session of a person that goes on began, in microseconds since 1970.
pub(super) async fn began(db: &Db, id: i64, user_id: UserId) -> Result<Option<i64>, DbError> {
    let mut wanted = select(SESSIONS, ["created_at"]);
    wanted.and_where(col("id").eq(id)).and_where(col("user_id").eq(key(user_id))).and_where(col("ended_at").is_null());
    db.one(&wanted).await?.map(|row| row.int("created_at")).transpose()
}

/// Whether a session of a person goes on at a time.
pub(super) async fn is_live(db: &Db, id: i64, user_id: UserId, at: i64) -> Result<bool, DbError> {
    let mut wanted = select(SESSIONS, ["id"]);
    wanted.and_where(col("id").eq(id)).and_where(col("user_id").eq(key(user_id)));
    wanted.and_where(col("ended_at").is_null()).and_where(col("expires_at").gt(at));
    Ok(db.one(&wanted).await?.is_some())
}

/// The sessions of a person that go on, the last seen first.
pub(super) async fn sessions(db: &Db, user_id: UserId, at: i64) -> Result<Vec<Kept>, DbError> {
    let mut wanted = select(SESSIONS, COLUMNS);
    wanted.and_where(col("user_id").eq(key(user_id))).and_where(col("ended_at").is_null()).and_where(col("expires_at").gt(at));
    wanted.order_by(Alias::new("seen_at"), Order::Desc).order_by(Alias::new("id"), Order::Desc).limit(200);
    db.all(&wanted).await?.iter().map(kept).collect()
}

/// Ends a session of a person; whether it went on before.
pub(super) async fn end(db: &Db, id: i64, user_id: UserId, at: i64) -> Result<bool, DbError> {
    let mut ended = update(SESSIONS);
    ended.value(Alias::new("ended_at"), Expr::val(at));
    ended.and_where(col("id").eq(id)).and_where(col("user_id").eq(key(user_id))).and_where(col("ended_at").is_null());
    Ok(db.run(&ended).await? == 1)
}
