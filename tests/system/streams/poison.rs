//! Records that nobody should have written, in every topic that anything reads: every job goes on, and what is good among them arrives.

use std::time::Duration;

use features::sets::feature_sets;
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, OutRecord};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, person};

use super::town::Town;

/// Values that are wrong anywhere.
fn anywhere() -> Vec<Option<Vec<u8>>> {
    let nested = [b"{\"kind\":".repeat(20_000), b"1".to_vec(), b"}".repeat(20_000)].concat();
    let huge = json!({"kind": "like", "text": "x".repeat(900_000)}).to_string().into_bytes();
    let texts: [&[u8]; 17] = [
        b"\xff\xfe\x00\x01",
        b"",
        b"\0",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b"\"like\"",
        b"{\"kind\":\"like\",",
        b"{\"kind\":null}",
        b"{\"kind\":\"wink\"}",
        b"{\"kind\":\"like\"}{\"kind\":\"like\"}",
        b"\xef\xbb\xbf{\"kind\":\"like\"}",
        b"{\"kind\":\"li\\u0000ke\"}",
        b"{\"kind\":\"\\ud800\"}",
        b"{\"kind\":\"like\",\"position\":1e999}",
        b"{\"before\":null,\"after\":null,\"op\":\"d\"}",
    ];
    texts.iter().map(|text| Some(text.to_vec())).chain([None, Some(nested), Some(huge)]).collect()
}

fn event(kind: &str, rest: Value) -> Vec<u8> {
    let mut event = json!({"event_id": uuid::Uuid::now_v7(), "event_time": "2026-11-01T00:00:00Z", "kind": kind});
    event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    event.to_string().into_bytes()
}

/// Well-formed events that no gate lets pass.
fn past_the_gate() -> Vec<(&'static str, Vec<u8>)> {
    let pair = json!({"actor_id": "901", "target_id": "902"});
    let at = |time: &str| json!({"actor_id": "901", "target_id": "902", "event_time": time});
    let mut profile = person("x", "female", "male");
    profile["birth_date"] = json!("-262143-01-01");
    profile["position"] = json!({"lat": 1e300, "lon": -1e300});
    profile["created_at"] = json!("+262142-12-31T23:59:59Z");
    vec![
        ("interactions", event("like", json!({"actor_id": "901", "target_id": "901"}))),
        ("interactions", event("impression", pair.clone())),
        ("interactions", event("comment", pair)),
        ("interactions", event("like", at("+262142-12-31T23:59:59Z"))),
        ("interactions", event("block", at("0001-01-01T00:00:00Z"))),
        ("interactions", event("impression", at("9999-12-31T23:59:60Z"))),
        ("interactions", event("like", json!({"actor_id": "901", "target_id": "902", "tags": ["a\0b", "", "x".repeat(10_000)]}))),
        ("interactions", event("app_open", json!({"user_id": "901"}))),
        ("moments", event("moment_published", json!({"moment_id": "901", "author_id": "901", "published_at": "-0001-01-01T00:00:00Z"}))),
        ("moments", event("moment_deleted", json!({"moment_id": "902", "author_id": "901", "published_at": "+262142-01-01T00:00:00Z"}))),
        ("profiles", event("profile_updated", json!({"user_id": "903", "profile": profile}))),
        ("profiles", event("profile_updated", json!({"user_id": "904"}))),
        ("presence", event("location", json!({"user_id": "901", "position": {"lat": 1e300, "lon": 0.0}}))),
        (
            "messages",
            event("message_sent", json!({"conversation_id": "", "sender_id": "1", "receiver_id": "1", "chars": 4_294_967_295u32})),
        ),
        ("decks", event("deck_served", json!({"deck_id": "d", "viewer_id": "1", "made_at": "2026-11-01T00:00:00Z", "seed": "1"}))),
    ]
}

/// What jobs write, as no job writes it.
fn derived() -> Vec<(String, Vec<u8>)> {
    let vector = |dim: usize, scale: f32| {
        let codes = ["AAAA", "AQID", "f39/gYGB"].concat().repeat(dim.div_ceil(12));
        json!({"scale": scale, "codes": codes})
    };
    let embedding = |dim: usize, scale: f32, at: &str| {
        json!({"subject": {"moment": "901"}, "user_id": "1", "event_time": at, "model": "hashing-256@1", "vector": vector(dim, scale)})
            .to_string()
            .into_bytes()
    };
    let portrait = |user: &str, dim: usize, scale: f32| {
        json!({"user_id": user, "version": 99_999_999_999_999u64, "generation": 1, "updated_at": "2026-11-01T00:00:00Z",
            "profile": person("poison", "female", "male"), "content": vector(dim, scale), "taste": vector(dim, scale), "model": "hashing-256@1"})
        .to_string()
        .into_bytes()
    };
    let mut all = vec![
        ("embeddings".to_owned(), embedding(12, 0.01, "2026-11-01T00:00:00Z")),
        ("embeddings".to_owned(), embedding(0, 0.01, "2026-11-01T00:00:00Z")),
        ("embeddings".to_owned(), embedding(12, 1e38, "+262142-12-31T00:00:00Z")),
        ("portraits".to_owned(), portrait("905", 12, 0.01)),
        ("portraits".to_owned(), portrait("906", 24, 1e38)),
    ];
    for set in feature_sets() {
        let row = |version: Value, generation: Value| {
            let mut row = json!({"version": version, "generation": generation});
            set.key_columns.iter().for_each(|column| row[column] = json!("907"));
            row.to_string().into_bytes()
        };
        all.push((set.topic(), row(json!(i64::MAX), json!(u32::MAX))));
        all.push((set.topic(), row(json!(i64::MIN), json!(0))));
        all.push((set.topic(), row(json!(u64::MAX), json!(-1))));
        all.push((set.topic(), row(json!(1.5), json!("1"))));
    }
    all
}

