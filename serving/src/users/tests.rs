//! Profiles as rows and in the table, on every database: called by the suite of `db`.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use features::event::{Event, ProfileEvent};
use features::ids::UserId;
use features::profile::{Gender, Profile, Visibility};
use index::table::PortraitTable;
use sea_query::{Alias, Order};

use super::People;
use crate::db::Db;
use crate::db::statement::select;
use crate::http::ApiError;
use crate::state::Erased;

/// A node over a database, with its table.
fn node(db: &Db) -> (People, Arc<PortraitTable>) {
    let table = Arc::new(PortraitTable::default());
    (People::new(db.clone(), Arc::clone(&table), Erased::default()), table)
}

fn now() -> DateTime<Utc> {
    "2026-11-27T08:00:00Z".parse().unwrap()
}

fn profile(nickname: &str) -> Profile {
    Profile::new(nickname, Gender::Female, NaiveDate::from_ymd_opt(1996, 5, 4).unwrap(), now())
}

/// Events about somebody in the outbox, in the order in which they happened.
async fn events(db: &Db, user: UserId) -> Vec<ProfileEvent> {
    let mut wanted = select("outbox", ["event"]);
    wanted.order_by(Alias::new("id"), Order::Asc);
    let rows = db.all(&wanted).await.unwrap();
    let decoded = rows.iter().map(|row| Event::decode(row.text("event").unwrap().as_bytes()).unwrap());
    let mut found: Vec<_> = decoded.filter_map(|event| if let Event::Profile(event) = event { Some(event) } else { None }).collect();
    found.retain(|event| event.user_id == user);
    found.sort_by_key(|event| event.event_time);
    found
}

/// Two nodes over one database.
pub(crate) async fn suite(a: &Db, b: &Db) {
    nothing_is_lost(a, b).await;
    what_changes_nothing_is_no_change(a).await;
    who_came_by_an_import(a).await;
    erased(a).await;
    after_a_start(a, b).await;
}

/// Changes at the same time, by two nodes, from the first row on: each is made on what the one before left.
async fn nothing_is_lost(a: &Db, b: &Db) {
    let user = UserId(u64::MAX);
    let ((left, table), (right, _)) = (node(a), node(b));
    let add = async |people: &People, who: &str| {
        for n in 0..8 {
            let tag = format!("{who}{n}");
            let more = |old: Option<&Profile>| {
                let mut changed = old.cloned().unwrap_or_else(|| profile("小红"));
                changed.tags.push(tag.clone());
                Ok(changed)
            };
            people.change(user, now(), Some("r"), more).await.unwrap();
        }
    };
    tokio::join!(add(&left, "a"), add(&right, "b"), add(&left, "c"), add(&right, "d"));
    let kept = left.find(user).await.unwrap().unwrap();
    assert_eq!(kept.tags.iter().collect::<HashSet<_>>().len(), 32, "{:?}", kept.tags);
    assert_eq!(right.find(user).await.unwrap().as_ref(), Some(&kept), "both nodes read what was written last");
    let events = events(a, user).await;
    assert_eq!(events.len(), 32, "every change is an event");
    assert_eq!(events.iter().map(|event| event.event_id).collect::<HashSet<_>>().len(), 32);
    let revisions: Vec<u64> = events.iter().map(|event| event.profile.as_ref().unwrap().revision).collect();
    assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    for (n, event) in events.iter().enumerate() {
        assert_eq!((event.profile.as_ref().unwrap().tags.len(), event.request_id.as_deref()), (n + 1, Some("r")));
        assert_eq!(event.event_time.timestamp_micros().cast_unsigned(), revisions[n], "the stream has the order of the rows");
    }
    assert_eq!(events.last().unwrap().profile.as_ref(), Some(&kept));
    let mine = table.profile(user).unwrap();
    assert!(mine.tags.iter().any(|tag| tag == "a7") && mine.tags.iter().any(|tag| tag == "c7"), "what was answered here is in force here");
}

