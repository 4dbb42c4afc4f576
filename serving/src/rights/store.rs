//! The table of the room.

use chrono::{DateTime, Utc};
use features::ids::UserId;
use sea_query::{Alias, Expr, ExprTrait, Order};

use super::places::Place;
use super::receipt::{Erasure, Receipt, Stage};
use crate::db::schema::{drop_table, index, long_text, number, opt_number, table, text};
use crate::db::statement::{col, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, people, retrying, time, user};

/// Erasures, also those that are done.
pub(crate) const ERASURES: &str = "erasures";

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let mut erasures = table(kind, ERASURES);
    erasures
        .col(number("id").primary_key())
        .col(text("token", 36))
        .col(opt_number("person"))
        .col(text("person_hash", 64))
        .col(text("asked_by", 10))
        .col(text("state", 10))
        .col(number("requested_at"))
        .col(number("due_at"))
        .col(opt_number("done_at"))
        .col(long_text(kind, "receipt"));
    vec![Step::Create(Box::new(erasures)), index(kind, ERASURES, &["token"], true), index(kind, ERASURES, &["state", "due_at"], false)]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    vec![drop_table(ERASURES)]
}

/// An erasure that is not done.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) id: i64,
    pub(super) user: UserId,
    pub(super) receipt: Receipt,
}

/// A new one.
pub(super) struct New<'a> {
    pub(super) id: i64,
    pub(super) token: &'a str,
    pub(super) user: UserId,
    pub(super) hash: &'a str,
    pub(super) asked_by: &'static str,
    pub(super) requested_at: DateTime<Utc>,
    pub(super) due_at: DateTime<Utc>,
}

fn receipt(row: &Row) -> Result<Receipt, DbError> {
    serde_json::from_str(&row.text("receipt")?).map_err(|e| DbError::Unexpected(e.to_string()))
}

fn json(receipt: &Receipt) -> String {
    serde_json::to_string(receipt).unwrap_or_default()
}

pub(super) async fn put(tx: &mut Tx, new: &New<'_>) -> Result<(), DbError> {
    let values = [
        new.id.into(),
        new.token.into(),
        Some(key(new.user)).into(),
        new.hash.into(),
        new.asked_by.into(),
        Stage::Waiting.name().into(),
        micros(new.requested_at).into(),
        micros(new.due_at).into(),
        json(&Receipt { people: 1, ..Receipt::default() }).into(),
    ];
    let columns = ["id", "token", "person", "person_hash", "asked_by", "state", "requested_at", "due_at", "receipt"];
    tx.run(&insert(ERASURES, columns, values)).await.map(drop)
}

/// The token of the erasure of somebody that is not done.
pub(super) async fn token_of(db: &Db, user: UserId) -> Result<Option<String>, DbError> {
    let mut wanted = select(ERASURES, ["token"]);
    wanted.and_where(col("person").eq(key(user)));
    db.one(&wanted).await?.map(|row| row.text("token")).transpose()
}

/// Erasures that are not done, the oldest first; those only that are due at a time, where one is given.
pub(super) async fn open(db: &Db, due: Option<DateTime<Utc>>) -> Result<Vec<Open>, DbError> {
    let mut wanted = select(ERASURES, ["id", "person", "receipt"]);
    wanted.and_where(col("state").ne(Stage::Done.name())).order_by(Alias::new("id"), Order::Asc);
    if let Some(at) = due {
        // What has begun is not left half done because somebody else is not due.
        wanted.and_where(col("due_at").lte(micros(at)).or(col("state").eq(Stage::Working.name())));
    }
    let rows = db.all(&wanted).await?;
    let read = |row: &Row| Ok(Open { id: row.int("id")?, user: user(row.int("person")?), receipt: receipt(row)? });
    rows.iter().map(read).collect()
}

