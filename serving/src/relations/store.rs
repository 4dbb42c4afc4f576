//! The tables of the room.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use features::event::InteractionEvent;
use features::ids::UserId;
use features::relations::{Pair, Side};
use sea_query::{Alias, Cond, Expr, ExprTrait, Index, Order, SelectStatement, Value};

use super::pair::{Kept, List};
use crate::db::schema::{drop_table, index, long_text, number, opt_number, table, text};
use crate::db::statement::{col, delete, insert, select, update};
use crate::db::{Db, DbError, Kind, Row, Step, Tx, key, micros, user};

/// How somebody stands with somebody: a row for each side.
pub(crate) const RELATIONS: &str = "relations";
/// How long the lists of somebody are, and a version that changes with them.
pub(crate) const SETS: &str = "relation_sets";
/// Conversations of friends: a row for each side.
pub(crate) const CONVERSATIONS: &str = "conversations";
/// Reports, by who sent them.
pub(crate) const REPORTS: &str = "reports";

/// Columns beside the shard keys that name people.
pub(crate) const NAMING: [(&str, &str); 3] = [(RELATIONS, "other_id"), (CONVERSATIONS, "other_id"), (REPORTS, "other_id")];

/// Columns of a pair's row that say what the other does: of no concern to whom the row belongs, beyond the list it is on.
pub(crate) const OF_THE_OTHER: [&str; 3] = ["theirs", "their_since", "their_last_act"];

/// Rows of those who are on a list of the person.
pub(crate) fn on_a_list() -> Expr {
    let lists = [List::Friends, List::Fans, List::Following, List::Blocked];
    col("list").is_in(lists.map(List::number))
}

/// Pairs that are read by one statement.
const AT_ONCE: usize = 100;

/// The tables, as they are made.
pub(crate) fn tables(kind: Kind) -> Vec<Step> {
    let made = |table: &mut sea_query::TableCreateStatement| Step::Create(Box::new(table.take()));
    let both = || Index::create().col(Alias::new("user_id")).col(Alias::new("other_id")).to_owned();
    vec![
        made(
            table(kind, RELATIONS)
                .col(number("user_id"))
                .col(number("other_id"))
                .col(number("mine"))
                .col(number("theirs"))
                .col(number("list"))
                .col(number("since"))
                .col(number("their_since"))
                .col(number("at"))
                .col(text("last_act", 36))
                .col(text("their_last_act", 36))
                .primary_key(&mut both()),
        ),
        index(kind, RELATIONS, &["user_id", "list", "since", "other_id"], false),
        made(
            table(kind, SETS)
                .col(number("user_id").primary_key())
                .col(number("version"))
                .col(number("friends"))
                .col(number("fans"))
                .col(number("following"))
                .col(number("blocked")),
        ),
        made(
            table(kind, CONVERSATIONS)
                .col(number("user_id"))
                .col(number("other_id"))
                .col(number("id"))
                .col(number("opened_at"))
                .col(opt_number("closed_at"))
                .primary_key(&mut both()),
        ),
        made(
            table(kind, REPORTS)
                .col(number("id").primary_key())
                .col(number("user_id"))
                .col(number("other_id"))
                .col(text("event_id", 36))
                .col(text("reason", 40))
                .col(long_text(kind, "text"))
                .col(opt_number("moment_id"))
                .col(number("created_at")),
        ),
        index(kind, REPORTS, &["user_id"], false),
        index(kind, REPORTS, &["other_id"], false),
    ]
}

/// The tables go.
pub(crate) fn drop_tables() -> Vec<Step> {
    [REPORTS, CONVERSATIONS, SETS, RELATIONS].map(drop_table).into()
}

fn written(side: Side) -> i64 {
    match side {
        Side::Nothing => 0,
        Side::Follows => 1,
        Side::Blocks => 2,
    }
}

fn read(row: &Row, column: &str) -> Result<Side, DbError> {
    match row.int(column)? {
        0 => Ok(Side::Nothing),
        1 => Ok(Side::Follows),
        2 => Ok(Side::Blocks),
        other => Err(DbError::Unexpected(format!("{column} is {other}"))),
    }
}

const COLUMNS: [&str; 10] = ["user_id", "other_id", "mine", "theirs", "list", "since", "their_since", "at", "last_act", "their_last_act"];

fn kept(row: &Row) -> Result<Kept, DbError> {
    let pair = Pair { mine: read(row, "mine")?, theirs: read(row, "theirs")? };
    Ok(Kept {
        low: user(row.int("user_id")?),
        high: user(row.int("other_id")?),
        pair,
        stored: Some(pair),
        at: row.int("at")?,
        since: [row.int("since")?, row.int("their_since")?],
        last: [row.text("last_act")?, row.text("their_last_act")?],
        changed: false,
    })
}

fn same((one, other): (UserId, UserId)) -> Cond {
    Cond::all().add(col("user_id").eq(key(one))).add(col("other_id").eq(key(other)))
}

