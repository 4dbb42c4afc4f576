//! The tables of the room.

pub(crate) mod pending;

use chrono::{DateTime, Utc};
use features::ids::{EventId, UserId};
use sea_query::{Alias, Expr, ExprTrait, Order};

use super::service::{Ban, Review};
use crate::db::schema::{drop_table, index, long_text, number, opt_number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, time, user};

/// What is to be looked at, and what was.
pub(crate) const REVIEWS: &str = "reviews";
/// What raised it.
pub(crate) const REPORTS: &str = "review_reports";
/// Who is banned.
pub(crate) const BANS: &str = "bans";
/// Columns beside the shard keys that name people.
pub(crate) const NAMING: [(&str, &str); 1] = [(REPORTS, "reporter_id")];

/// The state of what nobody has decided.
pub(super) const OPEN: &str = "open";

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let made = |table: &mut sea_query::TableCreateStatement| Step::Create(Box::new(table.take()));
    vec![
        made(
            table(kind, REVIEWS)
                .col(number("id").primary_key())
                .col(number("user_id"))
                .col(text("source", 10))
                .col(text("state", 10))
                .col(number("reports"))
                .col(number("reporters"))
                .col(number("first_at"))
                .col(number("last_at"))
                .col(opt_number("decided_at"))
                .col(text("decided_by", 10))
                .col(long_text(kind, "note")),
        ),
        index(kind, REVIEWS, &["user_id"], false),
        index(kind, REVIEWS, &["state", "id"], false),
        made(
            table(kind, REPORTS)
                .col(text("event_id", 36).primary_key())
                .col(number("user_id"))
                .col(number("reporter_id"))
                .col(number("review_id"))
                .col(number("at"))
                .col(long_text(kind, "about")),
        ),
        index(kind, REPORTS, &["user_id"], false),
        index(kind, REPORTS, &["reporter_id"], false),
        index(kind, REPORTS, &["review_id"], false),
        made(
            table(kind, BANS)
                .col(number("user_id").primary_key())
                .col(number("since"))
                .col(opt_number("until"))
                .col(number("review_id"))
                .col(long_text(kind, "note")),
        ),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    [BANS, REPORTS, REVIEWS].map(drop_table).into()
}

const COLUMNS: [&str; 11] =
    ["id", "user_id", "source", "state", "reports", "reporters", "first_at", "last_at", "decided_at", "decided_by", "note"];

fn review(row: &Row) -> Result<Review, DbError> {
    Ok(Review {
        id: row.int("id")?,
        user_id: user(row.int("user_id")?),
        source: row.text("source")?,
        state: row.text("state")?,
        reports: row.int("reports")?.cast_unsigned(),
        reporters: row.int("reporters")?.cast_unsigned(),
        first_at: time(row.int("first_at")?),
        last_at: time(row.int("last_at")?),
        decided_at: row.opt_int("decided_at")?.map(time),
        decided_by: row.text("decided_by")?,
        note: row.text("note")?,
        about: Vec::new(),
    })
}

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Somebody reported it.
    Report,
    /// The moderation flagged a text, or a text and photos.
    Text,
    /// The moderation flagged photos.
    Image,
}

impl Source {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Text => "text",
            Self::Image => "image",
        }
    }
}

/// Something that raises a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) event_id: EventId,
    pub(super) user_id: UserId,
    /// Who reported it; nobody for the moderation.
    pub(super) reporter: Option<UserId>,
    pub(super) source: Source,
    pub(super) at: DateTime<Utc>,
    pub(super) about: String,
    /// Whether every check has looked.
    pub(super) whole: bool,
}

/// The review that an event was counted in, and what it says of it.
pub(super) async fn known(tx: &mut Tx, event_id: EventId) -> Result<Option<(i64, String)>, DbError> {
    let mut known = select(REPORTS, ["review_id", "about"]);
    known.and_where(col("event_id").eq(event_id.to_string()));
    tx.one(&known).await?.map(|row| Ok((row.int("review_id")?, row.text("about")?))).transpose()
}

/// Says something else of an event that was counted.
pub(super) async fn say(tx: &mut Tx, raised: &Raised) -> Result<(), DbError> {
    let mut said = update(REPORTS);
    said.value(Alias::new("about"), raised.about.as_str()).and_where(col("event_id").eq(raised.event_id.to_string()));
    tx.run(&said).await.map(drop)
}

/// An event is not counted any more.
pub(super) async fn unraise(tx: &mut Tx, event_id: EventId) -> Result<(), DbError> {
    let mut gone = delete(REPORTS);
    gone.and_where(col("event_id").eq(event_id.to_string()));
    tx.run(&gone).await.map(drop)
}

