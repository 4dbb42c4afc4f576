//! The same over HTTP, and the logins of one person.

use reqwest::Method;
use tests::{Answer, TestApp, person};

use super::*;
use crate::api::logins::{Inbox, ask, log_in};

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// An application with the provider `google`, which is ours, and codes by the webhook.
async fn app(issuer: &Issuer, inbox: &Inbox, change: impl FnOnce(&mut AuthConfig)) -> TestApp {
    TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        issuer.configure(&mut config.auth, "google", &[APP]);
        config.auth.codes.pause_s = 0;
        change(&mut config.auth);
    })
    .await
}

fn wanted(issuer: &Issuer, sub: &str, change: &Value) -> Value {
    json!({"id_token": issuer.token(&merged(issuer.claims(APP, sub, Utc::now()), change))})
}

async fn by_google(app: &TestApp, body: &Value) -> Answer {
    ask(app, "", Method::POST, "/v1/auth/oidc/google", Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_by_google_and_lives_here() {
    let (issuer, inbox) = (Issuer::start().await, Inbox::open().await);
    let app = app(&issuer, &inbox, |_| {}).await;
    let mut body = wanted(&issuer, "g-1", &json!({"name": "小红", "email": "xiaohong@gmail.com", "email_verified": true}));
    body["device_name"] = "Pixel 9".into();
    let answer = by_google(&app, &body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let login = answer.expect(200);
    assert_eq!((text(&login, "suggested_nickname"), text(&login, "email")), ("小红".to_owned(), "x***@gmail.com".to_owned()));
    assert_eq!((&login["created"], &login["is_private_email"], &login["token_type"]), (&json!(true), &json!(false), &json!("Bearer")));
    let (me, token) = (text(&login, "user_id"), text(&login, "access_token"));
    ask(&app, &token, Method::PUT, &format!("/v1/users/{me}"), Some(&person("小红", "female", "male"))).await.expect(200);
    let sessions = ask(&app, &token, Method::GET, "/v1/auth/sessions", None).await.expect(200);
    assert_eq!(sessions["items"][0]["device_name"], "Pixel 9");
    let refreshed = json!({"refresh_token": text(&login, "refresh_token")});
    ask(&app, "", Method::POST, "/v1/auth/refresh", Some(&refreshed)).await.expect(200);

    // What is wrong is told, with a code, and without the token or the reason.
    let again = by_google(&app, &body).await;
    assert_eq!(again.problem(401), "invalid_id_token");
    for secret in ["used", "xiaohong", body["id_token"].as_str().unwrap()] {
        assert!(secret == "used" || !again.text.contains(secret), "{}", again.text);
    }
    assert_eq!(ask(&app, "", Method::POST, "/v1/auth/oidc/nobody", Some(&body)).await.problem(404), "unknown_provider");
    assert_eq!(by_google(&app, &json!({"id_token": "a.b.c"})).await.problem(401), "invalid_id_token");
    for (body, field) in [
        (json!({}), "body"),
        (json!({"id_token": 5}), "id_token"),
        (json!({"id_token": "a.b.c", "nonce": ""}), "nonce"),
        (json!({"id_token": "a.b.c", "device_id": ""}), "device_id"),
        (json!({"id_token": "a.b.c", "token": "x"}), "token"),
    ] {
        let answer = by_google(&app, &body).await;
        assert_eq!(answer.problem(422), "invalid_fields", "{body}");
        let told = answer.json()["fields"][0].to_string();
        assert!(told.contains(field) || field == "body", "{told}");
    }
    // With an Idempotency-Key a lost answer comes again, although the token works once.
    let body = wanted(&issuer, "g-1", &json!({}));
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let request =
            reqwest::Client::new().post(format!("{}/v1/auth/oidc/google", app.address)).header("idempotency-key", "lost").json(&body);
        sessions.push(text(&app.read(request).await.expect(200), "session_id"));
    }
    assert_eq!(sessions[0], sessions[1]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_told() {
    let (issuer, inbox) = (Issuer::start().await, Inbox::open().await);
    let app = app(&issuer, &inbox, |_| {}).await;
    issuer.set_down(true);
    let answer = by_google(&app, &wanted(&issuer, "g-1", &json!({}))).await;
    assert_eq!(answer.problem(503), "provider_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0 && !answer.text.contains("127.0.0.1"), "{answer:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_logins_are_of_one_person() {
    let (issuer, inbox) = (Issuer::start().await, Inbox::open().await);
    let app = app(&issuer, &inbox, |_| {}).await;
    let (mine, others) = ("+8613812345678", "+8613900001111");
    let me = log_in(&app, &inbox, mine, "").await;
    let token = text(&me, "access_token");
    let post = async |path: &str, body: Value| ask(&app, &token, Method::POST, path, Some(&body)).await;
    let listed = async || ask(&app, &token, Method::GET, "/v1/auth/logins", None).await.expect(200)["items"].as_array().unwrap().clone();
    let only = listed().await;
    assert_eq!((only.len(), &only[0]["kind"], &only[0]["phone"]), (1, &json!("phone"), &json!("+86…78")));
    let remove = async |id: &str| ask(&app, &token, Method::DELETE, &format!("/v1/auth/logins/{id}"), None).await;
    assert_eq!(remove(&text(&only[0], "login_id")).await.problem(409), "last_login");

    // Google is added, twice, and then logs in as the same person.
    let mail = json!({"email": "xiaohong@gmail.com", "email_verified": true});
    let linked = text(&post("/v1/auth/logins/oidc/google", wanted(&issuer, "g-1", &mail)).await.expect(200), "login_id");
    assert_eq!(text(&post("/v1/auth/logins/oidc/google", wanted(&issuer, "g-1", &mail)).await.expect(200), "login_id"), linked);
    let google = by_google(&app, &wanted(&issuer, "g-1", &mail)).await.expect(200);
    assert_eq!((&google["user_id"], &google["created"]), (&me["user_id"], &json!(false)));
    let two = listed().await;
    assert_eq!((two.len(), &two[1]["kind"], &two[1]["provider"]), (2, &json!("oidc"), &json!("google")));
    assert!(two[1]["since"].is_string() && two[1]["phone"].is_null() && two[1]["email"] == "x***@gmail.com", "{}", two[1]);

    // What is somebody else's stays theirs, and nobody's token is used twice.
    let other = by_google(&app, &wanted(&issuer, "g-2", &mail)).await.expect(200);
    assert_ne!(other["user_id"], me["user_id"], "the same mail address links nothing");
    assert_eq!(post("/v1/auth/logins/oidc/google", wanted(&issuer, "g-2", &mail)).await.problem(409), "login_taken");
    let body = wanted(&issuer, "g-3", &json!({}));
    post("/v1/auth/logins/oidc/google", body.clone()).await.expect(200);
    assert_eq!(by_google(&app, &body).await.problem(401), "invalid_id_token");
    log_in(&app, &inbox, others, "").await;
    let code = async |phone: &str| {
        ask(&app, "", Method::POST, "/v1/auth/phone/code", Some(&json!({"phone": phone}))).await.expect(202);
        json!({"phone": phone, "code": inbox.code(phone)})
    };
    assert_eq!(post("/v1/auth/logins/phone", code(others).await).await.problem(409), "login_taken");
    let third = "+8613700002222";
    let mut wrong = code(third).await;
    let right = wrong["code"].clone();
    wrong["code"] = if right == "000000" { "000001".into() } else { "000000".into() };
    assert_eq!(post("/v1/auth/logins/phone", wrong.clone()).await.problem(401), "wrong_code");
    wrong["code"] = right;
    let phone = text(&post("/v1/auth/logins/phone", wrong.clone()).await.expect(200), "login_id");
    assert_eq!(post("/v1/auth/logins/phone", wrong).await.problem(401), "wrong_code", "a code works once");
    assert_eq!(log_in(&app, &inbox, third, "").await["user_id"], me["user_id"]);

    // Removed, it logs in to a new account; sessions that began with it go on.
    let session = text(&google, "access_token");
    remove(&linked).await.expect(204);
    assert_eq!(remove(&linked).await.problem(404), "unknown_login");
    for id in ["x", "0", &text(&only[0], "login_id")[1..]] {
        assert_eq!(remove(id).await.problem(404), "unknown_login", "{id}");
    }
    ask(&app, &session, Method::GET, "/v1/auth/logins", None).await.expect(200);
    let fresh = by_google(&app, &wanted(&issuer, "g-1", &json!({}))).await.expect(200);
    assert!(fresh["created"] == true && fresh["user_id"] != me["user_id"]);
    remove(&phone).await.expect(204);
    assert_eq!(listed().await.len(), 2);
    app.stop().await;
}

/// A session of some time ago changes no logins.
#[tokio::test(flavor = "multi_thread")]
async fn logins_change_soon_after_a_login_only() {
    let room = Room::new(|_| {}).await;
    let first = room.try_token(&room.token("1", 0), None, 0).await.unwrap().tokens;
    let caller = (first.user_id, first.session);
    let link = async |caller, sub: &str, s: i64| {
        let given = IdToken { provider: "house".to_owned(), token: room.token(sub, s), ..IdToken::default() };
        room.auth.link_oidc(caller, &given, &Asker::default(), at(s)).await
    };
    let id = link(caller, "2", 600).await.unwrap();
    let stale = link(caller, "3", 601).await;
    let problem = ApiError::from(stale.err().unwrap()).problem();
    assert_eq!((problem.status, problem.code), (403, "reauthentication_required"));
    assert!(problem.detail.contains("log in again") && problem.detail.contains("600"), "{}", problem.detail);
    assert_eq!(
        code(room.auth.link_phone(caller, ("+8613812345678", "123456"), &Asker::default(), at(601)).await),
        "reauthentication_required"
    );
    assert_eq!(code(room.auth.unlink(caller, id, at(601)).await), "reauthentication_required");
    // A refresh is no login.
    let turned = room.auth.refresh(&first.refresh, at(602)).await.unwrap();
    assert_eq!(code(link((turned.user_id, turned.session), "3", 603).await), "reauthentication_required");
    let again = room.try_token(&room.token("2", 700), None, 700).await.unwrap().tokens;
    let caller = (again.user_id, again.session);
    assert_eq!(again.user_id, first.user_id);
    assert_eq!(code(link(caller, "3", 700).await), "ok");
    // Ten at most; and two removals at the same time leave one.
    for n in 4..=10 {
        assert_eq!(code(link(caller, &n.to_string(), 700).await), "ok");
    }
    assert_eq!(code(link(caller, "11", 700).await), "too_many_logins");
    let ids: Vec<i64> = room.auth.logins(first.user_id).await.unwrap().iter().map(|login| login.id).collect();
    let removed = join_all(ids.iter().map(|id| room.auth.unlink(caller, *id, at(700)))).await;
    let mut codes: Vec<&str> = removed.into_iter().map(code).collect();
    codes.sort_unstable();
    assert_eq!((codes.len(), codes[0], &codes[1..]), (10, "last_login", &["ok"; 9][..]));
    // Of an ended session nothing is changed, and of nobody's neither.
    room.auth.end_session(caller.0, caller.1, at(701)).await.unwrap();
    assert_eq!(code(link(caller, "12", 702).await), "invalid_token");
}