/// Those of some pairs (smaller key first, in order) that have rows, locked for change by the row of the smaller key.
pub(super) async fn load(tx: &mut Tx, pairs: &[(UserId, UserId)]) -> Result<Vec<Kept>, DbError> {
    let mut found = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(AT_ONCE) {
        let any = some.iter().fold(Cond::any(), |any, pair| any.add(same(*pair)));
        let mut wanted = select(RELATIONS, COLUMNS);
        wanted.cond_where(any).lock_exclusive();
        for row in tx.all(&wanted).await? {
            found.push(kept(&row)?);
        }
    }
    Ok(found)
}

/// How somebody stands with somebody; nothing where there are no rows.
pub(super) async fn pair(db: &Db, one: UserId, other: UserId) -> Result<Option<Kept>, DbError> {
    let mut wanted = select(RELATIONS, COLUMNS);
    wanted.cond_where(same((one, other)));
    db.one(&wanted).await?.map(|row| kept(&row)).transpose()
}

/// Writes both rows of two people.
pub(super) async fn save(tx: &mut Tx, k: &Kept) -> Result<(), DbError> {
    for (side, (one, other)) in [(k.low, k.high), (k.high, k.low)].into_iter().enumerate() {
        let (seen, there) = (k.seen_by(side), 1 - side);
        let list = List::of(seen).map_or(0, List::number);
        let values: [Value; 10] = [
            key(one).into(),
            key(other).into(),
            written(seen.mine).into(),
            written(seen.theirs).into(),
            list.into(),
            k.since[side].into(),
            k.since[there].into(),
            k.at.into(),
            k.last[side].as_str().into(),
            k.last[there].as_str().into(),
        ];
        if k.stored.is_none() {
            tx.run(&insert(RELATIONS, COLUMNS, values)).await?;
            continue;
        }
        let mut changed = update(RELATIONS);
        changed.values(COLUMNS.into_iter().zip(values).skip(2).map(|(name, value)| (Alias::new(name), Expr::val(value))));
        changed.cond_where(same((one, other)));
        if tx.run(&changed).await? != 1 {
            return Err(DbError::Unexpected("a pair has lost a row".to_owned()));
        }
    }
    Ok(())
}

/// What changes of the lists of people: how much longer each becomes.
pub(super) type Bumps = BTreeMap<i64, [i64; 4]>;

const LENGTHS: [&str; 4] = ["friends", "fans", "following", "blocked"];

/// New lengths and versions, in the order of users.
pub(super) async fn bump(tx: &mut Tx, bumps: &Bumps, first_version: i64) -> Result<(), DbError> {
    for (user_id, by) in bumps {
        let mut more = update(SETS);
        more.value(Alias::new("version"), col("version").add(1i64));
        for (name, by) in LENGTHS.into_iter().zip(by).filter(|(_, by)| **by != 0) {
            more.value(Alias::new(name), col(name).add(*by));
        }
        more.and_where(col("user_id").eq(*user_id));
        if tx.run(&more).await? == 0 {
            let values = [(*user_id).into(), first_version.into(), by[0].into(), by[1].into(), by[2].into(), by[3].into()];
            tx.run(&insert(SETS, ["user_id", "version", "friends", "fans", "following", "blocked"], values)).await?;
        }
    }
    Ok(())
}

/// Version and lengths of the lists of somebody; nothing where they never had any.
pub(super) async fn lengths(db: &Db, of: UserId) -> Result<Option<(i64, [i64; 4])>, DbError> {
    let mut wanted = select(SETS, ["version", "friends", "fans", "following", "blocked"]);
    wanted.and_where(col("user_id").eq(key(of)));
    let read = |row: Row| -> Result<_, DbError> {
        let [friends, fans, following, blocked] = LENGTHS.map(|name| row.int(name));
        Ok((row.int("version")?, [friends?, fans?, following?, blocked?]))
    };
    db.one(&wanted).await?.map(read).transpose()
}

/// Entries of a list, the newest first: since when, and whose key. After an entry, if one is given.
pub(super) async fn entries(db: &Db, of: UserId, list: List, after: Option<(i64, i64)>, most: u64) -> Result<Vec<(i64, i64)>, DbError> {
    let mut wanted: SelectStatement = select(RELATIONS, ["since", "other_id"]);
    wanted.and_where(col("user_id").eq(key(of))).and_where(col("list").eq(list.number()));
    if let Some((since, other)) = after {
        // The first condition alone bounds the range of the index.
        wanted.and_where(col("since").lte(since));
        wanted.cond_where(Cond::any().add(col("since").lt(since)).add(col("other_id").lt(other)));
    }
    wanted.order_by(Alias::new("since"), Order::Desc).order_by(Alias::new("other_id"), Order::Desc).limit(most);
    db.all(&wanted).await?.iter().map(|row| Ok((row.int("since")?, row.int("other_id")?))).collect()
}

