//! Live traffic.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tests::{KEY, person};

use super::{Node, caught_up, filed};

const PEOPLE: u64 = 60;
const ROUNDS: u64 = 4;

/// What the server has acknowledged.
#[derive(Default)]
struct Acknowledged {
    likes: HashSet<String>,
    shown: HashMap<u64, Vec<String>>,
}

/// Likes and pages until the server is gone.
async fn traffic(address: String, client: Client, seen: Arc<Mutex<Acknowledged>>, seed: u64) {
    for step in 0u64.. {
        let actor = 1 + (seed + step * 7) % PEOPLE;
        let target = 1 + (actor + 1 + step * 3 % (PEOPLE - 1)) % PEOPLE;
        let id = uuid::Uuid::now_v7().to_string();
        let item = json!({"kind": "like", "actor_id": actor.to_string(), "target_id": target.to_string(), "event_id": id});
        let twice = json!({"items": [item.clone(), item]});
        let Ok(reply) = client.post(format!("{address}/v1/interactions")).bearer_auth(KEY).json(&twice).send().await else { return };
        let Ok(answer) = reply.json::<Value>().await else { return };
        if actor != target && answer["accepted"] == 2 {
            seen.lock().unwrap().likes.insert(id);
        }
        let page = format!("{address}/v1/recommendations?viewer={actor}&limit=2");
        let Ok(reply) = client.get(page).bearer_auth(KEY).send().await else { return };
        let Ok(answer) = reply.json::<Value>().await else { return };
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let ids = items.iter().map(|i| i["user_id"].as_str().unwrap().to_owned());
        seen.lock().unwrap().shown.entry(actor).or_default().extend(ids);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_once() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let seen = Arc::new(Mutex::new(Acknowledged::default()));
    let node = Node::start(folder.path(), &client).await;
    for id in 1..=PEOPLE {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        let put = client.put(format!("{}/v1/users/{id}", node.address)).bearer_auth(KEY).json(&person(&format!("p{id}"), gender, wants));
        assert_eq!(put.send().await.unwrap().status(), 200);
    }
    node.kill();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        let node = Node::start(folder.path(), &client).await;
        let workers: Vec<_> = (0..3)
            .map(|w| tokio::spawn(traffic(node.address.clone(), client.clone(), Arc::clone(&seen), seed + round * 100 + w * 17)))
            .collect();
        tokio::time::sleep(Duration::from_millis(700 + (seed * 37 + round * 911) % 1500)).await;
        node.kill();
        for worker in workers {
            worker.await.unwrap();
        }
    }
    let node = Node::start(folder.path(), &client).await;
    caught_up(&node, &client).await;
    node.stop();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let filed = filed(folder.path()).await;
    println!("{} likes acknowledged, {} interactions filed", seen.likes.len(), filed.len());
    assert!(seen.likes.len() > 20, "there was traffic");
    let lost: Vec<_> = seen.likes.iter().filter(|id| !filed.contains_key(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    for (viewer, shown) in &seen.shown {
        let distinct: HashSet<_> = shown.iter().collect();
        assert_eq!(distinct.len(), shown.len(), "{viewer} was shown somebody twice: {shown:?}");
    }
}
