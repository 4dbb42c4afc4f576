//! The tables of the room: likes and comments. Moments themselves are events and indexes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::ids::{EventId, MomentId, UserId};
use sea_query::{Alias, Cond, ExprTrait, Index, Order};

use crate::db::schema::{drop_table, index, long_text, number, opt_number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, time, user};

/// Who likes which Moment.
pub(crate) const LIKES: &str = "moment_likes";
/// Comments and replies.
pub(crate) const COMMENTS: &str = "moment_comments";
/// How many likes and comments a Moment has.
pub(crate) const COUNTS: &str = "moment_counts";

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let made = |table: &mut sea_query::TableCreateStatement| Step::Create(Box::new(table.take()));
    vec![
        made(
            table(kind, LIKES)
                .col(number("moment_id"))
                .col(number("user_id"))
                .col(number("author_id"))
                .col(text("event_id", 36))
                .col(number("began"))
                .col(number("created_at"))
                .primary_key(&mut Index::create().col(Alias::new("moment_id")).col(Alias::new("user_id")).to_owned()),
        ),
        index(kind, LIKES, &["user_id"], false),
        index(kind, LIKES, &["author_id"], false),
        index(kind, LIKES, &["moment_id", "created_at", "user_id"], false),
        made(
            table(kind, COMMENTS)
                .col(number("id").primary_key())
                .col(number("moment_id"))
                .col(number("user_id"))
                .col(number("author_id"))
                .col(opt_number("parent_id"))
                .col(number("to_id"))
                .col(text("event_id", 36))
                .col(long_text(kind, "text"))
                .col(text("voice", 200))
                .col(number("began"))
                .col(number("created_at")),
        ),
        index(kind, COMMENTS, &["event_id"], true),
        index(kind, COMMENTS, &["moment_id", "id"], false),
        index(kind, COMMENTS, &["user_id"], false),
        index(kind, COMMENTS, &["author_id"], false),
        made(
            table(kind, COUNTS)
                .col(number("moment_id").primary_key())
                .col(number("author_id"))
                .col(number("likes"))
                .col(number("comments")),
        ),
        index(kind, COUNTS, &["author_id"], false),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    [COUNTS, COMMENTS, LIKES].map(drop_table).into()
}

/// Columns beside the shard keys that name people.
pub(crate) const NAMING: [(&str, &str); 3] = [(LIKES, "author_id"), (COMMENTS, "author_id"), (COMMENTS, "to_id")];

/// Likes and comments of somebody, and comments that answer them, go within a transaction, as many as `most` allows, and are not counted any more. How many rows went of each table; none once
/// nothing is left.
///
/// # Errors
/// When the database fails.
pub(crate) async fn forget_some(tx: &mut Tx, user: UserId, most: u64) -> Result<BTreeMap<&'static str, u64>, DbError> {
    let (mut gone, mut left) = (BTreeMap::new(), most);
    // The row itself beside the Moment and whose it is.
    let parts = [(LIKES, "user_id", "likes", "user_id"), (COMMENTS, "user_id", "comments", "id"), (COMMENTS, "to_id", "comments", "id")];
    for (name, column, counted, own) in parts {
        if left == 0 {
            break;
        }
        let mut theirs = select(name, ["moment_id"]);
        theirs.column(Alias::new(own)).and_where(col(column).eq(key(user))).limit(left).lock_exclusive();
        let rows = tx.all(&theirs).await?;
        let mut fewer: BTreeMap<i64, i64> = BTreeMap::new();
        for row in &rows {
            *fewer.entry(row.int("moment_id")?).or_default() += 1;
        }
        for (moment, by) in fewer {
            let mut less = update(COUNTS);
            less.value(Alias::new(counted), col(counted).sub(by)).and_where(col("moment_id").eq(moment));
            tx.run(&less).await?;
        }
        for some in rows.chunks(IN_A_STATEMENT) {
            let values = |column| some.iter().map(|row| row.int(column)).collect::<Result<Vec<i64>, _>>();
            let mut these = delete(name);
            these.and_where(col(column).eq(key(user))).and_where(col("moment_id").is_in(values("moment_id")?));
            these.and_where(col(own).is_in(values(own)?));
            let went = tx.run(&these).await?;
            *gone.entry(name).or_default() += went;
            left = left.saturating_sub(went);
        }
    }
    Ok(gone)
}

