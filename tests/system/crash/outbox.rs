//! Events that were written together with rows.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use reqwest::Client;
use serving::db::{DatabaseConfig, Db, outbox};

use super::{Node, caught_up, filed};

const ROUNDS: u64 = 3;

fn like(n: u64) -> Event {
    let (actor_id, target_id) = (UserId(1 + n % 40), UserId(1 + (n % 40 + 1 + n / 40 % 38) % 40));
    let event_id = derived_event_id(&["outbox-crash", &n.to_string()]);
    Event::Interaction(InteractionEvent::new(event_id, Utc::now(), InteractionKind::Like, actor_id, target_id))
}

/// A room that writes rows and events into the database of a node that is killed again and again: every event that was committed is filed once, none
/// that was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_filed_once_if_its_row_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let (mut committed, mut dropped, mut n) = (HashSet::new(), HashSet::new(), 0u64);
    for round in 0..ROUNDS {
        let node = Node::start(folder.path(), &client).await;
        let db = Db::open(&DatabaseConfig::default(), folder.path()).await.unwrap();
        let stop = Duration::from_millis(700 + (seed * 37 + round * 911) % 1500);
        let until = tokio::time::Instant::now() + stop;
        let mut node = Some(node);
        // Some are committed after the kill: they wait for the next start.
        while node.is_some() || !n.is_multiple_of(50) {
            n += 1;
            let event = like(n);
            let mut tx = db.begin().await.unwrap();
            outbox::put(&mut tx, &db, &event, Utc::now()).await.unwrap();
            if n.is_multiple_of(7) {
                drop(tx);
                dropped.insert(event.event_id().to_string());
            } else {
                tx.commit().await.unwrap();
                committed.insert(event.event_id().to_string());
            }
            if tokio::time::Instant::now() > until
                && let Some(node) = node.take()
            {
                node.kill();
            }
        }
        db.close().await;
    }
    let node = Node::start(folder.path(), &client).await;
    caught_up(&node, &client).await;
    node.stop();
    let filed = filed(folder.path()).await;
    println!("{} events committed, {} not", committed.len(), dropped.len());
    assert!(committed.len() > 50 && !dropped.is_empty(), "there was something to lose");
    let lost: Vec<_> = committed.iter().filter(|id| !filed.contains_key(*id)).collect();
    assert!(lost.is_empty(), "committed and lost: {lost:?}");
    assert!(dropped.iter().all(|id| !filed.contains_key(id)), "what was not committed is not published");
}
