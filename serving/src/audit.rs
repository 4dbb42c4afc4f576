//! The audit log: security-relevant acts, who did them, to whom, how they ended. It is only ever added to.
//!
//! No room: rooms write what they do, in the transaction in which they do it. Entries hold no texts of people, no numbers, no tokens; addresses are cut (IPv4 to /24,
//! IPv6 to /48). When a person is erased the acts stay, and name a pseudonym instead: [`forget`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, Utc};
use features::ids::UserId;
use sea_query::{Alias, Expr, ExprTrait, Order};
use serde::Serialize;
use serde_json::Value;

use crate::db::schema::{drop_table, index, long_text, number, table, text};
use crate::db::statement::{col, insert, insert_all, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, micros, time};

/// The table.
pub(crate) const TABLE: &str = "audit";

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let mut audit = table(kind, TABLE);
    audit
        .col(number("id").primary_key())
        .col(number("at"))
        .col(text("actor", 10))
        .col(text("actor_id", 64))
        .col(text("subject", 64))
        .col(text("act", 30))
        .col(text("outcome", 20))
        .col(text("address", 50))
        .col(long_text(kind, "details"));
    vec![
        Step::Create(Box::new(audit)),
        index(kind, TABLE, &["subject"], false),
        index(kind, TABLE, &["actor_id"], false),
        index(kind, TABLE, &["at"], false),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    vec![drop_table(TABLE)]
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person, with an access token.
    Person(UserId),
    /// A back end, with a service key.
    Service,
    /// Somebody at the command line.
    Operator,
    /// A job.
    System,
}

impl Actor {
    const fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Service => "service",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }

    fn id(self) -> String {
        if let Self::Person(user) = self { user.to_string() } else { String::new() }
    }
}

/// An act.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who did it.
    pub actor: Actor,
    /// About whom it was.
    pub subject: Option<UserId>,
    /// What it was, stable: `ban`, `erasure_requested`, …
    pub what: &'static str,
    /// How it ended, stable: `done`, `refused`.
    pub outcome: &'static str,
    /// Whence.
    pub address: Option<IpAddr>,
    /// What else is to be known; no texts of people.
    pub details: Value,
}

impl Act {
    /// Something that was done, without an address or details.
    pub const fn done(actor: Actor, subject: UserId, what: &'static str) -> Self {
        Self { actor, subject: Some(subject), what, outcome: "done", address: None, details: Value::Null }
    }

    /// Something that was done and is about no person.
    pub const fn of_nobody(actor: Actor, what: &'static str, details: Value) -> Self {
        Self { actor, subject: None, what, outcome: "done", address: None, details }
    }
}

/// An entry as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of actor.
    pub actor: String,
    /// Which person, where it was one; a pseudonym once they are erased.
    pub actor_id: String,
    /// About whom; likewise.
    pub subject: String,
    /// What.
    pub act: String,
    /// How it ended.
    pub outcome: String,
    /// Whence, cut.
    pub address: String,
    /// What else, as JSON.
    pub details: String,
}

/// The address without the part that tells one household from the next.
fn cut(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00)),
        IpAddr::V6(address) => format!("{}/48", Ipv6Addr::from_bits(address.to_bits() & (!0 << 80))),
    }
}

/// Adds an act, in the transaction in which it is done.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, db: &Db, act: &Act, now: DateTime<Utc>) -> Result<(), DbError> {
    put_as(tx, db.ids.next(now), act, now).await
}

/// The same by the id of what was made by the act: ids of all tables differ.
///
/// # Errors
/// When the database fails.
pub async fn put_as(tx: &mut Tx, id: i64, act: &Act, now: DateTime<Utc>) -> Result<(), DbError> {
    tx.run(&insert(TABLE, COLUMNS, row(id, act, now))).await.map(drop)
}

/// Adds acts by the ids of what was made by them, each with its time.
///
/// # Errors
/// When the database fails.
pub async fn put_all(tx: &mut Tx, acts: &[(i64, Act, DateTime<Utc>)]) -> Result<(), DbError> {
    let rows = acts.iter().map(|(id, act, at)| row(*id, act, *at)).collect();
    tx.run_all(&insert_all(TABLE, COLUMNS, rows)).await
}

const COLUMNS: [&str; 9] = ["id", "at", "actor", "actor_id", "subject", "act", "outcome", "address", "details"];

fn row(id: i64, act: &Act, now: DateTime<Utc>) -> [sea_query::Value; 9] {
    [
        id.into(),
        micros(now).into(),
        act.actor.kind().into(),
        act.actor.id().into(),
        act.subject.map(|user| user.to_string()).unwrap_or_default().into(),
        act.what.into(),
        act.outcome.into(),
        act.address.map(cut).unwrap_or_default().into(),
        if act.details.is_null() { String::new() } else { act.details.to_string() }.into(),
    ]
}

