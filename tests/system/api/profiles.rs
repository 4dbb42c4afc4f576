//! Profiles over HTTP: one's own, those of others, who gets to see whom, and what people may do how often.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, person};

use super::logins::{Inbox, ask, log_in};

/// Somebody with a session.
struct Login {
    id: String,
    token: String,
}

impl Login {
    async fn new(app: &TestApp, inbox: &Inbox, phone: &str) -> Self {
        let login = log_in(app, inbox, phone, "").await;
        let part = |name: &str| login[name].as_str().unwrap().to_owned();
        Self { id: part("user_id"), token: part("access_token") }
    }

    async fn ask(&self, app: &TestApp, method: Method, path: &str, body: Option<&Value>) -> Answer {
        ask(app, &self.token, method, path, body).await
    }

    async fn see(&self, app: &TestApp, other: &str) -> Answer {
        self.ask(app, Method::GET, &format!("/v1/users/{other}"), None).await
    }

    /// A request with a header more.
    async fn with(&self, app: &TestApp, (name, value): (&str, &str), method: Method, path: &str, body: &Value) -> Answer {
        let request = reqwest::Client::new().request(method, format!("{}{path}", app.address)).bearer_auth(&self.token);
        app.read(request.header(name, value).json(body)).await
    }
}

async fn start(inbox: &Inbox) -> TestApp {
    TestApp::start_with(|config| inbox.configure(&mut config.auth)).await
}

fn profile(nickname: &str) -> Value {
    let mut profile = person(nickname, "female", "male");
    profile.as_object_mut().unwrap().remove("created_at");
    profile
}

