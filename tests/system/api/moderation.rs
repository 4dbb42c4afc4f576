//! Texts and photos that are not accepted: refused with their category and the remedy, in no log, and counted; by the lists and by a service.

use reqwest::Method;
use serde_json::{Value, json};
use serving::moderation::{SubjectKind, WhenDown};
use tests::{Answer, Judge, Mood, TestApp, person};

/// The refused fields; the answer never has the words back.
fn refused(answer: &Answer, words: &[&str]) -> Vec<String> {
    refused_as("text_refused", answer, words)
}

fn refused_as(code: &str, answer: &Answer, words: &[&str]) -> Vec<String> {
    assert_eq!(answer.problem(422), code, "{answer:?}");
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

/// What the service of these tests finds, beyond what the lists do.
const FINDS: [(&str, &str, Option<&str>); 5] = [
    ("杀猪盘", "scam", None),
    ("rich uncle", "scam", Some("flag")),
    ("nude", "裸露", None),
    ("maybe", "sexual", Some("flag")),
    ("不开心", "self_harm", None),
];

/// Somebody with a bio and photos.
fn shown(bio: &str, album: &[&str]) -> Value {
    let mut profile = person("小红", "female", "male");
    profile["bio"] = json!(bio);
    profile["album"] = json!(album);
    profile
}

/// A photo of a Moment.
fn with_photo(author: &str, text: &str, object: &str) -> Value {
    json!({"author_id": author, "text": text, "media": [{"kind": "video", "object": "m/1.mp4", "seconds": 3.0}, {"kind": "photo", "object": object}]})
}

/// What is in the queue about somebody, by the source: how many, and what is said of the last.
async fn queue(app: &TestApp, id: &str) -> Vec<Value> {
    let open = app.get("/v1/reviews").await.expect(200)["items"].as_array().unwrap().clone();
    open.into_iter()
        .filter(|entry| entry["user_id"] == id)
        .map(|entry| json!([entry["source"], entry["reports"], entry["about"][0]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_judges_what_the_lists_let_through() {
    let judge = Judge::open(&FINDS).await;
    let app = TestApp::start_with(|config| config.moderation.service = judge.config()).await;
    for id in [987_654_321, 2] {
        app.with_user(id, &person("Ann", "female", "male")).await;
    }
    let me = "/v1/users/987654321";
    let sent = |content: &str| judge.bodies().iter().filter(|body| body.to_string().contains(content)).count();
    // A profile: what the service finds is refused like what the lists find, in one answer.
    assert_eq!(refused(&app.put(me, &shown("这是杀猪盘", &["u/1.jpg"])).await, &["杀猪盘"]), ["bio"]);
    let answer = app.put(me, &shown("爬山 hiking", &["u/1.jpg", "u/nude.jpg"])).await;
    assert_eq!(refused_as("image_refused", &answer, &["nude", "裸露"]), ["album[1]"]);
    assert!(answer.text.contains("choose another one"), "{}", answer.text);
    assert_eq!(refused(&app.put(me, &shown("f.u.c.k", &["u/nude.jpg"])).await, &[]), ["bio", "album[0]"]);
    assert_eq!(
        (app.get(me).await.expect(200)["nickname"].clone(), sent("f.u.c.k")),
        (json!("Ann"), 0),
        "what the lists refuse is not sent"
    );
    // What is flagged is accepted, and raises the queue once; photos by their names.
    app.put(me, &shown("hiking with a rich uncle", &["u/1.jpg", "u/maybe.jpg"])).await.expect(200);
    let about = "the profile: scam; image u/maybe.jpg of the profile: sexual";
    app.until("the profile is in the queue", async || queue(&app, "987654321").await == [json!(["text", 1, about])]).await;
    // What stood there is not judged again, and nobody is named.
    app.send(Method::PATCH, me, Some(&json!({"occupation": "教师", "album": ["u/maybe.jpg", "u/2.jpg", "u/1.jpg"]}))).await.expect(200);
    assert_eq!((sent("u/1.jpg"), sent("u/2.jpg"), sent("教师"), sent("987654321")), (1, 1, 1, 0));
    // Moments, and comments each for itself.
    let answer = app.post("/v1/moments", &with_photo("2", "周末", "m/nude.jpg")).await;
    assert_eq!(refused_as("image_refused", &answer, &["nude"]), ["media[1].object"]);
    app.post("/v1/moments", &with_photo("2", "今天不开心 feeling low", "m/maybe.jpg")).await.expect(201);
    app.until("the Moment is in the queue", async || {
        let queue = queue(&app, "2").await;
        queue.len() == 1 && queue[0][1] == 1 && queue[0].to_string().contains(": self_harm; image m/maybe.jpg of Moment ")
    })
    .await;
    let comment = |text: &str| json!({"kind": "comment", "actor_id": "2", "target_id": "987654321", "moment_id": "7", "text": text});
    let told = app
        .post("/v1/interactions", &json!({"items": [comment("拍得真好"), comment("加入杀猪盘"), comment("nice rich uncle")]}))
        .await
        .expect(200);
    let codes: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!((codes, &told["items"][1]["error"][0]["field"]), (vec![&Value::Null, &json!("text_refused"), &Value::Null], &json!("text")));
    app.until("the comment is counted", async || queue(&app, "2").await[0][1] == 2).await;
    let metrics = app.get("/metrics").await.text;
    for line in [
        "hongniang_moderation_total{kind=\"image\",category=\"other\",verdict=\"refuse\"}",
        "hongniang_moderation_total{kind=\"image\",category=\"sexual\",verdict=\"flag\"}",
        "hongniang_moderation_service_total{kind=\"comment\",outcome=\"ok\"}",
        "hongniang_moderation_service_seconds",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(judge.unsigned(), 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_service_is_none_of_ours_and_no_flag_is_lost() {
    let judge = Judge::open(&FINDS).await;
    let app = TestApp::start_with(|config| config.moderation.service = judge.config()).await;
    for id in [3, 4] {
        app.with_user(id, &person("Ann", "female", "male")).await;
    }
    judge.set(Mood::Status(503));
    app.put("/v1/users/3", &shown("爬山 hiking", &["u/nude.jpg"])).await.expect(200);
    let comment = json!({"kind": "comment", "actor_id": "4", "target_id": "3", "moment_id": "7", "text": "加微信 abc123, 杀猪盘"});
    let report = json!({"kind": "report", "actor_id": "3", "target_id": "4", "text": "他是骗子 a fraud"});
    assert_eq!(app.post("/v1/interactions", &json!({"items": [comment, report]})).await.expect(200)["accepted"], 2);
    // Reports, and what the lists find, do not wait for the service.
    app.until("the rest of the queue goes on", async || {
        queue(&app, "4").await.iter().map(|entry| entry[2].clone()).collect::<Vec<_>>().len() == 2
    })
    .await;
    assert!(queue(&app, "4").await.contains(&json!(["text", 1, "a comment: contact"])), "{:?}", queue(&app, "4").await);
    assert_eq!(queue(&app, "3").await, Vec::<Value>::new());
    // It is there again, also after a restart of ours.
    judge.set(Mood::Well);
    let app = TestApp::start_in(app.stop().await, |config| config.moderation.service = judge.config()).await;
    app.until("the photo is in the queue", async || {
        queue(&app, "3").await == [json!(["image", 1, "image u/nude.jpg of the profile: other"])]
    })
    .await;
    app.until("the comment counts once, with all that was found", async || {
        queue(&app, "4").await.contains(&json!(["text", 1, "a comment: contact, scam"]))
    })
    .await;
    let metrics = app.get("/metrics").await.text;
    for line in [
        "hongniang_moderation_unjudged_total{kind=\"image\",verdict=\"accept\"}",
        "hongniang_moderation_service_total{kind=\"image\",outcome=\"status\"}",
        "hongniang_reviews_pending_total{outcome=\"judged\"}",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_operator_wants_it_nothing_is_accepted_unjudged() {
    let judge = Judge::open(&FINDS).await;
    let app = TestApp::start_with(|config| {
        config.moderation.service = judge.config();
        config.moderation.service.when_down = WhenDown::Refuse;
        config.moderation.service.timeout_ms = 500;
        config.moderation.service.kinds = vec![SubjectKind::Bio, SubjectKind::Image, SubjectKind::Comment];
    })
    .await;
    // On a slow machine it may be late although it is well.
    app.until("somebody is there", async || app.put("/v1/users/5", &person("Ann", "female", "male")).await.status == 200).await;
    app.until("and somebody else", async || app.put("/v1/users/6", &person("Bob", "male", "female")).await.status == 200).await;
    let unavailable = |answer: &Answer| {
        assert_eq!(answer.problem(503), "moderation_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|s| s > 0), "{answer:?}");
    };
    judge.set(Mood::Says("<html>维护中 maintenance</html>".to_owned()));
    unavailable(&app.put("/v1/users/5", &shown("爬山和读书", &[])).await);
    judge.set(Mood::Slow);
    unavailable(&app.put("/v1/users/5", &shown("hiking and books", &[])).await);
    unavailable(&app.post("/v1/moments", &with_photo("5", "周末", "m/1.jpg")).await);
    let comment = json!({"kind": "comment", "actor_id": "5", "target_id": "6", "moment_id": "7", "text": "拍得真好 lovely"});
    let pass = json!({"kind": "pass", "actor_id": "5", "target_id": "6"});
    let told = app.post("/v1/interactions", &json!({"items": [comment, pass]})).await.expect(200);
    assert_eq!((&told["items"][0]["code"], &told["accepted"]), (&json!("moderation_unavailable"), &json!(1)), "{told}");
    // What it is not asked of, what stood there before, and what is refused anyhow goes on.
    app.send(Method::PATCH, "/v1/users/5", Some(&json!({"nickname": "小芳", "height_cm": 165}))).await.expect(200);
    app.post("/v1/moments", &json!({"author_id": "5", "text": "周末一起爬山 a hike"})).await.expect(201);
    assert_eq!(refused(&app.put("/v1/users/5", &shown("约 炮", &["u/1.jpg"])).await, &["炮"]), ["bio"]);
    assert_eq!(app.get("/v1/users/5").await.expect(200)["nickname"], "小芳");
    let metrics = app.get("/metrics").await.text;
    for line in [
        "hongniang_moderation_service_total{kind=\"bio\",outcome=\"answer\"}",
        "hongniang_moderation_service_total{kind=\"bio\",outcome=\"timeout\"}",
        "hongniang_moderation_unjudged_total{kind=\"bio\",verdict=\"refuse\"}",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    judge.set(Mood::Well);
    app.until("it is accepted again", async || app.put("/v1/users/5", &shown("hiking and books", &[])).await.status == 200).await;
    app.stop().await;
}