/// Adds to the open review of somebody, or opens one.
pub(super) async fn raise(tx: &mut Tx, db: &Db, raised: &Raised, now: DateTime<Utc>) -> Result<(), DbError> {
    let mut open = select(REVIEWS, COLUMNS);
    open.and_where(col("user_id").eq(key(raised.user_id)))
        .and_where(col("source").eq(raised.source.name()))
        .and_where(col("state").eq(OPEN));
    open.lock_exclusive();
    let found = tx.one(&open).await?.map(|row| review(&row)).transpose()?;
    let id = if let Some(review) = &found {
        review.id
    } else {
        let id = db.ids.next(now);
        let at = micros(raised.at);
        let values = [
            id.into(),
            key(raised.user_id).into(),
            raised.source.name().into(),
            OPEN.into(),
            0i64.into(),
            0i64.into(),
            at.into(),
            at.into(),
        ];
        let none = [None::<i64>.into(), "".into(), "".into()];
        let values: Vec<sea_query::Value> = values.into_iter().chain(none).collect();
        let values: [sea_query::Value; 11] = values.try_into().map_err(|_| DbError::Unexpected("a review has other columns".to_owned()))?;
        tx.run(&insert(REVIEWS, COLUMNS, values)).await?;
        id
    };
    let values = [
        raised.event_id.to_string().into(),
        key(raised.user_id).into(),
        raised.reporter.map_or(0, key).into(),
        id.into(),
        micros(raised.at).into(),
        raised.about.as_str().into(),
    ];
    tx.run(&insert(REPORTS, ["event_id", "user_id", "reporter_id", "review_id", "at", "about"], values)).await?;
    let mut all = select(REPORTS, ["reporter_id", "at"]);
    all.and_where(col("review_id").eq(id));
    let rows = tx.all(&all).await?;
    let mut reporters = rows.iter().map(|row| row.int("reporter_id")).collect::<Result<Vec<_>, _>>()?;
    let times = rows.iter().map(|row| row.int("at")).collect::<Result<Vec<_>, _>>()?;
    reporters.retain(|reporter| *reporter != 0);
    reporters.sort_unstable();
    reporters.dedup();
    let mut counted = update(REVIEWS);
    counted.values([
        (Alias::new("reports"), Expr::val(i64::try_from(rows.len()).unwrap_or(i64::MAX))),
        (Alias::new("reporters"), Expr::val(i64::try_from(reporters.len()).unwrap_or(i64::MAX))),
        (Alias::new("first_at"), Expr::val(times.iter().copied().min().unwrap_or_default())),
        (Alias::new("last_at"), Expr::val(times.iter().copied().max().unwrap_or_default())),
    ]);
    counted.and_where(col("id").eq(id));
    tx.run(&counted).await.map(drop)
}

/// A page of the queue, the oldest first, with what raised each: of a state, after an id.
pub(super) async fn page(db: &Db, state: Option<&str>, after: i64, limit: u64) -> Result<Vec<Review>, DbError> {
    let mut wanted = select(REVIEWS, COLUMNS);
    wanted.and_where(col("id").gt(after)).order_by(Alias::new("id"), Order::Asc).limit(limit);
    if let Some(state) = state {
        wanted.and_where(col("state").eq(state));
    }
    let mut found: Vec<Review> = db.all(&wanted).await?.iter().map(review).collect::<Result<_, _>>()?;
    for one in &mut found {
        let mut raised = select(REPORTS, ["about"]);
        raised.and_where(col("review_id").eq(one.id)).order_by(Alias::new("at"), Order::Desc).limit(20);
        one.about = db.all(&raised).await?.iter().map(|row| row.text("about")).collect::<Result<_, _>>()?;
        one.about.retain(|about| !about.is_empty());
    }
    Ok(found)
}

/// A review, locked for change.
pub(super) async fn locked(tx: &mut Tx, id: i64) -> Result<Option<Review>, DbError> {
    let mut wanted = select(REVIEWS, COLUMNS);
    wanted.and_where(col("id").eq(id)).lock_exclusive();
    tx.one(&wanted).await?.map(|row| review(&row)).transpose()
}

/// Notes what was decided about an open one.
pub(super) async fn decided(tx: &mut Tx, id: i64, (state, by, note): (&str, &str, &str), now: DateTime<Utc>) -> Result<(), DbError> {
    let mut noted = update(REVIEWS);
    noted.values([
        (Alias::new("state"), Expr::val(state)),
        (Alias::new("decided_by"), Expr::val(by)),
        (Alias::new("note"), Expr::val(note)),
        (Alias::new("decided_at"), Expr::val(micros(now))),
    ]);
    noted.and_where(col("id").eq(id)).and_where(col("state").eq(OPEN));
    tx.run(&noted).await.map(drop)
}

/// A ban, in place of the one before.
pub(super) async fn ban(tx: &mut Tx, ban: &Ban) -> Result<(), DbError> {
    lift(tx, ban.user_id).await?;
    let values =
        [key(ban.user_id).into(), micros(ban.since).into(), ban.until.map(micros).into(), ban.review_id.into(), ban.note.as_str().into()];
    tx.run(&insert(BANS, ["user_id", "since", "until", "review_id", "note"], values)).await.map(drop)
}

/// Takes a ban back; whether there was one.
pub(super) async fn lift(tx: &mut Tx, who: UserId) -> Result<bool, DbError> {
    let mut gone = delete(BANS);
    gone.and_where(col("user_id").eq(key(who)));
    Ok(tx.run(&gone).await? > 0)
}

/// Every ban that is in force at a time.
pub(super) async fn bans(db: &Db, now: DateTime<Utc>) -> Result<Vec<Ban>, DbError> {
    let mut wanted = select(BANS, ["user_id", "since", "until", "review_id", "note"]);
    wanted.and_where(col("until").is_null().or(col("until").gt(micros(now)))).order_by(Alias::new("since"), Order::Desc);
    let read = |row: &Row| {
        Ok(Ban {
            user_id: user(row.int("user_id")?),
            since: time(row.int("since")?),
            until: row.opt_int("until")?.map(time),
            review_id: row.int("review_id")?,
            note: row.text("note")?,
        })
    };
    db.all(&wanted).await?.iter().map(read).collect()
}
