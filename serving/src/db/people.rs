//! Everything of one person in all tables: by the shard keys of [`TABLES`], and by further columns that name people.
//!
//! For exports and erasures, which are about a person and not about a room: what a room keeps is found here without knowing the room.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use sea_query::{Alias, Asterisk, ExprTrait, Query};
use serde_json::{Map, Value};

use super::schema::{Owned, TABLES};
use super::statement::{col, delete};
use super::{Db, DbError, Tx, key, outbox};
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

async fn rows_of(tx: &mut Tx, user: UserId) -> Result<Counts, DbError> {
    let mut there = Counts::new();
    for (table, column) in columns() {
        *there.entry(table).or_default() += tx.all(&all_of(table, column, user)).await?.len() as u64;
    }
    Ok(there)
}

/// Deletes every row of a person, every row of others that names them, and every event of the outbox that does; how many of each table.
///
/// # Errors
/// When the database fails.
pub async fn erase(tx: &mut Tx, db: &Db, user: UserId, now: DateTime<Utc>) -> Result<Counts, DbError> {
    let mut gone = rows_of(tx, user).await?;
    // What others see counted is counted without them.
    relations::forget(tx, db, user, now).await?;
    moments::uncount(tx, user).await?;
    for (table, column) in columns() {
        let mut theirs = delete(table);
        theirs.and_where(col(column).eq(key(user)));
        tx.run(&theirs).await?;
    }
    let mut events = delete(outbox::TABLE);
    events.and_where(col("event").like(named(user)));
    *gone.entry(outbox::TABLE).or_default() += tx.run(&events).await?;
    gone.retain(|_, rows| *rows > 0);
    Ok(gone)
}

/// How many rows [`erase`] would delete.
///
/// # Errors
/// When the database fails.
pub async fn count(db: &Db, user: UserId) -> Result<Counts, DbError> {
    let mut there = Counts::new();
    for (table, column) in columns() {
        *there.entry(table).or_default() += db.all(&all_of(table, column, user)).await?.len() as u64;
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