/// Adds an act in a transaction of its own.
///
/// # Errors
/// When the database fails.
pub async fn note(db: &Db, act: &Act, now: DateTime<Utc>) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    put(&mut tx, db, act, now).await?;
    tx.commit().await
}

/// Entries name a pseudonym where they named a person; how many did.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, user: UserId, pseudonym: &str) -> Result<u64, DbError> {
    let mut met = 0;
    for column in ["subject", "actor_id"] {
        let mut renamed = update(TABLE);
        renamed.value(Alias::new(column), Expr::val(pseudonym)).and_where(col(column).eq(user.to_string()));
        met += tx.run(&renamed).await?;
    }
    Ok(met)
}

/// How many entries name a person.
///
/// # Errors
/// When the database fails.
pub async fn count(db: &Db, user: UserId) -> Result<u64, DbError> {
    Ok(list(db, &Wanted { user: Some(user.to_string()), ..Wanted::default() }).await?.len() as u64)
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By or about whom: a user id, or a pseudonym.
    pub user: Option<String>,
    /// Of this act.
    pub act: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// At most so many, the newest; none for all.
    pub limit: Option<u64>,
}

/// Entries, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &Db, wanted: &Wanted) -> Result<Vec<Entry>, DbError> {
    let mut found = select(TABLE, ["at", "actor", "actor_id", "subject", "act", "outcome", "address", "details"]);
    if let Some(user) = &wanted.user {
        found.and_where(col("subject").eq(user.as_str()).or(col("actor_id").eq(user.as_str())));
    }
    if let Some(act) = &wanted.act {
        found.and_where(col("act").eq(act.as_str()));
    }
    if let Some(since) = wanted.since {
        found.and_where(col("at").gte(micros(since)));
    }
    found.order_by(Alias::new("at"), Order::Desc).order_by(Alias::new("id"), Order::Desc);
    if let Some(limit) = wanted.limit {
        found.limit(limit);
    }
    let entry = |row: &Row| {
        Ok(Entry {
            at: time(row.int("at")?),
            actor: row.text("actor")?,
            actor_id: row.text("actor_id")?,
            subject: row.text("subject")?,
            act: row.text("act")?,
            outcome: row.text("outcome")?,
            address: row.text("address")?,
            details: row.text("details")?,
        })
    };
    db.all(&found).await?.iter().map(entry).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db;

    #[tokio::test]
    async fn acts_stay_and_whom_they_were_about_goes() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&db::DatabaseConfig::default(), folder.path()).await.unwrap();
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        db::up(&db, now).await.unwrap();
        let (ann, bob) = (UserId(u64::MAX), UserId(7));
        let ban = Act { details: json!({"until": null}), ..Act::done(Actor::Service, ann, "ban") };
        let login =
            Act { address: Some("203.0.113.77".parse().unwrap()), outcome: "refused", ..Act::done(Actor::Person(ann), ann, "login") };
        for (act, minute) in [(&ban, 0), (&login, 1), (&Act::done(Actor::Person(bob), bob, "login"), 2)] {
            note(&db, act, now + chrono::TimeDelta::minutes(minute)).await.unwrap();
        }
        let of = async |user: &str| list(&db, &Wanted { user: Some(user.to_owned()), ..Wanted::default() }).await.unwrap();
        let told: Vec<(String, String, String)> = of(&ann.to_string()).await.into_iter().map(|e| (e.act, e.outcome, e.address)).collect();
        assert_eq!(told, [("login".into(), "refused".into(), "203.0.113.0/24".into()), ("ban".into(), "done".into(), String::new())]);
        let mut tx = db.begin().await.unwrap();
        assert_eq!(forget(&mut tx, ann, "nobody-7").await.unwrap(), 3, "two about her, one by her");
        tx.commit().await.unwrap();
        assert!(of(&ann.to_string()).await.is_empty() && count(&db, ann).await.unwrap() == 0);
        assert_eq!(of("nobody-7").await.len(), 2);
        let logins = Wanted { act: Some("login".to_owned()), since: Some(now + chrono::TimeDelta::minutes(2)), ..Wanted::default() };
        assert_eq!(list(&db, &logins).await.unwrap().iter().map(|e| e.subject.as_str()).collect::<Vec<_>>(), ["7"]);
        assert_eq!(list(&db, &Wanted { limit: Some(1), ..Wanted::default() }).await.unwrap().len(), 1);
        assert_eq!(cut("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1::/48");
    }
}