async fn what_changes_nothing_is_no_change(db: &Db) {
    let user = UserId(7);
    let (people, table) = node(db);
    let first = people.change(user, now(), None, |_| Ok(profile("小红"))).await.unwrap();
    assert_eq!(people.change(user, now(), None, |old| Ok(old.unwrap().clone())).await.unwrap(), first);
    let refused = people.change(user, now(), None, |_| Err(ApiError::Stale)).await;
    assert!(refused.is_err());
    assert_eq!(events(db, user).await.len(), 1);
    assert_eq!(*table.profile(user).unwrap(), first);
    // A clock that stands still, or steps back.
    let earlier = now() - chrono::TimeDelta::hours(1);
    let second = people.change(user, earlier, None, |_| Ok(profile("小绿"))).await.unwrap();
    assert_eq!(second.revision, first.revision + 1);
}

/// In the table only, until they change something.
async fn who_came_by_an_import(db: &Db) {
    let user = UserId(8);
    let (people, table) = node(db);
    table.overlay(user, &profile("Bob"));
    assert_eq!(people.find(user).await.unwrap(), Some(profile("Bob")));
    let hide = |old: Option<&Profile>| Ok(Profile { visibility: Some(Visibility::Hidden), ..old.unwrap().clone() });
    let hidden = people.change(user, now(), None, hide).await.unwrap();
    assert_eq!((hidden.nickname.as_str(), hidden.revision > 0), ("Bob", true));
    assert!(!table.profile(user).unwrap().visible());
    assert_eq!(node(db).0.find(user).await.unwrap(), Some(hidden), "there is a row now");
}

async fn erased(db: &Db) {
    let user = UserId(9);
    let (erased, table) = (Erased::default(), Arc::new(PortraitTable::default()));
    let people = People::new(db.clone(), Arc::clone(&table), erased.clone());
    let before = people.change(user, now(), None, |_| Ok(profile("Eve"))).await.unwrap();
    // As an erasure does it.
    erased.erase(user);
    table.remove(user);
    let mut tx = db.begin().await.unwrap();
    assert_eq!(crate::db::people::erase_some(&mut tx, user, 1_000).await.unwrap().get(super::PROFILES), Some(&1));
    tx.commit().await.unwrap();
    assert!(people.find(user).await.unwrap().is_none() && table.profile(user).is_none() && events(db, user).await.is_empty());
    // A portrait that was under way brings nobody back, and whoever comes back begins anew.
    table.overlay(user, &before);
    assert!(people.find(user).await.unwrap().is_none());
    let later = now() + chrono::TimeDelta::seconds(1);
    let again = people.change(user, later, None, |old| if old.is_none() { Ok(profile("Eva")) } else { Err(ApiError::Stale) }).await;
    assert!(again.unwrap().revision > before.revision && table.profile(user).unwrap().nickname == "Eva");
}

/// A table as a snapshot and the stream left it: behind, for some, and without others.
async fn after_a_start(a: &Db, b: &Db) {
    let (people, _) = node(a);
    let users: Vec<UserId> = (100..140u64).map(|n| UserId(if n.is_multiple_of(2) { n } else { u64::MAX - n })).collect();
    for user in &users {
        people.change(*user, now(), None, |_| Ok(profile("old"))).await.unwrap();
    }
    let (restarted, table) = node(b);
    let all = restarted.catch_up().await.unwrap();
    assert!(all >= users.len() && table.len() == all, "{all}");
    assert_eq!(restarted.catch_up().await.unwrap(), 0, "that is all");
    let hide = |old: Option<&Profile>| Ok(Profile { hidden: true, ..old.unwrap().clone() });
    for user in &users[..5] {
        people.change(*user, now(), None, hide).await.unwrap();
    }
    assert!(table.profile(users[0]).unwrap().visible());
    assert_eq!(restarted.catch_up().await.unwrap(), 5);
    assert!(users[..5].iter().all(|user| !table.profile(*user).unwrap().visible()));
}
