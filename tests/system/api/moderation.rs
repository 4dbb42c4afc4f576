//! Texts that are not accepted: refused with their category and the remedy, in no log, and counted.

use serde_json::{Value, json};
use tests::{Answer, TestApp, person};

/// The refused fields; the answer never has the words back.
fn refused(answer: &Answer, words: &[&str]) -> Vec<String> {
    assert_eq!(answer.problem(422), "text_refused", "{answer:?}");
    assert!(words.iter().all(|word| !answer.text.contains(word)), "{}", answer.text);
    answer.json()["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_accepted_is_told_by_its_category() {
    let app = TestApp::start().await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    profiles(&app).await;
    moments(&app).await;
    comments(&app).await;
    let metrics = app.get("/metrics").await.text;
    for line in [
        "hongniang_moderation_total{kind=\"nickname\",category=\"contact\",verdict=\"refuse\"}",
        "hongniang_moderation_total{kind=\"moment\",category=\"contact\",verdict=\"flag\"}",
        "hongniang_moderation_total{kind=\"comment\",category=\"insult\",verdict=\"refuse\"}",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    app.stop().await;
}

async fn profiles(app: &TestApp) {
    let mut profile = person("加 Ｖ 信 abc123", "female", "male");
    profile["bio"] = json!("f.u.c.k this");
    profile["tags"] = json!(["爬山", "約砲"]);
    let answer = app.put("/v1/users/1", &profile).await;
    assert_eq!(refused(&answer, &["abc123", "f.u", "約"]), ["nickname", "bio", "tags"]);
    assert!(answer.text.contains("contact details") && answer.text.contains("insulting"), "{}", answer.text);
    assert_eq!(app.get("/v1/users/1").await.expect(200)["nickname"], "小红", "nothing of it was taken");
    profile = person("Scunthorpe 小红", "female", "male");
    profile["bio"] = json!("我做爱心早餐，cocktails in Essex");
    app.put("/v1/users/1", &profile).await.expect(200);
}

async fn moments(app: &TestApp) {
    let moment = |title: &str, text: &str, answer: &str| json!({"author_id": "1", "title": title, "text": text, "answers": [{"question": "Where?", "answer": answer}]});
    let answer = app.post("/v1/moments", &moment("高额返利", "约 炮", "网上賭場")).await;
    assert_eq!(refused(&answer, &["返利", "炮"]), ["title", "text", "answers.answer"]);
    app.post("/v1/moments", &moment("周末", "call 13800138000", "爬山")).await.expect(201);
}

async fn comments(app: &TestApp) {
    let item = |kind: &str, text: &str| json!({"kind": kind, "actor_id": "1", "target_id": "2", "moment_id": "7", "text": text});
    let batch = json!({"items": [item("comment", "you m0r0n"), item("reply", "拍得真好"), item("reply", "傻\u{200b}逼"), item("report", "he wrote: moron")]});
    let answer = app.post("/v1/interactions", &batch).await;
    let told = answer.expect(200);
    let codes: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|outcome| &outcome["code"]).collect();
    assert_eq!(codes, [&json!("text_refused"), &Value::Null, &json!("text_refused"), &Value::Null], "a report may quote");
    assert_eq!(told["accepted"], 2);
    assert_eq!(told["items"][0]["error"][0]["field"], "text");
    assert!(!answer.text.contains("m0r0n") && !answer.text.contains('傻'), "{}", answer.text);
}