/// Everything of it, under keys of every kind.
fn flood() -> Vec<OutRecord> {
    let fixed = Topic::ALL.iter().map(|topic| topic.name().to_owned());
    let topics: Vec<String> = fixed.chain(feature_sets().iter().map(features::sets::FeatureSet::topic)).collect();
    let keys: [&[u8]; 7] = [b"", b"908", b"0", b"\xff\xfe", b"m:", b"p:x", b"m:18446744073709551616"];
    let mut all = Vec::new();
    for topic in &topics {
        for (n, value) in anywhere().into_iter().enumerate() {
            all.push(OutRecord::new(topic.clone(), keys[n % keys.len()], value));
        }
    }
    for (topic, value) in past_the_gate() {
        all.push(OutRecord::new(topic, "901", Some(value.clone())));
        all.push(OutRecord::new("inbox", "901", Some(value)));
    }
    let keyed = |topic: &str| if topic == "embeddings" { "m:901" } else { "905" };
    all.extend(derived().into_iter().map(|(topic, value)| {
        let key = keyed(&topic);
        OutRecord::new(topic, key, Some(value))
    }));
    all
}

/// Every job has read everything, none has failed.
async fn all_well(app: &TestApp) {
    app.until("every job has read everything", async || {
        let told = app.get("/v1/jobs").await.expect(200);
        told["jobs"].as_array().unwrap().iter().all(|job| job["lag"] == 0 && job["state"] == "running")
    })
    .await;
    let told = app.get("/v1/jobs").await.expect(200);
    for job in told["jobs"].as_array().unwrap() {
        assert!(job["restarts"] == 0 && job["last_error"].is_null(), "{job}");
    }
}

/// What somebody does goes all the way through every job.
async fn goes_through(app: &TestApp, one: u64, other: u64) {
    app.with_user(one, &person("小红", "female", "male")).await;
    app.with_user(other, &person("Bob", "male", "female")).await;
    let moment = json!({"author_id": other.to_string(), "title": "黄山", "text": format!("今天去爬山 number{other}"), "tags": ["爬山"]});
    app.post("/v1/moments", &moment).await.expect(201);
    app.interact("like", one, other).await;
    let town = Town::look(Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap());
    app.until("gate, runner, embedder and assembler have done their part", async || {
        let portrait = town.read("portraits").await.into_iter().rev().find(|record| record.key == Some(one.to_string().into_bytes()));
        let portrait: Value = portrait.and_then(|record| serde_json::from_slice(&record.value?).ok()).unwrap_or_default();
        portrait["counters"]["given.likes_given"] == 1.0 && portrait["taste"].is_object()
    })
    .await;
    let place = format!("{}/lake", app.folder().display());
    app.until("the lake has it", async || {
        let sql = format!("SELECT 1 FROM interactions WHERE actor_id = '{one}' AND kind = 'like'");
        let session = pipelines::query::session(&place).await.unwrap();
        let rows = async { session.sql(&sql).await?.count().await };
        rows.await.is_ok_and(|n: usize| n == 1)
    })
    .await;
    let wanted = other.to_string();
    app.until("the indexer has it", async || {
        let found = app.get(&format!("/v1/search?kind=moments&q=number{other}")).await;
        found.status == 200
            && found.json()["items"]
                .as_array()
                .is_some_and(|items| items.iter().any(|hit| hit["user_id"].as_str() == Some(wanted.as_str())))
    })
    .await;
    let page = app.recommend(one, 50).await;
    assert!(page["items"].as_array().unwrap().iter().all(|item| item["user_id"] != "905" && item["user_id"] != "906"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_in_any_topic_stops_a_job() {
    let app = TestApp::start_with(|config| config.lake.flush_s = 0.3).await;
    goes_through(&app, 1, 2).await;
    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let records = flood();
    assert!(records.len() > 400);
    bus.own_producer().unwrap().send_all(records).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    all_well(&app).await;
    goes_through(&app, 3, 4).await;
    all_well(&app).await;
    let town = Town::look(bus);
    let letters = town.read("dead_letters").await;
    let by = |job: &str| {
        let told = letters.iter().filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
        told.filter(|letter| letter["job"] == job).count()
    };
    for job in ["gate", "features", "lake", "assembler", "indexer"] {
        assert!(by(job) > 10, "{job} has told what it could not read: {}", by(job));
    }
    drop(town);
    // A start reads much of it again, here without the features' state.
    let folder = app.stop().await;
    std::fs::remove_dir_all(folder.path().join("state/features")).unwrap();
    let app = TestApp::start_in(folder, |config| config.lake.flush_s = 0.3).await;
    all_well(&app).await;
    goes_through(&app, 5, 6).await;
    assert_eq!(app.send(Method::GET, "/readyz", None).await.status, 200);
    app.stop().await;
}
