//! What the moderation could not look at yet.

use chrono::{DateTime, Utc};
use features::ids::{EventId, UserId};
use sea_query::{Alias, Expr, ExprTrait, Order};
use serde::{Deserialize, Serialize};

use crate::db::schema::{drop_table, index, long_text, number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, time, user};
use crate::moderation::{Subject, SubjectKind};

/// What waits to be judged.
pub(crate) const PENDING: &str = "review_pending";

const COLUMNS: [&str; 8] = ["event_id", "user_id", "at", "since", "next_at", "tries", "what", "subjects"];

/// The table, as it is made.
pub(crate) fn pending_tables(kind: Kind) -> Vec<Step> {
    let made = table(kind, PENDING)
        .col(text("event_id", 36).primary_key())
        .col(number("user_id"))
        .col(number("at"))
        .col(number("since"))
        .col(number("next_at"))
        .col(number("tries"))
        .col(text("what", 60))
        .col(long_text(kind, "subjects"))
        .take();
    vec![Step::Create(Box::new(made)), index(kind, PENDING, &["user_id"], false), index(kind, PENDING, &["next_at"], false)]
}

/// The table goes.
pub(crate) fn drop_pending_tables() -> Vec<Step> {
    vec![drop_table(PENDING)]
}

/// A subject as a row keeps it, for as long as it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::reviews) struct Kept {
    kind: SubjectKind,
    field: String,
    content: String,
}

impl From<&Subject<'_>> for Kept {
    fn from(subject: &Subject<'_>) -> Self {
        Self { kind: subject.kind, field: subject.field.clone().into_owned(), content: subject.content.to_owned() }
    }
}

impl Kept {
    pub(in crate::reviews) fn subject(&self) -> Subject<'_> {
        Subject::new(self.kind, self.field.as_str(), &self.content)
    }
}

/// What an event brought that could not be judged in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reviews) struct Pending {
    pub(in crate::reviews) event_id: EventId,
    pub(in crate::reviews) user_id: UserId,
    pub(in crate::reviews) at: DateTime<Utc>,
    /// Since when it waits.
    pub(in crate::reviews) since: DateTime<Utc>,
    /// How often it was put off.
    pub(in crate::reviews) tries: i64,
    /// What it is called in the queue.
    pub(in crate::reviews) what: String,
    pub(in crate::reviews) subjects: Vec<Kept>,
}

fn pending(row: &Row) -> Result<Pending, DbError> {
    let unexpected = |what: &str| DbError::Unexpected(format!("a row of {PENDING} has no {what}"));
    Ok(Pending {
        event_id: row.text("event_id")?.parse().map_err(|_| unexpected("event id"))?,
        user_id: user(row.int("user_id")?),
        at: time(row.int("at")?),
        since: time(row.int("since")?),
        tries: row.int("tries")?,
        what: row.text("what")?,
        subjects: serde_json::from_str(&row.text("subjects")?).map_err(|_| unexpected("subjects"))?,
    })
}

/// Keeps it until it is judged, once.
pub(in crate::reviews) async fn keep(tx: &mut Tx, pending: &Pending) -> Result<(), DbError> {
    let mut there = select(PENDING, ["tries"]);
    there.and_where(col("event_id").eq(pending.event_id.to_string()));
    if tx.one(&there).await?.is_some() {
        return Ok(());
    }
    let subjects = serde_json::to_string(&pending.subjects).map_err(|e| DbError::Unexpected(e.to_string()))?;
    let since = micros(pending.since);
    let values = [
        pending.event_id.to_string().into(),
        key(pending.user_id).into(),
        micros(pending.at).into(),
        since.into(),
        since.into(),
        pending.tries.into(),
        pending.what.as_str().into(),
        subjects.into(),
    ];
    tx.run(&insert(PENDING, COLUMNS, values)).await.map(drop)
}

/// What is to be tried now, what is due longest first.
pub(in crate::reviews) async fn due(db: &Db, now: DateTime<Utc>, most: u64) -> Result<Vec<Pending>, DbError> {
    let mut wanted = select(PENDING, COLUMNS);
    wanted.and_where(col("next_at").lte(micros(now))).order_by(Alias::new("next_at"), Order::Asc).limit(most);
    db.all(&wanted).await?.iter().map(pending).collect()
}

/// Tries it again at another time.
pub(in crate::reviews) async fn put_off(db: &Db, event_id: EventId, tries: i64, until: DateTime<Utc>) -> Result<(), DbError> {
    let mut later = update(PENDING);
    later.values([(Alias::new("tries"), Expr::val(tries)), (Alias::new("next_at"), Expr::val(micros(until)))]);
    later.and_where(col("event_id").eq(event_id.to_string()));
    db.run(&later).await.map(drop)
}

/// It waits no longer; whether it did. Somebody else may have judged it, or its author was erased.
pub(in crate::reviews) async fn settle(tx: &mut Tx, event_id: EventId) -> Result<bool, DbError> {
    let mut gone = delete(PENDING);
    gone.and_where(col("event_id").eq(event_id.to_string()));
    Ok(tx.run(&gone).await? > 0)
}
