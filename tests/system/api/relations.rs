//! Follows, friends, blocks, reports, likes and comments over HTTP.

use std::process::Command;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Run, TestApp, binary, person};

use super::logins::{Inbox, ask, log_in};

/// So many people, from number 1.
async fn people(app: &TestApp, n: u64) {
    for id in 1..=n {
        let (gender, wants) = if id % 2 == 1 { ("female", "male") } else { ("male", "female") };
        app.with_user(id, &person(&format!("阿{id}"), gender, wants)).await;
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap()).collect()
}

/// Who are on a list, and its length.
async fn list(app: &TestApp, user: u64, name: &str) -> (Vec<String>, i64) {
    let page = app.get(&format!("/v1/users/{user}/{name}")).await.expect(200);
    (ids(&page).into_iter().map(str::to_owned).collect(), page["total"].as_i64().unwrap())
}

async fn act(app: &TestApp, method: Method, (user, other): (u64, u64), what: &str) -> Answer {
    app.send(method, &format!("/v1/users/{user}/relations/{other}{what}"), None).await
}

async fn state(app: &TestApp, pair: (u64, u64)) -> String {
    act(app, Method::GET, pair, "").await.expect(200)["state"].as_str().unwrap().to_owned()
}

/// A Moment that is found.
async fn moment(app: &TestApp, author: u64, text: &str) -> String {
    let posted = app.post("/v1/moments", &json!({"author_id": author.to_string(), "text": text})).await.expect(201);
    let id = posted["moment_id"].as_str().unwrap().to_owned();
    app.until("the Moment is found", async || app.get(&format!("/v1/moments/{id}")).await.status == 200).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_make_friends_and_a_block_ends_everything_at_once() {
    let app = TestApp::start().await;
    people(&app, 4).await;
    assert_eq!(act(&app, Method::PUT, (1, 2), "/follow").await.expect(200)["state"], "following");
    assert_eq!((list(&app, 1, "following").await, list(&app, 2, "fans").await), ((vec!["2".into()], 1), (vec!["1".into()], 1)));
    assert_eq!(state(&app, (2, 1)).await, "fan");
    assert_eq!(act(&app, Method::PUT, (2, 1), "/follow").await.expect(200)["state"], "friends");
    assert_eq!(act(&app, Method::PUT, (2, 1), "/follow").await.expect(200)["state"], "friends", "again changes nothing");
    assert_eq!((list(&app, 1, "friends").await, list(&app, 2, "friends").await), ((vec!["2".into()], 1), (vec!["1".into()], 1)));
    let lengths = app.get("/v1/users/1/relations").await.expect(200);
    assert_eq!(lengths, json!({"friends": 1, "fans": 0, "following": 0, "blocked": 0}));

    assert_eq!(act(&app, Method::PUT, (1, 2), "/block").await.expect(200)["state"], "blocking");
    for name in ["friends", "fans", "following"] {
        assert_eq!((list(&app, 1, name).await, list(&app, 2, name).await), ((vec![], 0), (vec![], 0)), "{name}");
    }
    assert_eq!((list(&app, 1, "blocked").await, list(&app, 2, "blocked").await), ((vec!["2".into()], 1), (vec![], 0)));
    assert_eq!(state(&app, (2, 1)).await, "strangers", "who is blocked is not told");
    assert_eq!(app.recommend(2, 10).await["items"].as_array().unwrap().iter().filter(|i| i["user_id"] == "1").count(), 0);
    assert_eq!(act(&app, Method::PUT, (2, 1), "/follow").await.problem(404), "not_available");
    assert_eq!(act(&app, Method::PUT, (1, 2), "/follow").await.problem(409), "unblock_first");
    let like = |actor: &str, target: &str| json!({"kind": "like", "actor_id": actor, "target_id": target});
    let answer = app.post("/v1/interactions", &json!({"items": [like("2", "1"), like("1", "2"), like("1", "4")]})).await.expect(200);
    let codes: Vec<&Value> = answer["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!((codes, &answer["accepted"]), (vec![&json!("not_available"), &json!("unblock_first"), &Value::Null], &json!(1)));
    let report = json!({"reason": "harassment", "text": "他一直骂人"});
    let reported = app.post("/v1/users/2/relations/1/report", &report).await;
    assert_eq!(reported.status, 202, "through every block: {reported:?}");
    assert_eq!(app.post("/v1/users/2/relations/1/report", &json!({"reason": "boring"})).await.problem(422), "invalid_fields");

    // Everything is there after a restart.
    let app = TestApp::start_in(app.stop().await, |_| {}).await;
    assert_eq!(list(&app, 1, "blocked").await, (vec!["2".into()], 1));
    assert_eq!(act(&app, Method::DELETE, (1, 2), "/block").await.expect(200)["state"], "fan", "their follow was there all the time");
    assert_eq!(act(&app, Method::DELETE, (1, 2), "/friend").await.expect(200)["state"], "fan", "no friend to delete");
    act(&app, Method::PUT, (1, 2), "/follow").await.expect(200);
    assert_eq!(act(&app, Method::DELETE, (2, 1), "/friend").await.expect(200)["state"], "fan");
    assert_eq!(act(&app, Method::DELETE, (1, 2), "/follow").await.expect(200)["state"], "strangers");

    assert_eq!(act(&app, Method::PUT, (1, 99), "/follow").await.problem(404), "unknown_user");
    assert_eq!(act(&app, Method::PUT, (99, 1), "/follow").await.problem(404), "unknown_user");
    assert_eq!(act(&app, Method::PUT, (1, 1), "/follow").await.problem(422), "invalid_fields");
    for path in ["/v1/users/x/friends", "/v1/users/1/friends?limit=0", "/v1/users/1/fans?cursor=%25", "/v1/users/1/relations/y"] {
        assert_eq!(app.get(path).await.problem(422), "invalid_fields", "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_judged_item_by_item_and_lists_go_page_by_page() {
    let app = TestApp::start().await;
    people(&app, 60).await;
    let items: Vec<Value> = (2..=60).map(|n| json!({"kind": "follow", "actor_id": n.to_string(), "target_id": "1"})).collect();
    let send = async |app: &TestApp| {
        let request = app.request(Method::POST, "/v1/interactions").header("idempotency-key", "batch-1").json(&json!({"items": items}));
        app.read(request).await.expect(200)
    };
    let first = send(&app).await;
    assert_eq!(first["accepted"], 59);
    let app = TestApp::start_in(app.stop().await, |_| {}).await;
    assert_eq!(send(&app).await, first, "the same again is the same, also after a restart");
    let (mut seen, mut path) = (Vec::new(), "/v1/users/1/fans?limit=25".to_owned());
    loop {
        let page = app.get(&path).await.expect(200);
        assert_eq!(page["total"], 59);
        seen.extend(ids(&page).into_iter().map(|id| id.parse::<u64>().unwrap()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/users/1/fans?limit=25&cursor={cursor}");
    }
    assert_eq!(seen, (2..=60).rev().collect::<Vec<_>>(), "the newest first, everybody once");
    // Whoever was erased is on no list.
    app.delete("/v1/users/30").await.expect(202);
    let (fans, total) = list(&app, 1, "fans").await;
    assert_eq!(total, 58);
    assert!(!fans.contains(&"30".to_owned()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_like_and_a_reply_make_friends() {
    let app = TestApp::start().await;
    people(&app, 4).await;
    let id = moment(&app, 1, "周末去爬山").await;
    let path = |rest: &str| format!("/v1/moments/{id}{rest}");
    let post = async |rest: &str, body: Value| app.post(&path(rest), &body).await;
    assert_eq!(post("/likes?user=2", Value::Null).await.expect(200), json!({"liked": true, "likes": 1}));
    assert_eq!(list(&app, 2, "following").await.0, ["1"], "a like is a follow");
    for answer in join_all((0..4).map(|_| async { app.post(&path("/likes?user=3"), &Value::Null).await })).await {
        assert_eq!(answer.expect(200)["liked"], true);
    }
    assert_eq!(app.get(&path("")).await.expect(200)["likes"], 2, "each once");
    assert_eq!(ids(&app.get(&path("/likes")).await.expect(200)), ["3", "2"]);
    assert_eq!(post("/likes?user=1", Value::Null).await.problem(422), "invalid_fields");
    assert_eq!(post("/likes", Value::Null).await.problem(422), "invalid_fields");
    // Taken back a moment later, the follow goes with it.
    assert_eq!(app.delete(&path("/likes?user=3")).await.expect(200), json!({"liked": false, "likes": 1}));
    assert_eq!((state(&app, (3, 1)).await, list(&app, 1, "fans").await.0), ("strangers".into(), vec!["2".to_owned()]));

    let comment = post("/comments?user=2", json!({"text": "风景真好！"})).await.expect(201);
    let comment = comment["comment_id"].as_str().unwrap();
    assert_eq!(post("/comments?user=3", json!({"text": "傻逼"})).await.problem(422), "text_refused");
    for wrong in [json!({}), json!({"text": ""}), json!({"text": "a", "voice": "b"}), json!({"transcript": "a"})] {
        assert_eq!(post("/comments?user=3", wrong.clone()).await.problem(422), "invalid_fields", "{wrong}");
    }
    let said = post("/comments?user=3", json!({"transcript": "What a view", "voice": "voice/1.ogg"})).await.expect(201);
    assert_eq!((&said["text"], &said["voice"]), (&json!("What a view"), &json!("voice/1.ogg")));
    let reply = post(&format!("/comments/{comment}/replies?user=1"), json!({"text": "下次一起"})).await.expect(201);
    assert_eq!(reply["parent_id"], json!(comment));
    assert_eq!((list(&app, 1, "friends").await.0, state(&app, (2, 1)).await), (vec!["2".to_owned()], "friends".to_owned()));
    // The like began the follow, and friendship came of it: it stays.
    app.delete(&path("/likes?user=2")).await.expect(200);
    assert_eq!(state(&app, (2, 1)).await, "friends");
    let shown = app.get(&path("")).await.expect(200);
    assert_eq!((&shown["likes"], &shown["comments"]), (&json!(0), &json!(3)));
    let page = app.get(&path("/comments?limit=2")).await.expect(200);
    assert_eq!((ids(&page), &page["total"]), (vec!["1", "3"], &json!(3)));
    let rest = app.get(&path(&format!("/comments?limit=2&cursor={}", page["cursor"].as_str().unwrap()))).await.expect(200);
    assert_eq!(ids(&rest), ["2"]);
    assert_eq!(app.delete(&path(&format!("/comments/{comment}?user=3"))).await.problem(403), "forbidden");
    across_a_block(&app, &id, comment).await;
    app.stop().await;
}

/// One has blocked two: neither meets what the other says.
async fn across_a_block(app: &TestApp, id: &str, comment: &str) {
    let path = |rest: &str| format!("/v1/moments/{id}{rest}");
    act(app, Method::PUT, (1, 2), "/block").await.expect(200);
    assert_eq!(app.get(&path("/comments?user=2")).await.problem(404), "unknown_moment");
    assert_eq!(app.post(&path("/likes?user=2"), &Value::Null).await.problem(404), "unknown_moment");
    assert_eq!(app.post(&path("/comments?user=2"), &json!({"text": "hello"})).await.problem(404), "unknown_moment");
    assert_eq!(ids(&app.get(&path("/comments?user=1")).await.expect(200)), ["1", "3"], "not theirs");
    assert_eq!(ids(&app.get(&path("/comments?user=4")).await.expect(200)), ["1", "3", "2"]);
    let reply = app.post(&path(&format!("/comments/{comment}/replies?user=1")), &json!({"text": "hello"})).await;
    assert_eq!(reply.problem(404), "unknown_comment");
    // One's own words can be taken back, and the author's Moment is theirs.
    app.delete(&path(&format!("/comments/{comment}?user=2"))).await.expect(204);
    assert_eq!(app.delete(&path(&format!("/comments/{comment}?user=2"))).await.problem(404), "unknown_comment");
    let others = app.get(&path("/comments?user=4")).await.expect(200);
    let third = others["items"][1]["comment_id"].as_str().unwrap();
    app.delete(&path(&format!("/comments/{third}?user=1"))).await.expect(204);
    assert_eq!(app.get(&path("")).await.expect(200)["comments"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_do_so_much_in_an_hour_and_block_always() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.relations.acts_per_hour = 3;
    })
    .await;
    people(&app, 4).await;
    let login = log_in(&app, &inbox, "+8613812345678", "").await;
    let (id, token) = (login["user_id"].as_str().unwrap(), login["access_token"].as_str().unwrap());
    ask(&app, token, Method::PUT, &format!("/v1/users/{id}"), Some(&person("Ann", "female", "male"))).await.expect(200);
    let put = async |rest: &str| ask(&app, token, Method::PUT, &format!("/v1/users/{id}/relations/{rest}"), None).await;
    for other in 1..=3 {
        assert_eq!(put(&format!("{other}/follow")).await.expect(200)["state"], "following");
    }
    let over = put("4/follow").await;
    assert_eq!(over.problem(429), "rate_limited");
    assert!(over.header("retry-after").parse::<u64>().unwrap() > 60, "{over:?}");
    assert_eq!(put("4/block").await.expect(200)["state"], "blocking");
    let like = json!({"items": [{"kind": "like", "actor_id": id, "target_id": "2"}]});
    assert_eq!(ask(&app, token, Method::POST, "/v1/interactions", Some(&like)).await.problem(429), "rate_limited");
    assert_eq!(app.post("/v1/interactions", &like).await.expect(200)["accepted"], 1, "back ends are not counted");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_come_back_out_of_the_lake() {
    let app = TestApp::start_with(|config| config.lake.flush_s = 0.2).await;
    people(&app, 4).await;
    for (kind, actor, target) in [("like", 1, 2), ("like", 2, 1), ("follow", 3, 2), ("like", 1, 4), ("block", 4, 1)] {
        app.interact(kind, actor, target).await;
    }
    let lake = app.folder().join("lake").display().to_string();
    let rows = async || {
        let Ok(session) = pipelines::query::session(&lake).await else { return 0 };
        let Ok(table) = session.table("interactions").await else { return 0 };
        table.count().await.unwrap_or(0)
    };
    app.until("everything is in the lake", async || rows().await == 5).await;
    let folder = app.stop().await;
    for file in ["hongniang.db", "hongniang.db-wal", "hongniang.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file)); // some are not there
    }
    let rebuild = || {
        let mut command = Command::new(binary());
        command.args(["relations", "rebuild", "--format", "json", "--data-dir"]).arg(folder.path());
        Run::from(command.current_dir(folder.path()).output().unwrap()).well().json()[0].clone()
    };
    assert_eq!(rebuild(), json!({"events": 5, "pairs": 3, "written": 3, "friends": 1}));
    assert_eq!(rebuild()["written"], 0, "the same again changes nothing");
    let app = TestApp::start_in(folder, |_| {}).await;
    assert_eq!((list(&app, 1, "friends").await.0, list(&app, 2, "fans").await.0), (vec!["2".to_owned()], vec!["3".to_owned()]));
    assert_eq!((list(&app, 4, "blocked").await.0, list(&app, 1, "following").await.0), (vec!["1".to_owned()], vec![]));
    app.stop().await;
}
