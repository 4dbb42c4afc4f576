use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId, derived_event_id};
use index::ledger::Ledger;
use pipelines::bus::{Bus, BusConfig};
use pipelines::snapshots::SnapshotStore;
use sea_query::ExprTrait;

use super::receipt::{Receipt, Stage};
use super::store;
use super::{Place, Places, Round, erasure, look, request_by_operator};
use crate::audit;
use crate::config::Config;
use crate::db::statement::{col, insert, select};
use crate::db::{self, Db, outbox, people};
use crate::relations::{Relations, RelationsConfig};
use crate::state::Withheld;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

async fn tables(folder: &std::path::Path) -> Db {
    let db = Db::open(&db::DatabaseConfig::default(), folder).await.unwrap();
    db::up(&db, now()).await.unwrap();
    db
}

async fn lives_here(db: &Db, user: UserId) {
    let mut tx = db.begin().await.unwrap();
    tx.run(&insert("accounts", ["user_id", "created_at"], [db::key(user).into(), 1i64.into()])).await.unwrap();
    let values = [db.ids.next(now()).into(), db::key(user).into(), "phone".into(), format!("+86138{user}").into(), 1i64.into()];
    tx.run(&insert("identities", ["id", "user_id", "provider", "subject", "created_at"], values)).await.unwrap();
    let event = super::service::erased(user, EventId::now_v7(), now(), None);
    outbox::put(&mut tx, db, &event, now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_erasure_takes_rows_at_once_and_forgets_whom_it_was_about() {
    let folder = tempfile::tempdir().unwrap();
    let db = tables(folder.path()).await;
    let (ann, bob) = (UserId(7_777_777_777_777_777_777), UserId(77));
    for user in [ann, bob] {
        lives_here(&db, user).await;
    }
    // An event of Bob's that names Ann waits in the outbox.
    let mut tx = db.begin().await.unwrap();
    let like = features::event::InteractionEvent::new(EventId::now_v7(), now(), features::event::InteractionKind::Like, bob, ann);
    outbox::put(&mut tx, &db, &Event::Interaction(like), now()).await.unwrap();
    tx.commit().await.unwrap();
    let counted = people::count(&db, ann).await.unwrap();
    assert_eq!(counted, BTreeMap::from([("accounts", 1), ("identities", 1), ("outbox", 1)]));
    let exported = people::rows(&db, ann).await.unwrap();
    assert_eq!(exported["accounts"][0]["user_id"], ann.to_string());
    assert_eq!(exported["identities"][0]["subject"], format!("+86138{ann}"));

    let token = request_by_operator(&db, ann, "pseudonym", now()).await.unwrap();
    assert!(people::count(&db, ann).await.unwrap().is_empty());
    assert_eq!(people::count(&db, bob).await.unwrap()["outbox"], 1, "his own event stays, the one that names her is gone");
    assert_eq!(request_by_operator(&db, ann, "pseudonym", now()).await.unwrap(), token, "asked again it is the same one");
    let withheld = Withheld::default();
    assert_eq!(look(&db, &withheld).await.unwrap(), [ann], "who is new");
    assert!(withheld.contains(ann, now()) && !withheld.contains(bob, now()));
    let told = erasure(&db, &token).await.unwrap().unwrap();
    assert_eq!((told.state, told.requested_at, told.done_at), (Stage::Waiting, now(), None));
    let rows = ["accounts", "identities", "outbox"].map(|table| (table.to_owned(), if table == "outbox" { 2 } else { 1 }));
    assert_eq!(told.receipt.places["tables"], BTreeMap::from(rows), "what went with the request");

    // It is due now, whoever else is waiting; and what has begun goes on after a kill.
    let mut due = store::open(&db, Some(now())).await.unwrap();
    assert!(due.len() == 1 && due[0].user == ann && store::open(&db, Some(now() - TimeDelta::seconds(1))).await.unwrap().is_empty());
    due[0].receipt.add("lake", &BTreeMap::from([("moments".to_owned(), 3), ("decks".to_owned(), 0)]));
    store::note(&db, &due[0]).await.unwrap();
    db.close().await;
    let db = tables(folder.path()).await;
    let mut due = store::open(&db, Some(now() - TimeDelta::days(1))).await.unwrap();
    due[0].receipt.add("lake", &BTreeMap::from([("moments".to_owned(), 2)]));
    store::done(&db, &due[0], now() + TimeDelta::minutes(3)).await.unwrap();
    let told = erasure(&db, &token).await.unwrap().unwrap();
    assert_eq!((told.state, told.done_at), (Stage::Done, Some(now() + TimeDelta::minutes(3))));
    assert_eq!(told.receipt.places["lake"], BTreeMap::from([("moments".to_owned(), 5)]));
    assert!(store::open(&db, None).await.unwrap().is_empty());
    assert!(look(&db, &withheld).await.unwrap().is_empty());
    assert!(!withheld.contains(ann, now()));
    let mut left = select("erasures", ["id"]);
    left.and_where(col("person").is_not_null());
    assert!(db.all(&left).await.unwrap().is_empty());
    // The act stays, about a pseudonym.
    let mut tx = db.begin().await.unwrap();
    assert_eq!(audit::forget(&mut tx, ann, "pseudonym").await.unwrap(), 1);
    tx.commit().await.unwrap();
    // Nor is the id in the file, or in the log beside it.
    db.checkpoint().await.unwrap();
    db.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        for trace in [ann.0.to_be_bytes().to_vec(), ann.to_string().into_bytes()] {
            assert!(!bytes.windows(trace.len()).any(|window| window == trace), "{}", path.display());
        }
    }
    assert_ne!(erasure(&tables(folder.path()).await, "another").await.unwrap(), Some(told));
}

/// The places, of which only the tables are there.
fn places(db: &Db, folder: &std::path::Path) -> Places {
    let store = SnapshotStore::open(folder.to_str().unwrap()).unwrap();
    Places {
        config: Arc::new(Config::default()),
        db: db.clone(),
        bus: Bus::new(BusConfig { brokers: "127.0.0.1:1".to_owned(), ..BusConfig::default() }).unwrap(),
        state: store.clone(),
        node: store,
        scrubber: None,
        indexes: None,
        deck: |_, _| false,
        row_makers: &[],
        pseudonym: Arc::new(|_| "pseudonym".to_owned()),
    }
}

/// `HONGNIANG_TEST_FANS` makes them more, to measure how long it takes.
#[tokio::test]
async fn somebody_with_many_fans_goes_in_parts_and_a_restart_goes_on() {
    const FRIENDS: u64 = 50;
    let fans: u64 = std::env::var("HONGNIANG_TEST_FANS").ok().and_then(|fans| fans.parse().ok()).unwrap_or(5_000);
    let folder = tempfile::tempdir().unwrap();
    let db = tables(folder.path()).await;
    let (star, first) = (UserId(7_777_777), 10_000_000);
    lives_here(&db, star).await;
    let follows =
        |n: u64, actor, target| InteractionEvent::new(derived_event_id(&[&n.to_string()]), now(), InteractionKind::Follow, actor, target);
    let fan = |n: u64| UserId(first + n);
    let events: Vec<_> =
        (0..fans).map(|n| follows(n, fan(n), star)).chain((0..FRIENDS).map(|n| follows(fans + n, star, fan(n * 2)))).collect();
    let relations = Relations::new(db.clone(), Arc::new(Ledger::default()), &RelationsConfig::default());
    assert_eq!(relations.rebuild(&events, now()).await.unwrap().friends, FRIENDS);
    drop(relations);

    let begun = Instant::now();
    let token = request_by_operator(&db, star, "pseudonym", now()).await.unwrap();
    let answered = begun.elapsed();
    // The login is gone with the answer, however much else there is, and some of that is left.
    let left = people::count(&db, star).await.unwrap();
    assert!(left["relations"] < fans * 2 && left["relations"] > fans / 2, "{left:?}");
    assert_eq!(left.keys().copied().collect::<Vec<_>>(), ["relation_sets", "relations"], "what is small goes first");
    let told = erasure(&db, &token).await.unwrap().unwrap();
    assert_eq!(told.receipt.places["tables"]["relations"] + left["relations"], fans * 2, "every part is in the receipt");
    // A batch takes no more than it may, and one that is cut off has not happened.
    assert!(store::batch(&db, star).await.unwrap());
    let before = people::count(&db, star).await.unwrap();
    assert!((1..=store::AT_ONCE + 4).contains(&(left["relations"] - before["relations"])), "{before:?}");
    let mut tx = db.begin().await.unwrap();
    assert!(store::erase_some(&mut tx, star).await.unwrap());
    drop(tx);
    db.close().await;
    let db = tables(folder.path()).await;
    assert_eq!(people::count(&db, star).await.unwrap(), before);
    // The next start goes on.
    let begun = Instant::now();
    places(&db, folder.path()).erase(Place::Tables, &[star], &mut Round::new(1)).await.unwrap();
    println!("{fans} fans: answered after {answered:?}, the rest took {:?}", begun.elapsed());
    assert!(people::count(&db, star).await.unwrap().is_empty());
    let tables = erasure(&db, &token).await.unwrap().unwrap().receipt.places["tables"].clone();
    let wanted =
        [("accounts", 1), ("conversations", FRIENDS * 2), ("identities", 1), ("outbox", 1), ("relation_sets", 1), ("relations", fans * 2)];
    assert_eq!(tables, BTreeMap::from(wanted.map(|(name, rows)| (name.to_owned(), rows))), "each row once");
    // Nobody counts her any more.
    let counted = db.all(&select("relation_sets", ["friends", "fans", "following", "blocked"])).await.unwrap();
    assert_eq!(counted.len() as u64, fans);
    let sum = |row: &db::Row| ["friends", "fans", "following", "blocked"].iter().map(|list| row.int(list).unwrap().abs()).sum::<i64>();
    assert_eq!(counted.iter().map(sum).sum::<i64>(), 0);
}

#[test]
fn stages_and_receipts_come_back() {
    for stage in [Stage::Waiting, Stage::Working, Stage::Done] {
        assert_eq!(Stage::of(stage.name()), stage);
    }
    let mut receipt = Receipt { people: 2, ..Receipt::default() };
    receipt.add("log", &BTreeMap::from([("inbox".to_owned(), 4)]));
    let again: Receipt = serde_json::from_str(&serde_json::to_string(&receipt).unwrap()).unwrap();
    assert_eq!(again, receipt);
}