async fn patch(app: &TestApp, id: u64, patch: Value) -> Value {
    app.send(Method::PATCH, &format!("/v1/users/{id}"), Some(&patch)).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_fills_in_their_profile_bit_by_bit() {
    let inbox = Inbox::open().await;
    let app = start(&inbox).await;
    let ann = Login::new(&app, &inbox, "+8613812345678").await;
    assert_eq!(ann.ask(&app, Method::GET, "/v1/me", None).await.problem(404), "unknown_user");
    assert_eq!(ann.ask(&app, Method::PATCH, "/v1/me", Some(&json!({"bio": "x"}))).await.problem(404), "unknown_user");
    let made = ann.ask(&app, Method::PUT, "/v1/me", Some(&profile("小红"))).await;
    let first = made.header("etag").to_owned();
    let told = made.expect(200);
    assert_eq!((&told["user_id"], &told["visibility"], &told["completeness"]["score"]), (&json!(ann.id), &json!("visible"), &json!(30)));
    let lacks = |told: &Value| {
        let missing = told["completeness"]["missing"].as_array().unwrap().clone();
        missing.iter().map(|part| part["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lacks(&told), ["height_cm", "education", "occupation", "languages", "tags", "photos", "photos"]);

    let more =
        json!({"height_cm": 168, "languages": ["zh", "en"], "album": ["photos/1", "photos/2"], "preferences": {"max_distance_km": 30}});
    let answer = ann.with(&app, ("accept-language", "zh-CN"), Method::PATCH, "/v1/me", &more).await;
    let told = answer.expect(200);
    assert_eq!(
        told["completeness"],
        json!({"score": 60, "missing": [
        {"field": "education", "points": 10, "hint": "填写学历"}, {"field": "occupation", "points": 10, "hint": "填写职业"},
        {"field": "tags", "points": 10, "hint": "至少填写 3 个兴趣"}, {"field": "photos", "points": 10, "hint": "至少上传 3 张照片"}]})
    );
    assert_eq!((&told["photos"], &told["preferences"]["max_age"], &told["bio"]), (&json!(2), &json!(60), &profile("")["bio"]), "{told}");
    let read = ann.ask(&app, Method::GET, "/v1/me", None).await;
    assert_eq!((read.header("etag"), &read.expect(200)["height_cm"]), (answer.header("etag"), &json!(168)));
    assert_ne!(first, answer.header("etag"));

    // Written over what has changed meanwhile, or at the first login only.
    let late = ann.with(&app, ("if-match", &first), Method::PATCH, "/v1/me", &json!({"city": "北京"})).await;
    assert_eq!(late.problem(412), "precondition_failed");
    assert_eq!(ann.with(&app, ("if-none-match", "*"), Method::PUT, "/v1/me", &profile("x")).await.problem(412), "precondition_failed");
    let fresh = ann.with(&app, ("if-match", answer.header("etag")), Method::PATCH, "/v1/me", &json!({"city": "北京"})).await;
    assert_eq!(fresh.expect(200)["city"], "北京");
    let nothing = ann.ask(&app, Method::PATCH, "/v1/me", Some(&json!({"city": "北京"}))).await;
    assert_eq!((nothing.status, nothing.header("etag")), (200, fresh.header("etag")), "what changes nothing is no change");

    refusals(&app, &ann).await;
    let app = TestApp::start_in(app.stop().await, |config| inbox.configure(&mut config.auth)).await;
    assert_eq!(ann.ask(&app, Method::GET, "/v1/me", None).await.header("etag"), fresh.header("etag"), "and after a restart");
    app.stop().await;
}

async fn refusals(app: &TestApp, ann: &Login) {
    let patch = async |patch: Value| ann.ask(app, Method::PATCH, "/v1/me", Some(&patch)).await;
    for field in ["virtual", "banned", "verified"] {
        assert_eq!(patch(json!({ field: true })).await.problem(403), "forbidden", "{field}");
    }
    for (wrong, field) in [
        (json!({"birth_date": "2015-01-01"}), "birth_date"),
        (json!({"preferences": {"min_age": 17}}), "preferences.min_age"),
        (json!({"height_cm": "tall"}), "height_cm"),
        (json!({"gender": null}), "body"),
        (json!({"visibility": "invisible"}), "visibility"),
        (json!({"extend_data": {"a": "x".repeat(17_000)}}), "extend_data"),
        (json!("nothing"), "body"),
    ] {
        let answer = patch(wrong).await;
        assert_eq!(
            (answer.problem(422).as_str(), &answer.json()["fields"][0]["field"]),
            ("invalid_fields", &json!(field)),
            "{}",
            answer.text
        );
    }
    let chinese = ann.with(app, ("accept-language", "zh"), Method::PATCH, "/v1/me", &json!({"height_cm": 20})).await;
    assert!(chinese.expect(422)["fields"][0]["message"].as_str().unwrap().contains("不在 100 至 250 之间"), "{}", chinese.text);
    assert_eq!(patch(json!({"nickname": "加 V 信 abc123"})).await.problem(422), "text_refused");
    let theirs = json!({"created_at": "2001-01-01T00:00:00Z", "revision": 1, "user_id": "1", "age": 99});
    let told = patch(theirs).await.expect(200);
    assert!(!told["created_at"].as_str().unwrap().starts_with("2001") && told["user_id"] == json!(ann.id), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_what_is_for_them_and_nobody_who_hides() {
    let inbox = Inbox::open().await;
    let app = start(&inbox).await;
    let ann = Login::new(&app, &inbox, "+8613812345678").await;
    ann.ask(&app, Method::PUT, "/v1/me", Some(&profile("小红"))).await.expect(200);
    let mut bob = person("Bob", "male", "female");
    let more = json!({"extend_data": {"secret": 1}, "virtual": true, "verified": true, "album": ["photos/2"], "education": "master"});
    bob.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.with_user(2, &bob).await;
    let seen = ann.see(&app, "2").await.expect(200);
    let told: BTreeSet<&str> = seen.as_object().unwrap().keys().map(String::as_str).collect();
    let public = "age album bio city distance education gender languages nickname photos tags user_id verified virtual";
    assert_eq!(told, public.split(' ').collect::<BTreeSet<_>>());
    assert_eq!((&seen["age"], &seen["distance"]), (&json!(30), &json!("<5 km")));
    assert_eq!((&seen["virtual"], &seen["verified"], &seen["photos"]), (&json!(true), &json!(true), &json!(1)));
    let page = ann.ask(&app, Method::GET, &format!("/v1/recommendations?viewer={}", ann.id), None).await.expect(200);
    assert_eq!((&page["items"][0]["user_id"], &page["items"][0]["virtual"]), (&json!("2"), &json!(true)), "{page}");

    let gone = async || ann.see(&app, "2").await.problem(404);
    let unknown = ann.see(&app, "3").await;
    assert_eq!(unknown.problem(404), "unknown_user");
    for state in [json!({"visibility": "paused"}), json!({"visibility": "hidden"}), json!({"visibility": "visible", "banned": true})] {
        patch(&app, 2, state.clone()).await;
        assert_eq!((gone().await.as_str(), &ann.see(&app, "2").await.text), ("unknown_user", &unknown.text), "{state}");
        app.get("/v1/users/2").await.expect(200);
    }
    // Friends see each other, unless one is banned.
    let mine: u64 = ann.id.parse().unwrap();
    app.interact("follow", mine, 2).await;
    app.interact("follow", 2, mine).await;
    assert_eq!(gone().await, "unknown_user");
    for visibility in ["paused", "hidden"] {
        patch(&app, 2, json!({"visibility": visibility, "banned": false})).await;
        assert_eq!(ann.see(&app, "2").await.expect(200)["nickname"], "Bob");
    }
    patch(&app, 2, json!({"visibility": "visible"})).await;
    ann.see(&app, "2").await.expect(200);
    app.interact("block", 2, mine).await;
    assert_eq!(gone().await, "unknown_user");
    app.stop().await;
}

/// The distance in the view of a profile is bounded as that of recommendations is.
#[tokio::test(flavor = "multi_thread")]
async fn moving_about_tells_no_more_than_recommendations_do() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.recommend.places_per_hour = 1;
    })
    .await;
    let ann = Login::new(&app, &inbox, "+8613812345678").await;
    ann.ask(&app, Method::PUT, "/v1/me", Some(&profile("小红"))).await.expect(200);
    app.with_user(2, &person("Bob", "male", "female")).await;
    let seen_from = async |lat: f64| {
        let here = json!({"position": {"lat": lat, "lon": 121.47}});
        ann.ask(&app, Method::PATCH, "/v1/me", Some(&here)).await.expect(200);
        ann.see(&app, "2").await.expect(200)["distance"].as_str().unwrap().to_owned()
    };
    assert_eq!(seen_from(31.23).await, "<5 km");
    assert_eq!(seen_from(33.0).await, ">100 km", "one change an hour");
    for lat in [31.5, 31.3, 31.23] {
        assert_eq!(seen_from(lat).await, ">100 km", "and no more");
    }
    let nowhere = json!({"position": null});
    ann.ask(&app, Method::PATCH, "/v1/me", Some(&nowhere)).await.expect(200);
    assert_eq!(ann.see(&app, "2").await.expect(200)["distance"], "unknown");
    app.stop().await;
}

fn ids(page: &Value) -> BTreeSet<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().parse().unwrap()).collect()
}

/// In a deck that is on the table, in a new one, in search, by an address: from the answer on, whatever the stream still brings, and after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_hides_or_pauses_is_gone_at_once() {
    let app = TestApp::start_with(|config| config.ranker.deck.exposure_window_days = 0).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    for id in 2..8 {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    let moment = json!({"author_id": "2", "text": "周末去黄山看日出"});
    let moment = app.post("/v1/moments", &moment).await.expect(201)["moment_id"].as_str().unwrap().to_owned();
    let found = async |kind: &str, q: &str| ids(&app.get(&format!("/v1/search?kind={kind}&q={q}&viewer=1&limit=50")).await.expect(200));
    let all = async || found("people", "hiking").await.len() >= 6 && found("moments", "日出").await.contains(&2);
    app.until("all are found", async || all().await && app.get(&format!("/v1/moments/{moment}")).await.status == 200).await;
    let first = app.recommend(1, 1).await;
    let shown = ids(&first);
    patch(&app, 2, json!({"visibility": "paused"})).await;
    patch(&app, 3, json!({"visibility": "hidden"})).await;
    let rest = app.get(&format!("/v1/recommendations?viewer=1&limit=50&cursor={}", first["cursor"].as_str().unwrap())).await.expect(200);
    let left: BTreeSet<u64> = (4..8).filter(|id| !shown.contains(id)).collect();
    assert_eq!(ids(&rest), left, "of a deck that was made before");
    // The tags, the counters and everything else of them go on coming while they are hidden.
    for id in [2, 3] {
        app.interact("like", 1, id).await;
        app.interact("unfollow", 1, id).await;
    }
    assert!(found("people", "hiking").await.is_disjoint(&[2, 3].into()) && !found("moments", "日出").await.contains(&2));
    app.get(&format!("/v1/moments/{moment}")).await.expect(200);
    let app = TestApp::start_in(app.stop().await, |config| config.ranker.deck.exposure_window_days = 0).await;
    let page = app.recommend(1, 50).await;
    assert!(ids(&page).is_disjoint(&[2, 3].into()) && ids(&page).len() == 4, "{page}");
    patch(&app, 2, json!({"visibility": "visible"})).await;
    assert_eq!(app.get("/v1/users/2").await.expect(200)["hidden"], false);
    let judged = app.get("/v1/recommendations/judgement?viewer=1&candidate=3").await.expect(200);
    assert_eq!(judged["removed"]["filter"], "hidden", "{judged}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_lose_nothing() {
    let app = TestApp::start().await;
    app.with_user(1, &person("小红", "female", "male")).await;
    let patches = (0..20).map(|n| json!({"extend_data": {format!("k{n}"): n}})).collect::<Vec<_>>();
    let answers = join_all(patches.into_iter().map(|one| patch(&app, 1, one))).await;
    let revisions: BTreeSet<u64> = answers.iter().map(|told| told["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions.len(), 20, "each change has a revision of its own");
    let kept = app.get("/v1/users/1").await.expect(200);
    assert_eq!(kept["extend_data"].as_object().unwrap().len(), 20, "{kept}");
    // Whoever goes by If-Match wins alone.
    let tag = format!("\"{}\"", kept["revision"]);
    let put = |n: usize| app.request(Method::PUT, "/v1/users/1").header("if-match", &tag).json(&person(&format!("n{n}"), "female", "male"));
    let answers = join_all((0..6).map(|n| app.read(put(n)))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn likes_of_a_day_are_counted_and_more_can_be_granted() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.entitlements.likes_per_day = 2;
    })
    .await;
    let ann = Login::new(&app, &inbox, "+8613812345678").await;
    ann.ask(&app, Method::PUT, "/v1/me", Some(&profile("小红"))).await.expect(200);
    for id in 2..8 {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    let item = |kind: &str, target: u64| json!({"kind": kind, "actor_id": ann.id, "target_id": target.to_string()});
    let send = async |items: Vec<Value>| ann.ask(&app, Method::POST, "/v1/interactions", Some(&json!({"items": items}))).await;
    let held = async || ann.ask(&app, Method::GET, "/v1/me/entitlements", None).await.expect(200)["items"][0].clone();
    let two = send(vec![item("like", 2), item("like", 3), item("like", 999), item("pass", 4), item("like", 5)]).await.expect(200);
    assert_eq!((&two["accepted"], &two["items"][4]["code"]), (&json!(3), &json!("quota_exceeded")), "{two}");
    assert_eq!((&held().await["used"], &held().await["remaining"]), (&json!(2), &json!(0)), "who is not there was not liked");
    let refused = send(vec![item("like", 5)]).await.expect(200);
    assert_eq!((&refused["accepted"], &refused["items"][0]["code"]), (&json!(0), &json!("quota_exceeded")), "{refused}");
    assert_eq!(send(vec![item("pass", 5), item("block", 6)]).await.expect(200)["accepted"], 2, "only likes are counted");
    assert_eq!(send(vec![item("follow", 7)]).await.expect(200)["accepted"], 1, "a follow is no like");

    let path = format!("/v1/users/{}/entitlements/likes_per_day", ann.id);
    let order = |amount: u64| json!({"amount": amount, "source": "shop", "reference": "order-1", "valid_until": "2100-01-01T00:00:00Z"});
    assert_eq!(ann.ask(&app, Method::PUT, &path, Some(&order(9))).await.problem(403), "forbidden");
    app.put(&path, &order(3)).await.expect(201);
    assert_eq!(app.put(&path, &order(3)).await.expect(200)["items"][0]["limit"], 3);
    assert_eq!(app.put(&path, &order(4)).await.problem(409), "reference_reused");
    assert_eq!(app.put(&path.replace("likes_per_day", "wishes"), &order(3)).await.problem(404), "unknown_entitlement");
    let bad = json!({"amount": 1, "source": "", "reference": "x"});
    assert_eq!(app.put(&path, &bad).await.problem(422), "invalid_fields");
    let told = held().await;
    assert_eq!((&told["name"], &told["remaining"], &told["source"]), (&json!("likes_per_day"), &json!(1), &json!("shop")));
    assert!(told["resets_at"].is_string() && told["valid_until"] == "2100-01-01T00:00:00Z", "{told}");
    assert_eq!(send(vec![item("like", 5)]).await.expect(200)["accepted"], 1);
    assert_eq!(send(vec![item("like", 4)]).await.expect(200)["items"][0]["code"], "quota_exceeded");
    assert_eq!(app.get(&format!("/v1/users/{}/entitlements", ann.id)).await.expect(200)["items"][0]["used"], 3);
    app.stop().await;
}