/// Rows that one statement names.
const IN_A_STATEMENT: usize = 500;

/// A Moment as a column holds it.
fn column(moment: MomentId) -> i64 {
    moment.0.cast_signed()
}

fn event(row: &Row) -> Result<EventId, DbError> {
    row.text("event_id")?.parse().map_err(|_| DbError::Unexpected("event_id is no id".to_owned()))
}

/// The act behind a like or a comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    /// Its event.
    pub(super) event_id: EventId,
    /// Whether it began a follow.
    pub(super) began: bool,
    /// When.
    pub(super) at: DateTime<Utc>,
}

fn given(row: &Row) -> Result<Given, DbError> {
    Ok(Given { event_id: event(row)?, began: row.int("began")? != 0, at: time(row.int("created_at")?) })
}

fn of(moment: MomentId, by: UserId) -> Cond {
    Cond::all().add(col("moment_id").eq(column(moment))).add(col("user_id").eq(key(by)))
}

/// Somebody's like of a Moment, locked for change.
pub(super) async fn like(tx: &mut Tx, moment: MomentId, by: UserId) -> Result<Option<Given>, DbError> {
    let mut wanted = select(LIKES, ["event_id", "began", "created_at"]);
    wanted.cond_where(of(moment, by)).lock_exclusive();
    tx.one(&wanted).await?.map(|row| given(&row)).transpose()
}

/// A new like.
pub(super) async fn put_like(tx: &mut Tx, (moment, author): (MomentId, UserId), by: UserId, given: Given) -> Result<(), DbError> {
    let values = [
        column(moment).into(),
        key(by).into(),
        key(author).into(),
        given.event_id.to_string().into(),
        i64::from(given.began).into(),
        micros(given.at).into(),
    ];
    tx.run(&insert(LIKES, ["moment_id", "user_id", "author_id", "event_id", "began", "created_at"], values)).await?;
    Ok(())
}

/// A like goes.
pub(super) async fn drop_like(tx: &mut Tx, moment: MomentId, by: UserId) -> Result<(), DbError> {
    let mut gone = delete(LIKES);
    gone.cond_where(of(moment, by));
    tx.run(&gone).await?;
    Ok(())
}

/// Whether somebody likes a Moment.
pub(super) async fn likes(db: &Db, moment: MomentId, by: UserId) -> Result<bool, DbError> {
    let mut wanted = select(LIKES, ["user_id"]);
    wanted.cond_where(of(moment, by));
    Ok(db.one(&wanted).await?.is_some())
}

/// Likes of a Moment, the newest first: when (microseconds), and the key of who. After one of them, if it is given.
pub(super) async fn who_likes(db: &Db, moment: MomentId, after: Option<(i64, i64)>, most: u64) -> Result<Vec<(i64, i64)>, DbError> {
    let mut wanted = select(LIKES, ["created_at", "user_id"]);
    wanted.and_where(col("moment_id").eq(column(moment)));
    if let Some((at, by)) = after {
        wanted.and_where(col("created_at").lte(at));
        wanted.cond_where(Cond::any().add(col("created_at").lt(at)).add(col("user_id").lt(by)));
    }
    wanted.order_by(Alias::new("created_at"), Order::Desc).order_by(Alias::new("user_id"), Order::Desc).limit(most);
    db.all(&wanted).await?.iter().map(|row| Ok((row.int("created_at")?, row.int("user_id")?))).collect()
}

/// A comment or a reply.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) id: i64,
    pub(super) moment: MomentId,
    /// Author of the Moment.
    pub(super) author: UserId,
    /// Who wrote it.
    pub(super) by: UserId,
    /// The comment it answers.
    pub(super) parent: Option<i64>,
    /// Whom it answers.
    pub(super) to: UserId,
    pub(super) text: String,
    /// Name of the object in the media store; empty: it was written.
    pub(super) voice: String,
    pub(super) given: Given,
}

const COLUMNS: [&str; 11] =
    ["id", "moment_id", "user_id", "author_id", "parent_id", "to_id", "event_id", "text", "voice", "began", "created_at"];

