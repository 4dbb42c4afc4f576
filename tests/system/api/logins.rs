//! Logins over HTTP, with codes that come by the webhook.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use serving::auth::AuthConfig;
use tests::{Answer, TestApp, person};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "a secret of the test";

/// A service that takes codes by the webhook, and checks who sends them.
pub(super) struct Inbox {
    url: String,
    codes: Arc<Mutex<Vec<(String, String)>>>,
}

impl Inbox {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap());
        let codes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&codes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&kept)));
            }
        });
        Self { url, codes }
    }

    /// A configuration that sends codes here.
    pub(super) fn configure(&self, auth: &mut AuthConfig) {
        let sms = json!({"provider": "webhook", "webhook_url": self.url, "webhook_secret": SECRET});
        auth.sms = serde_json::from_value(sms).unwrap();
    }

    /// The code that came last for a number, which may be written without its country.
    pub(super) fn code(&self, phone: &str) -> String {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let codes = self.codes.lock().unwrap();
        codes.iter().rev().find(|(to, _)| to.ends_with(&digits)).unwrap_or_else(|| panic!("no code for {phone}")).1.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.codes.lock().unwrap().len()
    }
}

/// One request: kept and answered with 204 if it is signed as the documentation says, else refused.
async fn take(mut stream: TcpStream, codes: Arc<Mutex<Vec<(String, String)>>>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = header(head, "content-length").parse().unwrap();
        if body.len() >= length || n == 0 {
            break (head.to_owned(), body.to_owned());
        }
    };
    let timestamp = header(&head, "x-hongniang-timestamp");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mac = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    let right: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let recent = (chrono::Utc::now().timestamp() - timestamp.parse::<i64>().unwrap()).abs() < 300;
    let good = recent && header(&head, "x-hongniang-signature") == format!("v1={right}") && head.starts_with("POST /sms ");
    if good {
        let posted: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&posted["purpose"], &posted["expires_in"]), (&json!("login"), &json!(300)));
        codes.lock().unwrap().push((posted["phone"].as_str().unwrap().to_owned(), posted["code"].as_str().unwrap().to_owned()));
    }
    let status = if good { "204 No Content" } else { "403 Forbidden" };
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// A request with a token, or with none.
pub(super) async fn ask(app: &TestApp, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let client = reqwest::Client::new();
    let mut request = client.request(method, format!("{}{path}", app.address));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    app.read(if let Some(body) = body { request.json(body) } else { request }).await
}

/// Logs somebody in; the answer of the login.
pub(super) async fn log_in(app: &TestApp, inbox: &Inbox, phone: &str, device: &str) -> Value {
    let sent = ask(app, "", Method::POST, "/v1/auth/phone/code", Some(&json!({"phone": phone}))).await.expect(202);
    assert_eq!(sent, json!({"expires_in": 300, "retry_after": app.inside.config.auth.codes.pause_s}));
    let login = json!({"phone": phone, "code": inbox.code(phone), "device_name": device});
    let answer = ask(app, "", Method::POST, "/v1/auth/phone/verify", Some(&login)).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.expect(200)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_lives_here_and_logs_out() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.auth.codes.pause_s = 0;
    })
    .await;
    let phone = "+8613812345678";
    let login = log_in(&app, &inbox, phone, "小米 14").await;
    assert_eq!(
        (login["created"].as_bool(), login["token_type"].as_str(), login["expires_in"].as_i64()),
        (Some(true), Some("Bearer"), Some(900))
    );
    let (me, token) = (text(&login, "user_id"), text(&login, "access_token"));
    let own = format!("/v1/users/{me}");
    ask(&app, &token, Method::GET, &own, None).await.expect(404);
    ask(&app, &token, Method::PUT, &own, Some(&person("小红", "female", "male"))).await.expect(200);
    assert_eq!(ask(&app, &token, Method::GET, &own, None).await.expect(200)["nickname"], "小红");
    app.with_user(2, &person("Bob", "male", "female")).await;
    let like = json!({"items": [{"kind": "like", "actor_id": me, "target_id": "2"}]});
    assert_eq!(ask(&app, &token, Method::POST, "/v1/interactions", Some(&like)).await.expect(200)["accepted"], 1);
    ask(&app, &token, Method::GET, &format!("/v1/recommendations?viewer={me}"), None).await.expect(200);

    // A second device, of the same account.
    let tablet = log_in(&app, &inbox, "138 1234 5678", "平板").await;
    assert_eq!((text(&tablet, "user_id"), tablet["created"].as_bool()), (me.clone(), Some(false)));
    let listed = ask(&app, &token, Method::GET, "/v1/auth/sessions", None).await.expect(200);
    let devices: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|s| (text(s, "device_name"), s["current"].as_bool().unwrap())).collect();
    assert_eq!(devices, [("平板".to_owned(), false), ("小米 14".to_owned(), true)]);

    // Refreshed, and refreshed again with the used token: the retry of a lost answer.
    let refresh = async |token: &str| ask(&app, "", Method::POST, "/v1/auth/refresh", Some(&json!({"refresh_token": token}))).await;
    let first = text(&login, "refresh_token");
    let second = refresh(&first).await.expect(200);
    assert_eq!(refresh(&first).await.expect(200)["refresh_token"], second["refresh_token"]);
    let third = refresh(&text(&second, "refresh_token")).await.expect(200);
    assert_eq!(refresh(&first).await.problem(401), "refresh_token_reused");
    assert_eq!(refresh(&text(&third, "refresh_token")).await.problem(401), "invalid_refresh_token");
    assert_eq!(ask(&app, &token, Method::GET, &own, None).await.problem(401), "invalid_token");

    // The tablet goes on, and logs out.
    let token = text(&tablet, "access_token");
    ask(&app, &token, Method::GET, &own, None).await.expect(200);
    ask(&app, &token, Method::POST, "/v1/auth/logout", None).await.expect(204);
    let after = ask(&app, &token, Method::GET, &own, None).await;
    assert_eq!((after.problem(401).as_str(), after.header("www-authenticate")), ("invalid_token", "Bearer"));
    let jwks = ask(&app, "", Method::GET, "/.well-known/jwks.json", None).await.expect(200);
    assert_eq!(
        (&jwks["keys"][0]["kty"], &jwks["keys"][0]["crv"], jwks["keys"][0]["d"].is_null()),
        (&json!("OKP"), &json!("Ed25519"), true)
    );
    app.stop().await;
}