/// Makes the erasures of everybody due at a time at the latest.
pub(super) async fn hurry(tx: &mut Tx, who: UserId, at: DateTime<Utc>) -> Result<(), DbError> {
    let mut sooner = update(ERASURES);
    sooner.value(Alias::new("due_at"), Expr::val(micros(at))).and_where(col("person").eq(key(who))).and_where(col("due_at").gt(micros(at)));
    tx.run(&sooner).await.map(drop)
}

/// Rows of a person that go in one transaction: others wait for it no longer than for a large request.
pub(super) const AT_ONCE: u64 = 1_000;

/// Deletes some rows of a person within a transaction, and adds them to the receipt of the erasure. Whether there may be more.
pub(super) async fn erase_some(tx: &mut Tx, who: UserId) -> Result<bool, DbError> {
    let gone = people::erase_some(tx, who, AT_ONCE).await?;
    let mut wanted = select(ERASURES, ["id", "receipt"]);
    wanted.and_where(col("person").eq(key(who))).lock_exclusive();
    if let Some(row) = tx.one(&wanted).await?.filter(|_| !gone.is_empty()) {
        let mut receipt = receipt(&row)?;
        receipt.add(Place::Tables.name(), &gone.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect());
        let mut noted = update(ERASURES);
        noted.value(Alias::new("receipt"), Expr::val(json(&receipt))).and_where(col("id").eq(row.int("id")?));
        tx.run(&noted).await?;
    }
    Ok(gone.values().sum::<u64>() >= AT_ONCE)
}

/// Deletes some rows of a person in a transaction of their own: cut off, what was committed is gone and counted. Whether there may be more.
pub(super) async fn batch(db: &Db, who: UserId) -> Result<bool, DbError> {
    let attempt = async || {
        let mut tx = db.begin().await?;
        let more = erase_some(&mut tx, who).await?;
        tx.commit().await?;
        Ok::<bool, DbError>(more)
    };
    retrying(attempt).await
}

/// What the row of one says that went; whoever notes more adds to that.
pub(super) async fn receipt_of(db: &Db, id: i64) -> Result<Receipt, DbError> {
    let mut wanted = select(ERASURES, ["receipt"]);
    wanted.and_where(col("id").eq(id));
    db.one(&wanted).await?.map_or_else(|| Ok(Receipt::default()), |row| receipt(&row))
}

/// Notes how far one is.
pub(super) async fn note(db: &Db, one: &Open) -> Result<(), DbError> {
    let mut noted = update(ERASURES);
    noted.values([(Alias::new("state"), Expr::val(Stage::Working.name())), (Alias::new("receipt"), Expr::val(json(&one.receipt)))]);
    noted.and_where(col("id").eq(one.id));
    db.run(&noted).await.map(drop)
}

/// One is done: it does not say any more whom it was about.
pub(super) async fn done(db: &Db, one: &Open, at: DateTime<Utc>) -> Result<(), DbError> {
    let mut ended = update(ERASURES);
    ended.values([
        (Alias::new("state"), Expr::val(Stage::Done.name())),
        (Alias::new("receipt"), Expr::val(json(&one.receipt))),
        (Alias::new("done_at"), Expr::val(micros(at))),
        (Alias::new("person"), Expr::val(None::<i64>)),
    ]);
    ended.and_where(col("id").eq(one.id));
    db.run(&ended).await.map(drop)
}

/// An erasure by its token.
pub(super) async fn by_token(db: &Db, token: &str) -> Result<Option<Erasure>, DbError> {
    let mut wanted = select(ERASURES, ["token", "state", "requested_at", "done_at", "receipt"]);
    wanted.and_where(col("token").eq(token));
    let Some(row) = db.one(&wanted).await? else { return Ok(None) };
    Ok(Some(Erasure {
        erasure_id: row.text("token")?,
        state: Stage::of(&row.text("state")?),
        requested_at: time(row.int("requested_at")?),
        done_at: row.opt_int("done_at")?.map(time),
        receipt: receipt(&row)?,
    }))
}
