//! What people do through the API, and what must hold while they do.

use std::collections::HashSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, person};

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
}

/// One woman, number 1, and `men` men from number 2.
async fn town(app: &TestApp, men: u64) {
    app.with_user(1, &person("小红", "female", "male")).await;
    for id in 2..2 + men {
        app.with_user(id, &person(&format!("阿强{id}"), "male", "female")).await;
    }
    app.until("everybody is in the table", async || app.get("/v1/users?limit=1").await.expect(200)["total"] == json!(men + 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_profiles_make_a_recommendation_with_reasons() {
    let app = TestApp::start().await;
    let empty = app.get("/v1/users").await.expect(200);
    assert_eq!(empty["total"], 0);
    assert_eq!(app.get("/v1/recommendations?viewer=1").await.problem(404), "unknown_user");
    app.with_user(1, &person("小红", "female", "male")).await;
    assert_eq!(app.recommend(1, 10).await["items"], json!([]), "nobody is there: an empty list, no error");
    app.with_user(2, &person("Bob", "male", "female")).await;
    assert_eq!(app.get("/v1/users/2").await.expect(200)["nickname"], "Bob", "a writer reads what was written");
    let request =
        app.request(Method::GET, "/v1/recommendations?viewer=1").header("accept-language", "zh-CN").header("x-request-id", "walk-1");
    let answer = app.read(request).await;
    assert_eq!(answer.header("x-request-id"), "walk-1");
    let page = answer.expect(200);
    assert_eq!(ids(&page), ["2"]);
    let item = &page["items"][0];
    assert_eq!((item["position"].clone(), item["nickname"].clone()), (json!(0), json!("Bob")));
    assert!(item["distance"].as_str().unwrap().ends_with("km"), "{item}");
    assert!(!item["reasons"].as_array().unwrap().is_empty(), "{item}");
    let explained = app.get(&format!("/v1/recommendations/{}/explain", page["deck_id"].as_str().unwrap())).await.expect(200);
    assert_eq!(explained["shown"][0]["user_id"], "2");
    assert!(!explained["shown"][0]["terms"].as_array().unwrap().is_empty(), "{explained}");
    assert_eq!(app.recommend(1, 10).await["items"], json!([]), "nobody is shown twice within the window");
    assert_eq!(app.get("/v1/recommendations/none/explain").await.problem(404), "unknown_deck");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_requests_at_the_same_time_never_repeat_anybody() {
    let app = TestApp::start().await;
    town(&app, 24).await;
    let first = app.recommend(1, 5).await;
    let mut seen = ids(&first);
    let next = app.get(&format!("/v1/recommendations?viewer=1&limit=5&cursor={}", first["cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!(next["deck_id"], first["deck_id"]);
    seen.extend(ids(&next));
    let stolen = app.get(&format!("/v1/recommendations?viewer=2&cursor={}", first["cursor"].as_str().unwrap())).await;
    assert_eq!(stolen.problem(422), "invalid_fields", "a cursor belongs to its viewer");
    for page in join_all((0..6).map(|_| app.recommend(1, 3))).await {
        seen.extend(ids(&page));
    }
    let different: HashSet<&String> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "{seen:?}");
    assert_eq!(seen.len(), 24, "everybody was shown once: {seen:?}");
    app.stop().await;
}

/// Every answer that is about a person has the centre of their cell or no place at all, never the place they gave.
#[tokio::test(flavor = "multi_thread")]
async fn no_position_leaves() {
    let app = TestApp::start().await;
    let (lat, lon) = (31.234_567, 121.456_789);
    let centre = index::geo::snap(features::profile::Position { lat, lon }).unwrap();
    let mut hidden = person("小红", "female", "male");
    hidden["position"] = json!({"lat": lat, "lon": lon});
    let mut answers = vec![app.put("/v1/users/1", &hidden).await];
    app.with_user(2, &person("Bob", "male", "female")).await;
    let here = json!({"items": [{"kind": "location", "user_id": "1", "position": {"lat": lat, "lon": lon}}]});
    answers.push(app.post("/v1/presence", &here).await);
    let page = app.get(&format!("/v1/recommendations?viewer=2&limit=5&lat={lat}&lon={lon}")).await;
    let deck = page.expect(200)["deck_id"].as_str().unwrap().to_owned();
    assert_eq!(ids(&page.json()), ["1"]);
    answers.push(page);
    app.until("she is found by words", async || app.get("/v1/search?kind=people&q=hiking").await.text.contains("小红")).await;
    let paths = [
        "/v1/users/1",
        "/v1/users?q=1",
        "/v1/search?kind=people&q=hiking&viewer=2",
        "/v1/recommendations/judgement?viewer=2&candidate=1",
        "/v1/jobs",
        &format!("/v1/recommendations/{deck}/explain"),
    ];
    for path in paths {
        answers.push(app.get(path).await);
    }
    for answer in &answers {
        answer.expect(200);
        for trace in ["31.234", "121.456"] {
            assert!(!answer.text.contains(trace), "{trace} leaves: {answer:?}");
        }
    }
    for profile in [answers[0].json(), app.get("/v1/users/1").await.json()] {
        let off = |axis: &str, at: f64| (profile["position"][axis].as_f64().unwrap() - at).abs();
        assert!(off("lat", centre.lat) < 1e-9 && off("lon", centre.lon) < 1e-9, "the centre of the cell leaves: {profile}");
    }
    app.stop().await;
}

/// Whatever becomes of somebody a source found, the explanation tells it: shown, waiting for a page, or removed by what is named.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_was_found_is_explained() {
    let app = TestApp::start().await;
    town(&app, 9).await;
    app.interact("pass", 1, 2).await;
    let page = app.recommend(1, 2).await;
    let explain = async || app.get(&format!("/v1/recommendations/{}/explain", page["deck_id"].as_str().unwrap())).await.expect(200);
    let told = async || {
        let explained = explain().await;
        let removed = explained["removed"].as_array().unwrap().clone();
        (explained["shown"].as_array().unwrap().len(), explained["waiting"].as_u64().unwrap(), removed)
    };
    let (shown, waiting, removed) = told().await;
    assert_eq!((shown, waiting), (2, 6), "eight of nine may be shown");
    let before = removed.len();
    let shown_ids = ids(&page);
    let gone = (3..11).find(|id: &u64| !shown_ids.contains(&id.to_string())).unwrap();
    // Erased here, while a portrait that was under way still has them in the table.
    app.inside.erased.erase(features::ids::UserId(gone));
    let cursor = page["cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/recommendations?viewer=1&limit=10&cursor={cursor}")).await.expect(200);
    assert_eq!(ids(&rest).len(), 5);
    let (shown, waiting, removed) = told().await;
    assert_eq!((shown, waiting, removed.len()), (7, 0, before + 1));
    let why = removed.iter().find(|r| r["user_id"] == json!(gone.to_string())).unwrap_or_else(|| panic!("{removed:?}"));
    assert_eq!(why["filter"], "erased", "{why}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_in_force_before_its_request_is_answered() {
    let app = TestApp::start().await;
    town(&app, 6).await;
    let first = app.recommend(1, 2).await;
    let shown = ids(&first);
    let left = (2..8).map(|id: u64| id.to_string()).find(|id| !shown.contains(id)).unwrap();
    app.interact("block", left.parse().unwrap(), 1).await;
    let cursor = first["cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/recommendations?viewer=1&limit=10&cursor={cursor}")).await.expect(200);
    assert!(!ids(&rest).contains(&left), "{rest}");
    assert_eq!(ids(&rest).len(), 3, "{rest}");
    let explained = app.get(&format!("/v1/recommendations/{}/explain", rest["deck_id"].as_str().unwrap())).await.expect(200);
    let removed = explained["removed"].as_array().unwrap().iter().find(|r| r["user_id"] == json!(left));
    assert!(removed.is_some_and(|r| r["filter"].as_str().unwrap().contains("block")), "{explained}");
    let like = json!({"items": [{"kind": "like", "actor_id": "1", "target_id": left}]});
    let refused = app.post("/v1/interactions", &like).await.expect(200);
    assert_eq!(refused["accepted"], 0, "{refused}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let app = TestApp::start().await;
    town(&app, 5).await;
    let shown = ids(&app.recommend(1, 2).await);
    let blocked = (2..7).map(|id: u64| id.to_string()).find(|id| !shown.contains(id)).unwrap();
    app.interact("block", 1, blocked.parse().unwrap()).await;
    let app = TestApp::start_in(app.stop().await, |_| {}).await;
    assert_eq!(app.get("/v1/users?limit=1").await.expect(200)["total"], 6);
    let after = ids(&app.recommend(1, 10).await);
    assert_eq!(after.len(), 2, "two were shown and one is blocked: {after:?}");
    assert!(!after.contains(&blocked) && after.iter().all(|id| !shown.contains(id)), "{after:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_answer_and_another_request_is_refused() {
    let app = TestApp::start().await;
    town(&app, 1).await;
    let moment = |text: &str| json!({"author_id": "1", "text": text});
    let send = async |body: &Value| app.read(app.request(Method::POST, "/v1/moments").header("idempotency-key", "walk-7").json(body)).await;
    let first = send(&moment("今天去爬山")).await.expect(201);
    assert_eq!(send(&moment("今天去爬山")).await.expect(201), first);
    assert_eq!(send(&moment("something else")).await.problem(422), "idempotency_key_reused");
    let id = first["moment_id"].as_str().unwrap();
    app.until("the Moment is found", async || app.get(&format!("/v1/moments/{id}")).await.status == 200).await;
    // After a restart the key is forgotten, but the same request makes the same event, and the gate drops the second.
    let app = TestApp::start_in(app.stop().await, |_| {}).await;
    let again = app.read(app.request(Method::POST, "/v1/moments").header("idempotency-key", "walk-7").json(&moment("今天去爬山"))).await;
    assert_eq!(again.expect(201)["moment_id"], first["moment_id"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_found_in_both_languages_until_they_or_their_authors_go() {
    let app = TestApp::start().await;
    town(&app, 2).await;
    let post = async |author: &str, text: &str| {
        let body = json!({"author_id": author, "title": "周末", "text": text, "tags": ["#Hiking"]});
        app.post("/v1/moments", &body).await.expect(201)["moment_id"].as_str().unwrap().to_owned()
    };
    let (mountain, coffee) = (post("1", "周末去黄山看日出").await, post("2", "Brewing coffee at home with friends").await);
    assert!(mountain.parse::<u64>().unwrap() < coffee.parse::<u64>().unwrap(), "ids sort by time");
    let found = async |q: &str, viewer: u64| {
        let path = format!("/v1/search?kind=moments&viewer={viewer}&q={q}");
        let hits = app.get(&path).await.expect(200);
        let hits = hits["items"].as_array().unwrap().clone();
        hits.into_iter().map(|h| h["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    app.until("the Chinese one is found", async || found("日出", 2).await.first() == Some(&mountain)).await;
    app.until("the English one is found", async || found("brew%20coffees", 1).await.first() == Some(&coffee)).await;
    app.interact("block", 1, 2).await;
    assert!(!found("coffee", 1).await.contains(&coffee), "a blocked author's Moments are not found");
    app.delete(&format!("/v1/moments/{coffee}")).await.expect(202);
    app.until("the deleted one is gone", async || app.get(&format!("/v1/moments/{coffee}")).await.status == 404).await;
    app.delete("/v1/users/1").await.expect(202);
    assert!(found("日出", 2).await.is_empty(), "an erased author's Moments are not found");
    assert_eq!(app.get("/v1/users/1").await.problem(404), "unknown_user");
    assert_eq!(app.get("/v1/recommendations?viewer=1").await.problem(404), "unknown_user");
    assert_eq!(app.recommend(2, 10).await["items"], json!([]));
    let again = app.put("/v1/users/1", &person("小红", "female", "male")).await;
    assert_eq!(again.problem(409), "being_erased", "and comes back only once nothing is left of them");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_jobs_metrics_and_documentation() {
    let app = TestApp::start().await;
    let jobs = app.get("/v1/jobs").await.expect(200);
    let names: Vec<&str> = jobs["jobs"].as_array().unwrap().iter().map(|j| j["name"].as_str().unwrap()).collect();
    for name in ["gate", "features", "lake", "embedder", "assembler", "indexer", "ledger", "outbox"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // A job that has nothing to do says so, again and again: whoever waits for a lag of nothing would otherwise wait for ever.
    let told = async |name: &str| {
        let jobs = app.get("/v1/jobs").await.expect(200);
        jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap()["last_progress"].clone()
    };
    for name in ["gate", "features", "lake", "embedder", "assembler", "indexer", "ledger"] {
        let first = told(name).await;
        app.until("an idle job tells how things stand", async || told(name).await != first).await;
    }
    assert_eq!(app.get("/healthz").await.status, 200);
    let api = app.get("/openapi.json").await.expect(200);
    for path in ["/v1/recommendations", "/v1/interactions", "/v1/users/{id}", "/v1/moments", "/v1/search"] {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    assert!(app.get("/docs/").await.text.contains("swagger"));
    app.with_user(1, &person("小红", "female", "male")).await;
    let metrics = app.get("/metrics").await.text;
    for name in ["hongniang_job_lag", "hongniang_http_seconds", "hongniang_events_published_total"] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    app.stop().await;
}
