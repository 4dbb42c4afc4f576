//! Whoever is erased is in no file any more; everybody else is where they were.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::TimeDelta;
use features::event::Event;
use features::ids::UserId;
use object_store::ObjectStore;

use super::super::files::Files;
use super::super::forget::forget_in;
use super::super::*;
use super::compacting::plan;
use super::store::Faulty;
use super::{committed, ids, now, portraits};
use crate::forget::Names;
use crate::query::session;
use crate::snapshots::open_store;
use crate::testing;

fn names(people: &[UserId]) -> Names {
    Names::new(people, |_, _: &HashSet<u64>| false)
}

/// Whether an event names somebody; ids of Moments and conversations may be the same numbers.
fn about(event: &Event, user: UserId) -> bool {
    match event {
        Event::Interaction(i) => [i.actor_id, i.target_id].contains(&user),
        Event::Message(m) => [m.sender_id, m.receiver_id].contains(&user),
        event => event.actor() == user,
    }
}

/// Whom most events are about.
fn somebody(events: &[Event]) -> UserId {
    let users: BTreeSet<UserId> = events.iter().map(Event::actor).collect();
    users.into_iter().max_by_key(|user| events.iter().filter(|event| about(event, *user)).count()).unwrap()
}

async fn left_of(place: &str, user: UserId) -> u64 {
    forget(place, &names(&[user]), true, now()).await.unwrap().iter().map(|table| table.rows).sum()
}

#[tokio::test]
async fn rows_of_and_about_the_erased_go_and_all_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let events = testing::events(31, 1_200);
    committed(place, &testing::records(&events), 40).await;
    let gone = somebody(&events);
    let days: Vec<_> = (1..=3).map(|n| (gone.0, now() - TimeDelta::days(n))).chain([(gone.0 + 1_000_000, now())]).collect();
    committed(place, &portraits(&days), 2).await;
    // Files that a compaction has replaced are kept for hours: they have the person, too.
    compact(place, &plan(1), now(), &|_, _, _| {}).await.unwrap();
    assert!(super::walk(&dir.path().join("_replaced")) > 0);
    let all = ids(place).await.len();
    let would = forget(place, &names(&[gone]), true, now()).await.unwrap();
    assert_eq!(ids(place).await.len(), all, "a dry run does nothing");
    let done = forget(place, &names(&[gone]), false, now()).await.unwrap();
    assert_eq!(done, would);
    assert!(
        done.iter().any(|t| t.table == "interactions" && t.rows > 1) && done.iter().any(|t| t.table == "portraits" && t.rows == 3),
        "{done:?}"
    );
    let expected: BTreeSet<String> =
        events.iter().filter(|e| !about(e, gone) && e.topic().name() != "profiles").map(|e| e.event_id().to_string()).collect();
    let there = ids(place).await;
    assert_eq!((there.len(), there.into_iter().collect::<BTreeSet<_>>()), (expected.len(), expected));
    assert_eq!(session(place).await.unwrap().table("portraits").await.unwrap().count().await.unwrap(), 1);
    assert_eq!((left_of(place, gone).await, super::walk(&dir.path().join("_replaced"))), (0, 0));
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    assert_eq!(forget(place, &names(&[gone]), false, now()).await.unwrap(), [], "and again there is nothing to do");
    // The lake goes on: flushes, compactions, and the next one who leaves.
    committed(place, &testing::records(&testing::events(32, 60)), 20).await;
    compact(place, &plan(256), now(), &|_, _, _| {}).await.unwrap();
    let next = somebody(&events.iter().filter(|e| !about(e, gone)).cloned().collect::<Vec<_>>());
    assert!(left_of(place, next).await > 0);
    forget(place, &names(&[next]), false, now()).await.unwrap();
    assert_eq!(left_of(place, next).await, 0);
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
}

#[tokio::test]
async fn killed_at_any_point_nobody_elses_row_is_lost_or_doubled_and_the_next_one_ends_it() {
    let day = "2026-10-28".parse().unwrap();
    let mut events = testing::events(33, 500);
    events.retain(|event| event.event_time().date_naive() == day);
    let gone = somebody(&events);
    let others: BTreeSet<String> =
        events.iter().filter(|e| !about(e, gone) && e.topic().name() != "profiles").map(|e| e.event_id().to_string()).collect();
    let records = testing::records(&events);
    let mut killed = 0;
    for copies in [false, true] {
        for changes in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().to_str().unwrap();
            committed(place, &records, 20).await;
            let faulty = Arc::new(Faulty::new(open_store(place).unwrap(), changes, copies));
            let ended = forget_in(&Files::new(Arc::clone(&faulty) as Arc<dyn ObjectStore>), &names(&[gone]), false, now()).await;
            let there = ids(place).await;
            let once: BTreeSet<String> = there.iter().cloned().collect();
            assert_eq!(there.len(), once.len(), "after {changes} changes: no row is there twice");
            assert!(once.is_superset(&others), "after {changes} changes");
            forget(place, &names(&[gone]), false, now()).await.unwrap();
            assert_eq!(ids(place).await.into_iter().collect::<BTreeSet<_>>(), others, "after {changes} changes and another round");
            assert_eq!((left_of(place, gone).await, super::walk(&dir.path().join("_replaced"))), (0, 0), "after {changes} changes");
            assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, [], "after {changes} changes");
            if ended.is_ok() && faulty.left() > 0 {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 15, "only {killed} points");
}
