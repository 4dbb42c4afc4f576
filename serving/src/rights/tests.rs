use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::Event;
use features::ids::{EventId, UserId};
use sea_query::ExprTrait;

use super::receipt::{Receipt, Stage};
use super::store;
use super::{erasure, look, request_by_operator};
use crate::audit;
use crate::db::statement::{col, insert, select};
use crate::db::{self, Db, outbox, people};
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
    assert!(look(&db, &withheld).await.unwrap(), "somebody is new");
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
    assert!(!look(&db, &withheld).await.unwrap());
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
