//! Whatever is sent, the answer is never a failure of the server.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, person};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["1", "2", "99", "like", "block", "male", "2026-01-01", "2026-01-01T00:00:00Z"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let names = vec![
            "items",
            "kind",
            "actor_id",
            "target_id",
            "author_id",
            "user_id",
            "text",
            "tags",
            "position",
            "lat",
            "lon",
            "nickname",
            "gender",
            "birth_date",
            "preferences",
            "genders",
            "created_at",
            "extend_data",
            "media",
            "answers",
            "visibility",
            "album",
            "amount",
            "valid_until",
            "source",
            "reference",
            "event_id",
            "event_time",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(names).prop_map(str::to_owned), inner, 0..7)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(("(viewer|limit|cursor|lat|lon|q|kind|x)", "[0-9a-zA-Z%.+-]{0,12}"), 0..5);
    parts.prop_map(|parts| parts.into_iter().map(|(k, v)| format!("{k}={}", v.replace('%', "%25"))).collect::<Vec<_>>().join("&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bodies_and_queries_never_fail_the_server() {
    let app = TestApp::start().await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&tests::parts::seed("random bodies and queries").to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let (values, queries) = (value(), query());
    for round in 0..150 {
        let body = values.new_tree(&mut runner).unwrap().current();
        let asked = queries.new_tree(&mut runner).unwrap().current();
        let mut like = json!({"kind": "like", "actor_id": "1", "target_id": "2"});
        if let (Value::Object(like), Value::Object(random)) = (&mut like, &body) {
            like.extend(random.clone());
        }
        let answers = [
            app.post("/v1/interactions", &body).await,
            app.post("/v1/interactions", &json!({"items": [like, body]})).await,
            app.post("/v1/presence", &json!({"items": [body]})).await,
            app.put("/v1/users/7", &body).await,
            app.send(Method::PATCH, "/v1/users/1", Some(&body)).await,
            app.put("/v1/users/7/entitlements/likes_per_day", &body).await,
            app.post("/v1/moments", &body).await,
            app.get(&format!("/v1/recommendations?{asked}")).await,
            app.get(&format!("/v1/search?{asked}")).await,
            app.send(Method::DELETE, &format!("/v1/moments/{round}"), Some(&body)).await,
            app.post("/v1/users/1/relations/2/report", &body).await,
            app.post(&format!("/v1/moments/{round}/comments?user=1&{asked}"), &body).await,
            app.get(&format!("/v1/users/1/fans?{asked}")).await,
            app.get(&format!("/v1/moments/{round}/comments?{asked}")).await,
        ];
        for answer in answers {
            assert!(answer.status < 500, "{body} or {asked}: {answer:?}");
            if answer.status >= 400 {
                answer.problem(answer.status);
            }
        }
    }
    assert_eq!(app.get("/readyz").await.status, 200);
    app.stop().await;
}
