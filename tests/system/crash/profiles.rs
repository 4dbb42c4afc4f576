//! What people say of themselves.

use std::time::Duration;

use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tests::{KEY, person};

use super::{Node, all_records, caught_up};

const ROUNDS: u32 = 4;

async fn ask(client: &Client, node: &Node, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = client.request(method, format!("{}{path}", node.address)).bearer_auth(KEY);
    let answer = if let Some(body) = body { request.json(&body) } else { request }.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Killed as soon as the answer is there: what it says is in force from the first answer after the start on, and comes into the log once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_hidden_is_hidden_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut node = Node::start(folder.path(), &client).await;
    ask(&client, &node, Method::PUT, "/v1/users/1", Some(person("小红", "female", "male"))).await;
    ask(&client, &node, Method::PUT, "/v1/users/2", Some(person("阿强", "male", "female"))).await;
    let mut last = 0;
    for round in 0..ROUNDS {
        let visibility = if round % 2 == 0 { "hidden" } else { "visible" };
        let told = ask(&client, &node, Method::PATCH, "/v1/users/2", Some(json!({"visibility": visibility}))).await;
        node.kill();
        node = Node::start(folder.path(), &client).await;
        let judged = ask(&client, &node, Method::GET, "/v1/recommendations/judgement?viewer=1&candidate=2", None).await;
        assert_eq!(judged["removed"]["filter"] == "hidden", visibility == "hidden", "round {round}: {judged}");
        let read = ask(&client, &node, Method::GET, "/v1/users/2", None).await;
        assert_eq!((&read["visibility"], &read["revision"]), (&json!(visibility), &told["revision"]));
        let revision = told["revision"].as_u64().unwrap();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
    }
    caught_up(&node, &client).await;
    node.stop();
    let broker = EmbeddedBroker::start(BrokerConfig::new(folder.path().join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() }).unwrap();
    let filed = all_records(&bus, "profiles").await.into_iter().filter(|record| record.key.as_deref() == Some(b"2".as_slice()));
    let revisions: Vec<u64> = filed
        .map(|record| serde_json::from_slice::<Value>(&record.value.unwrap()).unwrap()["profile"]["revision"].as_u64().unwrap())
        .collect();
    assert!(revisions.is_sorted_by(|a, b| a < b) && revisions.last() == Some(&last), "{revisions:?} up to {last}");
    broker.shutdown().await;
}