/// The conversation of two people opens; one that was closed opens again.
pub(super) async fn open_conversation(tx: &mut Tx, k: &Kept, id: i64) -> Result<(), DbError> {
    for (one, other) in [(k.low, k.high), (k.high, k.low)] {
        let mut again = update(CONVERSATIONS);
        again.value(Alias::new("opened_at"), Expr::val(k.at)).value(Alias::new("closed_at"), Expr::val(None::<i64>));
        again.cond_where(same((one, other)));
        if tx.run(&again).await? == 0 {
            let values = [key(one).into(), key(other).into(), id.into(), k.at.into(), None::<i64>.into()];
            tx.run(&insert(CONVERSATIONS, ["user_id", "other_id", "id", "opened_at", "closed_at"], values)).await?;
        }
    }
    Ok(())
}

/// The conversation of two people closes.
pub(super) async fn close_conversation(tx: &mut Tx, k: &Kept) -> Result<(), DbError> {
    for pair in [(k.low, k.high), (k.high, k.low)] {
        let mut over = update(CONVERSATIONS);
        over.value(Alias::new("closed_at"), Expr::val(k.at)).cond_where(same(pair));
        tx.run(&over).await?;
    }
    Ok(())
}

/// The conversation of somebody with somebody: its id, and whether it is open.
pub(super) async fn conversation(db: &Db, one: UserId, other: UserId) -> Result<Option<(i64, bool)>, DbError> {
    let mut wanted = select(CONVERSATIONS, ["id", "closed_at"]);
    wanted.cond_where(same((one, other)));
    db.one(&wanted).await?.map(|row| Ok((row.int("id")?, row.opt_int("closed_at")?.is_none()))).transpose()
}

/// A report.
pub(super) async fn report(tx: &mut Tx, id: i64, event: &InteractionEvent, reason: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    let values = [
        id.into(),
        key(event.actor_id).into(),
        key(event.target_id).into(),
        event.event_id.to_string().into(),
        reason.into(),
        event.text.as_deref().unwrap_or_default().into(),
        event.moment_id.map(|moment| moment.0.cast_signed()).into(),
        micros(now).into(),
    ];
    let columns = ["id", "user_id", "other_id", "event_id", "reason", "text", "moment_id", "created_at"];
    tx.run(&insert(REPORTS, columns, values)).await?;
    Ok(())
}

/// Keys of some people who have a row with somebody, or of whom somebody has one.
pub(super) async fn others(tx: &mut Tx, of: UserId, most: u64) -> Result<Vec<i64>, DbError> {
    for (mine, theirs) in [("user_id", "other_id"), ("other_id", "user_id")] {
        let mut wanted = select(RELATIONS, [theirs]);
        wanted.and_where(col(mine).eq(key(of))).order_by(Alias::new(theirs), Order::Asc).limit(most);
        let found: Vec<i64> = tx.all(&wanted).await?.iter().map(|row| row.int(theirs)).collect::<Result<_, _>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Rows of somebody with some others, of both sides.
fn between(of: UserId, others: &[i64]) -> [Cond; 2] {
    let sides = [("user_id", "other_id"), ("other_id", "user_id")];
    sides.map(|(mine, theirs)| Cond::all().add(col(mine).eq(key(of))).add(col(theirs).is_in(others.iter().copied())))
}

/// Both rows of somebody with some others go, and their conversations, and lists are shorter by them. How many rows went, of relations and of conversations.
pub(super) async fn drop_pairs(tx: &mut Tx, of: UserId, others: &[i64]) -> Result<[u64; 2], DbError> {
    let mut shorter = Bumps::new();
    for side in between(of, others) {
        let mut wanted = select(RELATIONS, ["user_id", "list"]);
        wanted.cond_where(side).lock_exclusive();
        for row in tx.all(&wanted).await? {
            let place = usize::try_from(row.int("list")? - 1).ok().filter(|place| *place < LENGTHS.len());
            if let Some(place) = place {
                shorter.entry(row.int("user_id")?).or_default()[place] -= 1;
            }
        }
    }
    let mut gone = [0; 2];
    for (name, gone) in [RELATIONS, CONVERSATIONS].into_iter().zip(&mut gone) {
        for side in between(of, others) {
            let mut rows = delete(name);
            rows.cond_where(side);
            *gone += tx.run(&rows).await?;
        }
    }
    // Most of them lose the same: one statement for all of those.
    let mut alike: BTreeMap<[i64; 4], Vec<i64>> = BTreeMap::new();
    shorter.into_iter().for_each(|(user, by)| alike.entry(by).or_default().push(user));
    for (by, users) in alike {
        let mut less = update(SETS);
        less.value(Alias::new("version"), col("version").add(1i64));
        for (name, by) in LENGTHS.into_iter().zip(by).filter(|(_, by)| *by != 0) {
            less.value(Alias::new(name), col(name).add(by));
        }
        less.and_where(col("user_id").is_in(users));
        tx.run(&less).await?;
    }
    Ok(gone)
}
