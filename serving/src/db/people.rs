//! Everything of one person in all tables: by the shard keys of [`TABLES`], and by further columns that name people.
//!
//! For exports and erasures, which are about a person and not about a room: what a room keeps is found here without knowing the room.

use std::collections::BTreeMap;

use features::ids::UserId;
use sea_query::{Alias, Asterisk, DeleteStatement, Expr, ExprTrait, Query};
use serde_json::{Map, Value};

use super::schema::{Owned, TABLES};
use super::statement::{col, delete};
use super::{Db, DbError, Kind, Tx, key, outbox};
use crate::{moments, relations, reviews};

/// Columns beside shard keys that name people, as table and column, of each room: a row is gone when one of those whom it names is.
const NAMING: &[&[(&str, &str)]] = &[&moments::NAMING, &relations::NAMING, &reviews::NAMING];

/// Tables about a person that are not for them: what others told operators about them, what waits to be judged, and events that are elsewhere in an export once they are filed.
const UNTOLD: [&str; 4] = [reviews::REVIEWS, reviews::REPORTS, reviews::PENDING, outbox::TABLE];

/// Rows by table.
pub type Counts = BTreeMap<&'static str, u64>;

/// Tables and the columns by which somebody's rows are found.
fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let owned = TABLES.iter().filter_map(|spec| if let Owned::By(column) = spec.owned { Some((spec.name, column)) } else { None });
    owned.chain(NAMING.iter().copied().flatten().copied())
}

/// What in the outbox names somebody, whoever's event it is.
fn named(user: UserId) -> String {
    format!("%\"{user}\"%")
}

/// Tables whose rows of a person do not go by themselves: others see them counted, so they go with what counts them.
const COUNTED: [&str; 4] = [relations::RELATIONS, relations::SETS, moments::LIKES, moments::COMMENTS];

/// Deletes at most about `most` rows of a person, of others that name them, and events of the outbox that do; how many of each table. What is there is gone when
/// nothing is left to delete: then the answer is empty. Accounts, logins and sessions go first.
///
/// # Errors
/// When the database fails.
pub async fn erase_some(tx: &mut Tx, user: UserId, most: u64) -> Result<Counts, DbError> {
    let mut gone = Counts::new();
    erase_from(tx, user, most, &mut gone, |table| !COUNTED.contains(&table)).await?;
    let pairs = relations::forget_some(tx, user, left(most, &gone)).await?;
    add(&mut gone, pairs);
    let said = moments::forget_some(tx, user, left(most, &gone)).await?;
    add(&mut gone, said);
    // Nothing is counted of what is left: likes and comments on Moments of the person, and lengths of lists that are empty.
    erase_from(tx, user, most, &mut gone, |table| COUNTED[1..].contains(&table)).await?;
    if left(most, &gone) > 0 {
        let mut events = delete(outbox::TABLE);
        events.and_where(col("event").like(named(user)));
        *gone.entry(outbox::TABLE).or_default() += tx.run(&events).await?;
    }
    gone.retain(|_, rows| *rows > 0);
    Ok(gone)
}

/// How many of `most` are left.
fn left(most: u64, gone: &Counts) -> u64 {
    most.saturating_sub(gone.values().sum())
}

/// Deletes rows of some tables, as many as are left of `most`.
async fn erase_from(tx: &mut Tx, user: UserId, most: u64, gone: &mut Counts, wanted: impl Fn(&str) -> bool) -> Result<(), DbError> {
    for (table, column) in columns().filter(|(table, _)| wanted(table)) {
        let most = left(most, gone);
        if most > 0 {
            *gone.entry(table).or_default() += tx.run(&some_of(tx.kind(), table, column, user, most)).await?;
        }
    }
    Ok(())
}

fn add(sum: &mut Counts, more: Counts) {
    more.into_iter().for_each(|(table, rows)| *sum.entry(table).or_default() += rows);
}

/// Deletes at most so many rows of a table whose column names somebody.
fn some_of(kind: Kind, table: &'static str, column: &'static str, user: UserId, most: u64) -> DeleteStatement {
    let mut theirs = delete(table);
    // Where a row lies, for databases that know no limit of what is deleted.
    let address = match kind {
        Kind::MySql => {
            theirs.and_where(col(column).eq(key(user))).limit(most);
            return theirs;
        }
        Kind::Sqlite => "rowid",
        Kind::Postgres => "ctid",
    };
    let mut some = Query::select();
    some.expr(Expr::cust(address)).from(Alias::new(table)).and_where(col(column).eq(key(user))).limit(most);
    theirs.and_where(Expr::cust(address).in_subquery(some));
    theirs
}

/// How many rows [`erase_some`] has to delete, but for events of the outbox that are of others.
///
/// # Errors
/// When the database fails.
pub async fn count(db: &Db, user: UserId) -> Result<Counts, DbError> {
    let mut there = Counts::new();
    for (table, column) in columns() {
        let mut counted = Query::select();
        counted.expr_as(Expr::col(Asterisk).count(), Alias::new("there")).from(Alias::new(table)).and_where(col(column).eq(key(user)));
        let rows = db.one(&counted).await?.map(|row| row.int("there")).transpose()?.unwrap_or(0);
        *there.entry(table).or_default() += rows.unsigned_abs();
    }
    there.retain(|_, rows| *rows > 0);
    Ok(there)
}

fn all_of(table: &'static str, column: &'static str, user: UserId) -> sea_query::SelectStatement {
    let mut theirs = Query::select();
    theirs.column(Asterisk).from(Alias::new(table)).and_where(col(column).eq(key(user)));
    theirs
}

/// Every row of a person in tables with a shard key, as JSON objects by table, as far as it is for them. Left out are tables with what others told operators about them, how others stand
/// to them beyond what their lists say (nobody is told that they were blocked), and columns that hold keyed hashes: they are secrets of the deployment, and tell nobody anything.
///
/// # Errors
/// When the database fails.
pub async fn rows(db: &Db, user: UserId) -> Result<BTreeMap<&'static str, Vec<Map<String, Value>>>, DbError> {
    let mut all = BTreeMap::new();
    for spec in TABLES {
        let Owned::By(column) = spec.owned else { continue };
        if UNTOLD.contains(&spec.name) {
            continue;
        }
        let (mut found, mut wanted) = (Vec::new(), all_of(spec.name, column, user));
        let is_pair = spec.name == relations::RELATIONS;
        if is_pair {
            wanted.and_where(relations::on_a_list());
        }
        for row in db.all(&wanted).await? {
            let untold = |name: &str| name.ends_with("hash") || (is_pair && relations::OF_THE_OTHER.contains(&name));
            let names = row.columns().into_iter().filter(|name| !untold(name));
            found.push(names.map(|name| row.json(&name).map(|value| (name, value))).collect::<Result<Map<_, _>, _>>()?);
        }
        all.insert(spec.name, found);
    }
    Ok(all)
}
