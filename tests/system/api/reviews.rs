//! Reports raise the queue, and a ban hides everywhere at once.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, person};

use super::logins::{Inbox, ask, log_in};

const PHONE: &str = "+8613812345678";

async fn queue(app: &TestApp, state: &str) -> Vec<Value> {
    app.get(&format!("/v1/reviews?state={state}")).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Whether people find somebody: by a word of a Moment, by the name, and the Moment itself.
async fn found(app: &TestApp, id: &str, moment: &str, viewer: u64) -> [bool; 3] {
    let hits = async |query: &str| {
        let answer = app.get(&format!("/v1/search?viewer={viewer}&{query}")).await.expect(200);
        answer["items"].as_array().unwrap().clone()
    };
    [
        hits("q=sunrise").await.iter().any(|hit| hit["user_id"] == id),
        hits("kind=people&q=Mallory").await.iter().any(|hit| hit["user_id"] == id),
        hits("kind=moments&q=sunrise").await.iter().any(|hit| hit["id"] == moment),
    ]
}

/// Whether somebody is on the first page of a viewer who has seen nobody yet.
async fn recommended(app: &TestApp, id: &str, viewer: u64) -> bool {
    app.recommend(viewer, 50).await["items"].as_array().unwrap().iter().any(|item| item["user_id"] == id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_hides_at_once_survives_a_restart_and_can_be_lifted() {
    let inbox = Inbox::open().await;
    let configure = |config: &mut serving::config::Config| {
        inbox.configure(&mut config.auth);
        config.auth.codes.pause_s = 0;
    };
    let app = TestApp::start_with(configure).await;
    let login = log_in(&app, &inbox, PHONE, "").await;
    let (id, token) = (login["user_id"].as_str().unwrap().to_owned(), login["access_token"].as_str().unwrap().to_owned());
    let own = async |method, path: &str, body: Value| ask(&app, &token, method, path, Some(&body)).await;
    own(Method::PUT, &format!("/v1/users/{id}"), person("Mallory", "male", "female")).await.expect(200);
    let text = json!({"author_id": id, "title": "sunrise", "text": "sunrise over the lake"});
    let moment = own(Method::POST, "/v1/moments", text).await.expect(201)["moment_id"].as_str().unwrap().to_owned();
    for viewer in 2..8 {
        app.with_user(viewer, &person("Ann", "female", "male")).await;
    }
    app.until("he is found", async || found(&app, &id, &moment, 2).await == [true; 3]).await;
    assert!(recommended(&app, &id, 2).await);
    // Two people report him, one of them twice; a Moment of somebody else is flagged.
    for reporter in [4, 5, 4] {
        let report = json!({"kind": "report", "actor_id": reporter.to_string(), "target_id": id, "text": "骂人 swears at me"});
        app.post("/v1/interactions", &json!({"items": [report]})).await.expect(200);
    }
    app.post("/v1/moments", &json!({"author_id": "6", "text": "加微信 abc123"})).await.expect(201);
    app.until("both are in the queue", async || {
        let open = queue(&app, "open").await;
        open.len() == 2 && open.iter().any(|entry| entry["reports"] == 3)
    })
    .await;
    let open = queue(&app, "open").await;
    let about = |source: &str| open.iter().find(|entry| entry["source"] == source).unwrap_or_else(|| panic!("{source}: {open:?}")).clone();
    let (report, flagged) = (about("report"), about("text"));
    assert_eq!(
        (report["user_id"].as_str(), &report["reporters"], &report["about"][0]),
        (Some(&*id), &json!(2), &json!("骂人 swears at me"))
    );
    assert_eq!((flagged["user_id"].as_str(), flagged["about"].to_string().contains("abc123")), (Some("6"), false), "{flagged}");
    let decide = async |review: &Value, decision: Value| {
        app.post(&format!("/v1/reviews/{}/decision", review["id"].as_str().unwrap()), &decision).await
    };
    decide(&flagged, json!({"decision": "dismiss"})).await.expect(200);
    assert_eq!(decide(&report, json!({"decision": "ban", "until": "2020-01-01T00:00:00Z"})).await.problem(422), "invalid_fields");
    assert_eq!(decide(&json!({"id": "5"}), json!({"decision": "warn"})).await.problem(404), "unknown_review");
    assert_eq!(app.get("/v1/reviews?state=lost").await.problem(422), "invalid_fields");

    let decided = decide(&report, json!({"decision": "ban", "note": "三次举报"})).await.expect(200);
    assert_eq!((&decided["state"], &decided["decided_by"]), (&json!("banned"), &json!("service")));
    // From the answer on.
    assert_eq!((found(&app, &id, &moment, 3).await, recommended(&app, &id, 3).await), ([false; 3], false));
    assert_eq!(ask(&app, &token, Method::GET, "/v1/auth/sessions", None).await.problem(401), "invalid_token");
    let refresh = json!({"refresh_token": login["refresh_token"]});
    assert_eq!(ask(&app, "", Method::POST, "/v1/auth/refresh", Some(&refresh)).await.problem(401), "invalid_refresh_token");
    let refused = async |app: &TestApp| {
        ask(app, "", Method::POST, "/v1/auth/phone/code", Some(&json!({"phone": PHONE}))).await.expect(202);
        let login = json!({"phone": PHONE, "code": inbox.code(PHONE)});
        ask(app, "", Method::POST, "/v1/auth/phone/verify", Some(&login)).await.problem(401)
    };
    assert_eq!(refused(&app).await, "account_suspended");
    assert_eq!(decide(&report, json!({"decision": "dismiss"})).await.problem(422), "invalid_fields");
    assert_eq!(queue(&app, "open").await, Vec::<Value>::new());

    let app = TestApp::start_in(app.stop().await, configure).await;
    assert_eq!((found(&app, &id, &moment, 4).await, recommended(&app, &id, 4).await), ([false; 3], false), "after a restart");
    assert_eq!(refused(&app).await, "account_suspended");
    assert_eq!(app.get("/v1/bans").await.expect(200)["items"][0]["user_id"], id.as_str());
    app.delete(&format!("/v1/bans/{id}")).await.expect(204);
    assert_eq!(app.delete(&format!("/v1/bans/{id}")).await.problem(404), "not_banned");
    app.until("he is found again", async || found(&app, &id, &moment, 5).await == [true; 3]).await;
    assert!(recommended(&app, &id, 6).await);
    assert_eq!(log_in(&app, &inbox, PHONE, "").await["user_id"], id.as_str());
    app.stop().await;
}
