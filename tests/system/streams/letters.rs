//! What was refused is listed, shown, corrected and sent again, by the commands people use; nothing of it is lost or counted twice.

use std::process::Command;

use features::topic::Topic;
use pipelines::bus::OutRecord;
use serde_json::{Value, json};
use tests::{Run, binary};
use tokio::task::block_in_place;

use super::town::{Town, until};

struct Desk<'a>(&'a Town);

impl Desk<'_> {
    fn run(&self, words: &[&str]) -> Run {
        let mut command = Command::new(binary());
        command.env_remove("VISUAL").env("EDITOR", "sed -i s/wink/app_open/").args(["dead-letters"]).args(words);
        let brokers = &self.0.bus.config().brokers;
        let folder = self.0.dir.path();
        block_in_place(|| command.args(["--log", "error", "--brokers", brokers]).current_dir(folder).output().unwrap()).into()
    }

    fn list(&self, words: &[&str]) -> Vec<Value> {
        self.run(&[&["list", "--format", "json"], words].concat()).well().json().as_array().unwrap().clone()
    }

    fn id(&self, reason: &str) -> String {
        let found = self.list(&["--reason", reason]);
        assert_eq!(found.len(), 1, "{reason}: {found:?}");
        found[0]["id"].as_str().unwrap().to_owned()
    }
}

const ID: &str = "01903a5e-7b7c-7000-8000-00000000000";

