//! The tables of the room: grants, and what was used of the quotas of a day.

use chrono::{DateTime, Utc};
use features::entitlements::{Entitlement, Grant};
use features::ids::UserId;
use sea_query::{Alias, ExprTrait, Order, SelectStatement};

use crate::db::schema::{drop_table, index, number, opt_number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, time};

/// What was granted to whom.
pub(crate) const GRANTS: &str = "entitlements";
/// What was used of the quota of a day.
pub(crate) const USAGE: &str = "entitlement_usage";
/// For so long old days are kept, in microseconds: 40 days.
const KEPT: i64 = 40 * 86_400_000_000;

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let (mut grants, mut usage) = (table(kind, GRANTS), table(kind, USAGE));
    grants
        .col(number("id").primary_key())
        .col(number("user_id"))
        .col(text("name", 40))
        .col(number("amount"))
        .col(number("granted_at"))
        .col(opt_number("valid_until"))
        .col(text("source", 60))
        .col(text("reference", 200));
    usage.col(number("id").primary_key()).col(number("user_id")).col(text("name", 40)).col(number("period_start")).col(number("used"));
    vec![
        Step::Create(Box::new(grants)),
        index(kind, GRANTS, &["user_id", "name", "reference"], true),
        Step::Create(Box::new(usage)),
        index(kind, USAGE, &["user_id", "name", "period_start"], true),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    [USAGE, GRANTS].map(drop_table).into()
}

const COLUMNS: [&str; 5] = ["amount", "granted_at", "valid_until", "source", "reference"];

/// The grants of a person for something, the older ones first.
fn granted(user_id: UserId, what: Entitlement) -> SelectStatement {
    let mut wanted = select(GRANTS, COLUMNS);
    wanted.and_where(col("user_id").eq(key(user_id))).and_where(col("name").eq(what.name()));
    wanted.order_by(Alias::new("id"), Order::Asc);
    wanted
}

fn grant(row: &Row) -> Result<Grant, DbError> {
    Ok(Grant {
        amount: u32::try_from(row.int("amount")?).unwrap_or(u32::MAX),
        granted_at: time(row.int("granted_at")?),
        valid_until: row.opt_int("valid_until")?.map(time),
        source: row.text("source")?,
        reference: row.text("reference")?,
    })
}

/// What was granted to a person.
pub(super) async fn grants(db: &Db, user_id: UserId, what: Entitlement) -> Result<Vec<Grant>, DbError> {
    db.all(&granted(user_id, what)).await?.iter().map(grant).collect()
}

/// The same, within a transaction.
pub(super) async fn grants_in(tx: &mut Tx, user_id: UserId, what: Entitlement) -> Result<Vec<Grant>, DbError> {
    tx.all(&granted(user_id, what)).await?.iter().map(grant).collect()
}

/// A new grant; a duplicate where its reference was used.
pub(super) async fn put(tx: &mut Tx, id: i64, user_id: UserId, what: Entitlement, grant: &Grant) -> Result<(), DbError> {
    let values = [
        id.into(),
        key(user_id).into(),
        what.name().into(),
        i64::from(grant.amount).into(),
        micros(grant.granted_at).into(),
        grant.valid_until.map(micros).into(),
        grant.source.as_str().into(),
        grant.reference.as_str().into(),
    ];
    let columns = ["id", "user_id", "name", "amount", "granted_at", "valid_until", "source", "reference"];
    tx.run(&insert(GRANTS, columns, values)).await?;
    Ok(())
}

fn counted(user_id: UserId, what: Entitlement, day: DateTime<Utc>) -> SelectStatement {
    let mut wanted = select(USAGE, ["used"]);
    wanted.and_where(col("user_id").eq(key(user_id))).and_where(col("name").eq(what.name())).and_where(col("period_start").eq(micros(day)));
    wanted
}

/// How many a person has used on a day.
pub(super) async fn used(db: &Db, user_id: UserId, what: Entitlement, day: DateTime<Utc>) -> Result<i64, DbError> {
    db.one(&counted(user_id, what, day)).await?.map_or(Ok(0), |row| row.int("used"))
}

/// Counts `n` more on a day, unless that would be more than `limit`; whether it did. Only the update itself looks at what is there, so no two can pass
/// on the same rest.
pub(super) async fn count(
    (tx, id): (&mut Tx, i64),
    (user_id, what): (UserId, Entitlement),
    day: DateTime<Utc>,
    (n, limit): (u32, u32),
) -> Result<bool, DbError> {
    if n > limit {
        return Ok(false);
    }
    let mut more = update(USAGE);
    more.value(Alias::new("used"), col("used").add(i64::from(n)));
    more.and_where(col("user_id").eq(key(user_id))).and_where(col("name").eq(what.name())).and_where(col("period_start").eq(micros(day)));
    more.and_where(col("used").lte(i64::from(limit - n)));
    if tx.run(&more).await? == 1 {
        return Ok(true);
    }
    if tx.one(&counted(user_id, what, day)).await?.is_some() {
        return Ok(false);
    }
    let values = [id.into(), key(user_id).into(), what.name().into(), micros(day).into(), i64::from(n).into()];
    tx.run(&insert(USAGE, ["id", "user_id", "name", "period_start", "used"], values)).await?;
    let mut old = delete(USAGE);
    old.and_where(col("user_id").eq(key(user_id))).and_where(col("period_start").lt(micros(day) - KEPT));
    tx.run(&old).await?;
    Ok(true)
}