/// Number with account, number without: the same answers, the same headers.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_who_has_an_account() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.auth.codes.pause_s = 0;
        config.auth.codes.per_number = 3;
    })
    .await;
    let (known, unknown) = ("+8613812345678", "+8613900001111");
    log_in(&app, &inbox, known, "").await;
    let code = async |phone: &str| ask(&app, "", Method::POST, "/v1/auth/phone/code", Some(&json!({"phone": phone}))).await;
    let verify = async |phone: &str, code: &str| {
        let login = json!({"phone": phone, "code": code});
        ask(&app, "", Method::POST, "/v1/auth/phone/verify", Some(&login)).await
    };
    code(unknown).await.expect(202);
    for wrong in ["000000", "000001"] {
        let (a, b) = (verify(known, wrong).await, verify(unknown, wrong).await);
        if [inbox.code(known), inbox.code(unknown)].iter().all(|code| code != wrong) {
            assert_eq!((a.problem(401).as_str(), &a.text), ("wrong_code", &b.text));
        }
    }
    for _ in 0..2 {
        let (a, b) = (code(known).await, code(unknown).await);
        assert_eq!((a.status, &a.text), (202, &b.text));
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&a), names(&b));
    }
    let (a, b) = (code(known).await, code(unknown).await);
    assert_eq!((a.problem(429), b.problem(429)), ("rate_limited".to_owned(), "rate_limited".to_owned()));
    assert!(a.header("retry-after").parse::<u64>().unwrap() > 1_000, "{a:?}");
    for (body, field) in [
        (json!({"phone": "12"}), "phone"),
        (json!({"phone": "+8613812345678", "device_id": ""}), "device_id"),
        (json!({"phone": 13_812_345_678u64}), "phone"),
    ] {
        let answer = ask(&app, "", Method::POST, "/v1/auth/phone/code", Some(&body)).await;
        assert_eq!(answer.problem(422), "invalid_fields");
        assert_eq!(answer.json()["fields"][0]["field"], field);
    }
    assert_eq!(inbox.len(), 6);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_an_idempotency_key_is_answered_to_its_own_caller_only() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| inbox.configure(&mut config.auth)).await;
    let (a, b) = (log_in(&app, &inbox, "+8613812345678", "").await, log_in(&app, &inbox, "+8613900001111", "").await);
    let mut ids = Vec::new();
    for login in [&a, &b, &a] {
        let (token, me) = (text(login, "access_token"), text(login, "user_id"));
        ask(&app, &token, Method::PUT, &format!("/v1/users/{me}"), Some(&person("x", "female", "male"))).await.expect(200);
        let moment = json!({"author_id": me, "title": "hello", "text": "你好"});
        let client = reqwest::Client::new();
        let request = client.post(format!("{}/v1/moments", app.address)).bearer_auth(token).header("idempotency-key", "the same");
        ids.push(text(&app.read(request.json(&moment)).await.expect(201), "moment_id"));
    }
    assert_eq!(ids[0], ids[2], "a repeat is the same");
    assert_ne!(ids[0], ids[1], "two people who choose the same key mean two things");
    app.stop().await;
}

/// A key that was sent with a refresh token must not let in whoever has both, after the token was used up or its session ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_gives_no_refresh_token_a_second_life() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.auth.retry_s = 0;
    })
    .await;
    let login = log_in(&app, &inbox, "+8613812345678", "").await;
    let client = reqwest::Client::new();
    let refresh = async |token: &Value| {
        let request = client.post(format!("{}/v1/auth/refresh", app.address)).header("idempotency-key", "the same");
        app.read(request.json(&json!({"refresh_token": token}))).await
    };
    let next = refresh(&login["refresh_token"]).await.expect(200);
    // The used one, with the same key: noticed, and the session ends.
    assert_eq!(refresh(&login["refresh_token"]).await.problem(401), "refresh_token_reused");
    assert_eq!(refresh(&next["refresh_token"]).await.problem(401), "invalid_refresh_token");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_somebody_who_sends_codes_nobody_is_promised_one() {
    let app = TestApp::start().await;
    let wanted = json!({"phone": "+8613812345678"});
    let answer = ask(&app, "", Method::POST, "/v1/auth/phone/code", Some(&wanted)).await;
    assert_eq!(answer.problem(503), "unavailable");
    assert!(!answer.text.contains("1381234"), "{}", answer.text);
    app.stop().await;
}