fn letters() -> Vec<OutRecord> {
    let event = |n: u32, rest: Value| {
        let mut event = json!({"event_id": format!("{ID}{n}"), "event_time": "2026-11-01T00:00:00Z"});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event.to_string().into_bytes()
    };
    let values = [
        event(1, json!({"kind": "like", "actor_id": "7", "target_id": "7"})),
        event(2, json!({"kind": "wink", "user_id": "7"})),
        event(3, json!({"kind": "like", "actor_id": "7", "target_id": "8", "position": "third"})),
        b"{\"kind\":\"like\",\n \"actor_id\" \"7\"}".to_vec(),
        event(5, json!({"kind": "comment", "actor_id": "7", "target_id": "8", "text": "x".repeat(3_000), "moment_id": "4"})),
    ];
    values.into_iter().map(|value| OutRecord::new(Topic::Inbox.name(), "7", Some(value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_found_shown_corrected_and_sent_once() {
    let town = Town::begin().await;
    let gate = town.gate();
    let desk = Desk(&town);
    let mut records = letters();
    records[0].headers.push(("trace".to_owned(), b"t-1".to_vec()));
    town.report(records).await;
    let filed = async |topic: &str, n: usize| {
        until(|| async {
            let there = town.read(topic).await.len();
            if there == n { Ok(()) } else { Err(format!("{there} of {n} in {topic}")) }
        })
        .await;
    };
    filed("dead_letters", 5).await;
    assert!(desk.list(&[]).iter().all(|l| l["state"] == "open" && l["job"] == "gate"));
    assert_eq!((desk.list(&["--since", "1h"]).len(), desk.list(&["--since", "2099-01-01"]).len()), (5, 0));
    let causes = desk.list(&["--by", "reason"]);
    assert!(causes.len() == 5 && causes.iter().any(|c| c["reason"] == "text: has # characters; # to # are allowed"), "{causes:?}");

    shown(&desk);
    fixed(&desk);
    filed("interactions", 2).await;
    filed("presence", 1).await;
    assert_eq!(desk.list(&["--state", "fixed"]).len(), 3);
    assert_eq!(desk.list(&["--state", "open"]).len(), 2);

    // Nothing that is left would pass now, and what was sent is not sent again.
    let left = desk.run(&["replay", "--all", "--format", "json"]).well();
    let outcomes: Vec<Value> = left.json().as_array().unwrap().iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, ["still refused", "still refused"], "{}", left.out);
    assert!(left.err.contains("0 of 2 letters sent"), "{}", left.err);
    let again = desk.run(&["fix", &desk.id("target_id"), "--set", "target_id=9", "--again"]).well();
    assert!(again.err.contains("sent to inbox"), "{}", again.err);
    town.report(vec![OutRecord::new("inbox", "7", Some(br#"{"kind":"nod"}"#.to_vec()))]).await;
    filed("dead_letters", 6).await;
    assert_eq!(town.read("interactions").await.len(), 2, "the repeat is known by its id");
    gate.end().await;
}

fn shown(desk: &Desk<'_>) {
    let own = desk.id("target_id");
    let text = desk.run(&["show", &own]).well().out;
    for part in [
        "reason   target_id: is the actor",
        "origin   inbox/",
        "key 7",
        "header   trace = t-1",
        ">   \"target_id\": \"7\"",
        "state    open",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let cut = desk.run(&["show", &desk.id("expected `:`")]).well().out;
    assert!(cut.contains("reading ends at line 2, column 13") && cut.contains("^"), "{cut}");
    let raw = desk.run(&["show", &desk.id("expected `:`"), "--raw"]).well().out;
    assert_eq!(raw, "{\"kind\":\"like\",\n \"actor_id\" \"7\"}");
    let json = desk.run(&["show", &own, "--format", "json"]).well().json();
    assert_eq!((json["fields"][0].as_str(), json["value"]["kind"].as_str()), (Some("target_id"), Some("like")));
    desk.run(&["show", "0-999999"]).fails_naming(&["there is no letter 0-999999"]);
}

fn fixed(desk: &Desk<'_>) {
    let own = desk.id("target_id");
    desk.run(&["fix", &own, "--set", "target_id=0"]).fails_naming(&["would be refused", "is not an id"]);
    desk.run(&["fix", &own, "--set", "target_id=8", "--set", &format!("event_id={ID}9")]).fails_naming(&["event_id", "keep it"]);
    let dry = desk.run(&["fix", &own, "--set", "target_id=8", "--dry-run"]).well();
    assert!(dry.err.contains("would be sent") && dry.err.contains("`interactions`"), "{}", dry.err);
    desk.run(&["fix", &own, "--set", "target_id=8"]).well();
    desk.run(&["fix", &own, "--set", "target_id=8"]).fails_naming(&["was fixed at", "--again"]);
    // In an editor; and from a file.
    let wink = desk.run(&["fix", &desk.id("wink")]).well();
    assert!(wink.err.contains("`presence`"), "{}", wink.err);
    let right = json!({"event_id": format!("{ID}3"), "event_time": "2026-11-01T00:00:00Z", "kind": "like", "actor_id": "7", "target_id": "8", "position": 3});
    std::fs::write(desk.0.dir.path().join("right.json"), right.to_string()).unwrap();
    desk.run(&["fix", &desk.id("invalid type"), "--with", "right.json"]).well();
    desk.run(&["fix", &desk.id("expected `:`"), "--set", "a=1"]).fails_naming(&["no JSON", "--with FILE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_whose_cause_is_gone_are_sent_again_once() {
    let town = Town::begin().await;
    let desk = Desk(&town);
    // As an older version left them, which did not know what this one does, or was too strict.
    let event =
        json!({"event_id": format!("{ID}1"), "event_time": "2026-11-01T00:00:00Z", "kind": "like", "actor_id": "7", "target_id": "8"});
    let record = |topic: &str, value: Vec<u8>| pipelines::bus::Record {
        topic: topic.into(),
        partition: 0,
        offset: 4,
        timestamp_ms: 0,
        key: Some(b"7".to_vec()),
        value: Some(value),
        headers: vec![],
    };
    let now = "2026-11-02T00:00:00Z".parse().unwrap();
    let letter =
        |topic: &str, value: &[u8]| pipelines::dead_letters::letter("gate", &record(topic, value.to_vec()), "unknown kind `like`", now);
    let good = event.to_string().into_bytes();
    let long = vec![b'x'; pipelines::dead_letters::MAX_RAW + 1];
    town.report(vec![letter("inbox", &good), letter("features.given", b"{}"), letter("inbox", &long), letter("interactions", &good)]).await;
    desk.run(&["replay"]).fails_naming(&["--reason", "--all"]);
    let words = ["replay", "--reason", "unknown KIND", "--format", "json"];
    let outcomes = |words: &[&str]| {
        let rows = desk.run(words).well().json();
        let mut outcomes: Vec<String> = rows.as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect();
        outcomes.sort();
        outcomes
    };
    assert_eq!(outcomes(&[&words[..], &["--dry-run"]].concat()), ["cut", "derived", "would be sent", "would be sent"]);
    assert!(town.read("inbox").await.is_empty(), "a dry run sends nothing");
    assert_eq!(outcomes(&words), ["cut", "derived", "sent", "sent"]);
    assert_eq!(outcomes(&words), ["cut", "derived"], "a second call finds the others only");
    assert_eq!((town.read("inbox").await.len(), desk.list(&["--state", "replayed"]).len(), desk.list(&[]).len()), (2, 2, 4));
    let gate = town.gate();
    until(|| async { if town.read("interactions").await.len() == 1 { Ok(()) } else { Err("one like".to_owned()) } }).await;
    gate.end().await;
    assert_eq!(town.read("dead_letters").await.len(), 4, "letters stay");
    assert!(town.read("replays").await.iter().all(|mark| mark.key.is_some()));
}