fn comment(row: &Row) -> Result<Comment, DbError> {
    Ok(Comment {
        id: row.int("id")?,
        moment: MomentId(row.int("moment_id")?.cast_unsigned()),
        author: user(row.int("author_id")?),
        by: user(row.int("user_id")?),
        parent: row.opt_int("parent_id")?,
        to: user(row.int("to_id")?),
        text: row.text("text")?,
        voice: row.text("voice")?,
        given: given(row)?,
    })
}

/// A new comment.
pub(super) async fn put_comment(tx: &mut Tx, c: &Comment) -> Result<(), DbError> {
    let values = [
        c.id.into(),
        column(c.moment).into(),
        key(c.by).into(),
        key(c.author).into(),
        c.parent.into(),
        key(c.to).into(),
        c.given.event_id.to_string().into(),
        c.text.as_str().into(),
        c.voice.as_str().into(),
        i64::from(c.given.began).into(),
        micros(c.given.at).into(),
    ];
    tx.run(&insert(COMMENTS, COLUMNS, values)).await?;
    Ok(())
}

/// The comment that an event brought.
pub(super) async fn comment_of(tx: &mut Tx, event_id: EventId) -> Result<Option<Comment>, DbError> {
    let mut wanted = select(COMMENTS, COLUMNS);
    wanted.and_where(col("event_id").eq(event_id.to_string()));
    tx.one(&wanted).await?.map(|row| comment(&row)).transpose()
}

/// A comment of a Moment.
pub(super) async fn comment_by_id(db: &Db, moment: MomentId, id: i64) -> Result<Option<Comment>, DbError> {
    let mut wanted = select(COMMENTS, COLUMNS);
    wanted.and_where(col("id").eq(id)).and_where(col("moment_id").eq(column(moment)));
    db.one(&wanted).await?.map(|row| comment(&row)).transpose()
}

/// A comment goes; whether it was there.
pub(super) async fn drop_comment(tx: &mut Tx, id: i64) -> Result<bool, DbError> {
    let mut gone = delete(COMMENTS);
    gone.and_where(col("id").eq(id));
    Ok(tx.run(&gone).await? == 1)
}

/// Comments of a Moment, the newest first; before one of them, if it is given.
pub(super) async fn comments(db: &Db, moment: MomentId, before: Option<i64>, most: u64) -> Result<Vec<Comment>, DbError> {
    let mut wanted = select(COMMENTS, COLUMNS);
    wanted.and_where(col("moment_id").eq(column(moment)));
    if let Some(before) = before {
        wanted.and_where(col("id").lt(before));
    }
    wanted.order_by(Alias::new("id"), Order::Desc).limit(most);
    db.all(&wanted).await?.iter().map(comment).collect()
}

/// How many likes and comments a Moment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) likes: i64,
    pub(super) comments: i64,
}

/// So many likes and comments more.
pub(super) async fn count(tx: &mut Tx, (moment, author): (MomentId, UserId), more: Counts) -> Result<(), DbError> {
    let mut counted = update(COUNTS);
    counted.value(Alias::new("likes"), col("likes").add(more.likes)).value(Alias::new("comments"), col("comments").add(more.comments));
    counted.and_where(col("moment_id").eq(column(moment)));
    if tx.run(&counted).await? == 0 {
        let values = [column(moment).into(), key(author).into(), more.likes.into(), more.comments.into()];
        tx.run(&insert(COUNTS, ["moment_id", "author_id", "likes", "comments"], values)).await?;
    }
    Ok(())
}

/// What was counted.
pub(super) async fn counts(db: &Db, moment: MomentId) -> Result<Counts, DbError> {
    let mut wanted = select(COUNTS, ["likes", "comments"]);
    wanted.and_where(col("moment_id").eq(column(moment)));
    let read = |row: Row| -> Result<Counts, DbError> { Ok(Counts { likes: row.int("likes")?, comments: row.int("comments")? }) };
    Ok(db.one(&wanted).await?.map(read).transpose()?.unwrap_or_default())
}

/// Likes, comments and counts of a Moment go.
pub(super) async fn drop_moment(tx: &mut Tx, moment: MomentId) -> Result<(), DbError> {
    for name in [LIKES, COMMENTS, COUNTS] {
        let mut gone = delete(name);
        gone.and_where(col("moment_id").eq(column(moment)));
        tx.run(&gone).await?;
    }
    Ok(())
}
