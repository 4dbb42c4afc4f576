//! What every database must do.

use chrono::TimeDelta;
use features::event::{Event, PresenceEvent, PresenceKind};
use features::ids::{EventId, UserId, derived_event_id};
use futures::FutureExt;
use sea_query::{Alias, Expr, ExprTrait, OnConflict, Query, Value};

use super::super::schema::{index, long_text, number, opt_number, table, text};
use super::super::*;
use super::Place;

/// Everything, each in a database of its own.
pub(super) async fn run(place: impl AsyncFn(&'static str) -> Place) {
    values(&place("layer_values").await).await;
    transactions(&place("layer_transactions").await).await;
    together(&place("layer_together").await).await;
    sets(&place("layer_sets").await).await;
    migrations(&place("layer_migrations").await).await;
    outbox(&place("layer_outbox").await).await;
    profiles(&place("room_profiles").await).await;
    relations(&place("room_relations").await).await;
}

/// The rooms of profiles and entitlements, by two nodes.
async fn profiles(place: &Place) {
    let (a, b) = (place.open(1).await, place.open(2).await);
    up(&a, chrono::Utc::now()).await.unwrap();
    crate::users::tests::suite(&a, &b).await;
    crate::entitlements::tests::suite(&a, &b).await;
}

async fn relations(place: &Place) {
    let now = chrono::Utc::now();
    let (a, b) = (place.open(1).await, place.open(2).await);
    up(&a, now).await.unwrap();
    crate::relations::tests::suite(&a, &b).await;
    a.close().await;
    b.close().await;
}

fn col(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

/// A table with a column of every sort.
async fn probe(db: &Db) {
    let kind = db.kind();
    let mut probe = table(kind, "probe");
    let mut bytes = sea_query::ColumnDef::new(Alias::new("data"));
    bytes.var_binary(40).null();
    probe.col(number("id").primary_key()).col(text("name", 40)).col(long_text(kind, "note")).col(opt_number("n")).col(bytes);
    let mut tx = db.begin().await.unwrap();
    for step in [Step::Create(Box::new(probe)), index(kind, "probe", &["name"], true)] {
        tx.raw(&step.sql(kind)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn insert(id: i64, name: &str, note: &str, n: Option<i64>, data: Option<Vec<u8>>) -> sea_query::InsertStatement {
    let mut insert = Query::insert();
    let row = [id.into(), name.into(), note.into(), n.into(), data.into()].map(Expr::val::<Value>);
    insert.into_table(Alias::new("probe")).columns(["id", "name", "note", "n", "data"].map(Alias::new)).values_panic(row);
    insert
}

fn select(name: &str) -> sea_query::SelectStatement {
    let mut select = Query::select();
    select.columns(["id", "name", "note", "n", "data"].map(Alias::new)).from(Alias::new("probe")).and_where(col("name").eq(name));
    select
}

async fn values(place: &Place) {
    let db = place.open(1).await;
    probe(&db).await;
    let long = "红娘💞'\"\\;--\n".repeat(20_000);
    for (id, name, note, n, data) in [
        (i64::MAX, "名字 '\"\\", long.as_str(), Some(i64::MIN), Some(vec![0u8, 255, 10, 39])),
        (1, "case", "", None, None),
        (2, "CASE", "another name, byte by byte", Some(0), Some(Vec::new())),
    ] {
        assert_eq!(db.run(&insert(id, name, note, n, data.clone())).await.unwrap(), 1);
        let row = db.one(&select(name)).await.unwrap().unwrap();
        let read = (row.int("id").unwrap(), row.text("name").unwrap(), row.text("note").unwrap());
        assert_eq!(read, (id, name.to_owned(), note.to_owned()));
        assert_eq!((row.opt_int("n").unwrap(), row.opt_bytes("data").unwrap()), (n, data));
        assert_eq!(row.int("n").is_err(), n.is_none(), "NULL is no number");
        assert!(row.int("nowhere").is_err() && row.int("name").is_err());
    }
    let error = db.run(&insert(3, "case", "", None, None)).await.unwrap_err();
    assert!(matches!(error, DbError::Duplicate) && !error.to_string().contains("case"), "{error}");
    let mut upsert = insert(1, "case", "changed", Some(7), None);
    upsert.on_conflict(OnConflict::column(Alias::new("id")).update_columns(["note", "n"].map(Alias::new)).to_owned());
    db.run(&upsert).await.unwrap();
    assert_eq!(db.one(&select("case")).await.unwrap().unwrap().text("note").unwrap(), "changed");
    // An update that changes nothing has met its row: whether it met one says whether a condition held.
    let mut same = Query::update();
    same.table(Alias::new("probe")).value(Alias::new("n"), Expr::val(7i64)).and_where(col("id").eq(1i64));
    assert_eq!((db.run(&same).await.unwrap(), db.run(&same).await.unwrap()), (1, 1));
    same.and_where(col("n").eq(8i64));
    assert_eq!(db.run(&same).await.unwrap(), 0);
    db.close().await;
}

async fn transactions(place: &Place) {
    let db = place.open(1).await;
    probe(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.run(&insert(1, "dropped", "", Some(0), None)).await.unwrap();
    assert!(tx.one(&select("dropped")).await.unwrap().is_some(), "a transaction sees what it wrote");
    assert!(db.one(&select("dropped")).await.unwrap().is_none(), "nobody else does");
    drop(tx);
    db.run(&insert(1, "counter", "", Some(0), None)).await.unwrap();
    assert!(db.one(&select("dropped")).await.unwrap().is_none(), "what was dropped is undone");

    // Read, then write, by several at the same time and through two pools, as two processes have them: no step is lost.
    let other = place.open(2).await;
    let step = async |db: Db| {
        for _ in 0..25 {
            retrying(|| one_more(&db)).await.unwrap();
        }
    };
    tokio::join!(step(db.clone()), step(other.clone()), step(db.clone()), step(other.clone()));
    assert_eq!(db.one(&select("counter")).await.unwrap().unwrap().int("n").unwrap(), 100);
    other.close().await;
    db.close().await;
}

/// How many rows there are whose name begins so.
async fn rows(db: &Db, begins: &str) -> usize {
    let mut all = Query::select();
    all.columns(["name"].map(Alias::new)).from(Alias::new("probe")).and_where(col("name").like(format!("{begins}%")));
    db.all(&all).await.unwrap().len()
}

/// Inserts rows, all at once; says of each among how many it was.
async fn write(tx: &mut Tx, all: Vec<i64>) -> Result<Vec<Result<usize, i64>>, DbError> {
    let values = |n: &i64| [(100 + n).into(), format!("row {n}").into(), "".into(), Value::BigInt(None), Value::Bytes(None)];
    let good = all.iter().filter(|n| *n % 7 != 4).map(values).collect();
    tx.run_all(&statement::insert_all("probe", ["id", "name", "note", "n", "data"], good)).await?;
    for n in &all {
        match n % 7 {
            1 => return Err(DbError::Unexpected("the test says so".to_owned())),
            2 => return tx.run(&insert(1, "taken", "", None, None)).await.map(|_| Vec::new()),
            3 => panic!("the test says so"),
            _ => {}
        }
    }
    Ok(all.iter().map(|n| if n % 7 == 4 { Err(*n) } else { Ok(all.len()) }).collect())
}

/// Work of others that fails, is refused or panics changes nothing for those who share a transaction with it.
async fn together(place: &Place) {
    let db = place.open(1).await;
    probe(&db).await;
    db.run(&insert(1, "taken", "", None, None)).await.unwrap();
    let rows_of = Together::new(db.clone(), |tx, all| async move { write(tx, all).await }.boxed());
    let ask = |n: i64| {
        let (db, rows_of) = (db.clone(), rows_of.clone());
        tokio::spawn(async move {
            let done = rows_of.ask(n).await;
            // What somebody was told of is there for everybody.
            let there = db.one(&select(&format!("row {n}"))).await.unwrap().is_some();
            assert_eq!(matches!(done, Ok(Ok(_))), there, "{n}: {done:?}");
            done
        })
    };
    for (n, done) in (0..280).map(|n| (n, ask(n))).collect::<Vec<_>>() {
        match (n % 7, done.await) {
            (1, done) => assert!(matches!(done.unwrap(), Err(DbError::Unexpected(_)))),
            (2, done) => assert!(matches!(done.unwrap(), Err(DbError::Duplicate))),
            (3, done) => assert!(done.unwrap_err().is_panic(), "who asked for it"),
            (4, done) => assert_eq!(done.unwrap().unwrap(), Err(n), "no error of the work: it says what came of it"),
            (_, done) => assert!(done.unwrap().unwrap().is_ok()),
        }
    }
    assert_eq!(rows(&db, "row").await, 120);
    if db.kind() == Kind::Sqlite {
        let held = db.begin().await.unwrap();
        let many: Vec<_> = (0..21).map(|n| ask(1_000 + 7 * n)).collect();
        while rows_of.waiting() < 21 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        // Whoever goes away while they wait has their work done all the same.
        many[0].abort();
        drop(held);
        for one in many.into_iter().skip(1) {
            assert_eq!(one.await.unwrap().unwrap(), Ok(21), "all who waited share one transaction");
        }
        assert_eq!(rows(&db, "row 1000").await, 1);
    }
    db.close().await;
    let closed = rows_of.ask(6).await;
    assert!(matches!(closed, Err(DbError::Busy)), "{closed:?}");
}

/// Sets of every size are written whole and found again.
async fn sets(place: &Place) {
    let db = place.open(1).await;
    probe(&db).await;
    let mut next = 0;
    for size in [0, 1, 3, 4, 5, 21, 256, 300] {
        let ids: Vec<i64> = (next..next + size).collect();
        let row = |id: &i64| [(*id).into(), format!("set {id}").into(), "".into(), Value::BigInt(None), Value::Bytes(None)];
        let mut tx = db.begin().await.unwrap();
        let statements = statement::insert_all("probe", ["id", "name", "note", "n", "data"], ids.iter().map(row).collect());
        tx.run_all(&statements).await.unwrap();
        tx.commit().await.unwrap();
        let mut found = Query::select();
        found.columns(["id"].map(Alias::new)).from(Alias::new("probe")).and_where(statement::one_of("id", ids.clone()));
        let mut found: Vec<i64> = db.all(&found).await.unwrap().iter().map(|row| row.int("id").unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, ids);
        next += size;
    }
    db.close().await;
}

async fn one_more(db: &Db) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    let n = tx.one(select("counter").lock_exclusive()).await?.map(|row| row.int("n")).transpose()?.unwrap_or_default();
    let mut update = Query::update();
    update.table(Alias::new("probe")).value(Alias::new("n"), Expr::val(n + 1)).and_where(col("name").eq("counter"));
    tx.run(&update).await?;
    tx.commit().await
}

async fn migrations(place: &Place) {
    let now = chrono::Utc::now();
    let (a, b) = (place.open(1).await, place.open(2).await);
    let all = MIGRATIONS.len();
    assert!(status(&a).await.unwrap().iter().all(|m| m.state == State::Pending && m.applied_at.is_none()));
    if a.kind() != Kind::Sqlite {
        let refused = prepare(&a, &place.config, now).await.unwrap_err().to_string();
        assert!(refused.contains("hongniang migrate up") && refused.contains("database.migrate"), "{refused}");
    }
    // Two nodes at the same time: each migration is applied once.
    let (left, right) = tokio::join!(up(&a, now), up(&b, now));
    assert_eq!(left.unwrap().len() + right.unwrap().len(), all);
    let told = status(&b).await.unwrap();
    assert!(told.iter().all(|m| m.state == State::Applied && (m.applied_at.unwrap() - now).abs() < TimeDelta::milliseconds(1)), "{told:?}");
    prepare(&a, &place.config, now).await.unwrap();
    assert_eq!(down(&a, 1).await.unwrap()[0].version, MIGRATIONS[all - 1].version);
    assert_eq!(status(&a).await.unwrap().iter().filter(|m| m.state == State::Pending).count(), 1);
    prepare(&a, &DatabaseConfig { migrate: true, ..place.config.clone() }, now).await.unwrap();
    assert_eq!(down(&a, 99).await.unwrap().len(), all);
    // Cut off after the first step, before the version was written.
    let mut tx = a.begin().await.unwrap();
    for step in (MIGRATIONS[0].up)(a.kind()) {
        tx.raw(&step.sql(a.kind())).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(up(&a, now).await.unwrap().len(), all);
    // Tables of a newer program.
    let mut newer = Query::insert();
    let row = [9_999i64.into(), "later".into(), 0i64.into()].map(Expr::val::<Value>);
    newer.into_table(Alias::new(migrate::TABLE)).columns(["version", "name", "applied_at"].map(Alias::new)).values_panic(row);
    a.run(&newer).await.unwrap();
    for error in [status(&a).await.err(), up(&a, now).await.err(), down(&a, 1).await.err(), prepare(&b, &place.config, now).await.err()] {
        assert!(matches!(error, Some(DbError::Newer { version: 9_999 })), "{error:?}");
    }
    a.close().await;
    b.close().await;
}

fn event(n: u64) -> Event {
    let event_time = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let event_id: EventId = derived_event_id(&["outbox", &n.to_string()]);
    let user_id = UserId(if n.is_multiple_of(2) { n } else { u64::MAX - n });
    Event::Presence(PresenceEvent { event_id, event_time, kind: PresenceKind::AppOpen, request_id: None, user_id, position: None })
}

async fn outbox(place: &Place) {
    let now = chrono::Utc::now();
    let (a, b) = (place.open(1).await, place.open(2).await);
    up(&a, now).await.unwrap();
    let (mut mine, mut last) = (Vec::new(), 0);
    for n in 1..=40u64 {
        let db = if n.is_multiple_of(4) { &b } else { &a };
        let mut tx = db.begin().await.unwrap();
        outbox::put(&mut tx, db, &event(n), now).await.unwrap();
        if n.is_multiple_of(5) {
            continue; // dropped
        }
        tx.commit().await.unwrap();
        if !n.is_multiple_of(4) {
            mine.push(event(n).event_id());
        }
    }
    let read = async |db: &Db, after: i64, at| {
        let rows = outbox::waiting(db, after, at).await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.int("id").unwrap()).collect();
        assert!(ids.is_sorted(), "in the order of ids: {ids:?}");
        let events: Vec<EventId> =
            rows.iter().map(|row| Event::decode(row.text("event").unwrap().as_bytes()).unwrap().event_id()).collect();
        (ids, events)
    };
    let (ids, events) = read(&a, last, now).await;
    assert_eq!(events, mine, "what this node has committed, and nothing else");
    last = ids[9];
    assert_eq!(read(&a, last, now).await.1, mine[10..]);
    let later = now + TimeDelta::seconds(31);
    assert_eq!(read(&b, 0, later).await.0.len(), 32, "what another node has left for half a minute is everybody's");
    a.close().await;
    b.close().await;
}
