//! Bad input: every kind gets a clear answer, and spoils nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, KEY, TestApp, person};
use tokio::task::block_in_place;

fn fields(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.problem(422), "invalid_fields", "{answer:?}");
    answer.json()["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap().to_owned()).collect()
}

async fn raw(app: &TestApp, method: Method, path: &str, body: &str) -> Answer {
    app.read(app.request(method, path).header("content-type", "application/json").body(body.to_owned())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_bad_input_is_told_apart() {
    let app = TestApp::start().await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    frame(&app).await;
    bodies(&app).await;
    headers(&app).await;
    profiles(&app).await;
    interactions(&app).await;
    presence(&app).await;
    queries(&app).await;
    assert_eq!(app.get("/readyz").await.status, 200);
    app.stop().await;
}

/// A request that holds its place: its handler waits for the body, as the server has said by `100 Continue`.
struct Unfinished(TcpStream);

impl Unfinished {
    fn begin(app: &TestApp) -> Self {
        let mut stream = TcpStream::connect(app.address.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /v1/interactions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut told = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut told).unwrap();
        assert!(told.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&told));
        Self(stream)
    }

    /// Sends what lacks, and gives the status line.
    fn end(mut self) -> String {
        self.0.write_all(b"{}").unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_at_a_time_than_allowed_are_told_to_wait() {
    let app = TestApp::start_with(|config| config.http.in_flight = 1).await;
    for round in 0..2 {
        assert_eq!(app.get("/v1/users").await.status, 200, "round {round}: the place is free");
        let held = block_in_place(|| Unfinished::begin(&app));
        let answer = app.get("/v1/users").await;
        assert_eq!(answer.problem(429), "too_many_requests");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
        assert_eq!(app.get("/healthz").await.status, 200, "probes are answered all the same");
        assert_eq!(block_in_place(|| held.end()), "HTTP/1.1 422 Unprocessable Entity");
    }
    // Whoever hangs up gives the place back as well.
    drop(block_in_place(|| Unfinished::begin(&app)));
    app.until("the place is free again", async || app.get("/v1/users").await.status == 200).await;
    app.stop().await;
}

/// Sends a whole request before it reads a byte of the answer, as simple clients do.
fn first_sent_then_read(app: &TestApp, key: &str, body: usize) -> String {
    let mut stream = TcpStream::connect(app.address.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /v1/moments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {body}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; body]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_far_too_much_is_told() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        let told = block_in_place(|| first_sent_then_read(&app, KEY, 32 << 20));
        assert_eq!(told, "HTTP/1.1 413 Payload Too Large");
        assert_eq!(
            block_in_place(|| first_sent_then_read(&app, "nobody's", 32 << 20)),
            "HTTP/1.1 401 Unauthorized",
            "not a byte is read for an answer"
        );
    }
    app.stop().await;
}

/// What is refused before a room sees it.
async fn frame(app: &TestApp) {
    assert_eq!(raw(app, Method::POST, "/v1/moments", "{\"author_id\": ").await.problem(400), "malformed");
    assert_eq!(raw(app, Method::POST, "/v1/moments", "").await.problem(400), "malformed");
    let plain = app.request(Method::POST, "/v1/moments").body("{}");
    assert_eq!(app.read(plain).await.problem(415), "unsupported_media_type");
    let large = json!({"author_id": "1", "text": "x".repeat(1 << 21)});
    assert_eq!(app.post("/v1/moments", &large).await.problem(413), "body_too_large");
    let large = app.request(Method::POST, "/v1/moments").header("idempotency-key", "large").json(&large);
    assert_eq!(app.read(large).await.problem(413), "body_too_large");
    assert_eq!(app.send(Method::PATCH, "/v1/moments/1", None).await.problem(405), "method_not_allowed");
    assert_eq!(app.get("/v1/users/%ff").await.problem(400), "malformed");
    assert_eq!(app.get("/v2/users/1").await.problem(404), "not_found");
    for key in ["", "wrong", "development-key-and-more", "ключ"] {
        let request = app.request(Method::GET, "/v1/users/1");
        let mut request = request.build().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap_or_else(|_| "?".parse().unwrap()));
        let response = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(response.status(), 401, "{key}");
        assert!(!response.headers()["x-request-id"].is_empty(), "every answer has a request id");
    }
}

/// Bodies that are no JSON, or that JSON allows and a parser may choke on.
async fn bodies(app: &TestApp) {
    for path in ["/v1/moments", "/v1/interactions", "/v1/presence"] {
        let send =
            async |body: Vec<u8>| app.read(app.request(Method::POST, path).header("content-type", "application/json").body(body)).await;
        let mut text = if path == "/v1/moments" { b"{\"text\": \"".to_vec() } else { b"{\"items\": [\"".to_vec() };
        text.extend(b"\xff\xfe\xc3\x28\"");
        assert_eq!(send(text).await.problem(400), "malformed", "{path}: no UTF-8");
        for deep in [200, 100_000] {
            let nested = format!("{{\"items\": {}{}}}", "[".repeat(deep), "]".repeat(deep));
            let answer = send(nested.into_bytes()).await;
            assert!(matches!(answer.status, 400 | 422), "{path}: {deep} deep: {answer:?}");
            answer.problem(answer.status);
        }
    }
    assert_eq!(raw(app, Method::POST, "/v1/interactions", "{\"items\": []}{}").await.problem(400), "malformed", "two bodies");
    // Just under the limit of a body, and so far above that of a text.
    let limit = app.inside.config.http.body_limit;
    let empty = json!({"author_id": "1", "text": ""}).to_string().len();
    let moment = json!({"author_id": "1", "text": "x".repeat(limit - empty)}).to_string();
    assert_eq!(moment.len(), limit);
    assert_eq!(fields(&raw(app, Method::POST, "/v1/moments", &moment).await), ["text"]);
    assert_eq!(raw(app, Method::POST, "/v1/moments", &format!("{moment} ")).await.problem(413), "body_too_large", "a byte more");
    for text in ["a\0b", "\0"] {
        assert_eq!(fields(&app.post("/v1/moments", &json!({"author_id": "1", "text": text})).await), ["text"], "{text:?}");
        let mut profile = person("小红", "female", "male");
        profile["nickname"] = json!(text);
        assert_eq!(fields(&app.put("/v1/users/1", &profile).await), ["nickname"], "{text:?}");
    }
    let unpaired = "{\"author_id\": \"1\", \"text\": \"\\ud800\"}";
    assert_eq!(raw(app, Method::POST, "/v1/moments", unpaired).await.problem(400), "malformed", "half a character");
}

/// Headers that are too long, empty, or no text.
async fn headers(app: &TestApp) {
    let post = |name: &str, value: &[u8]| app.request(Method::POST, "/v1/interactions").header(name, value).json(&json!({"items": []}));
    for key in [vec![b'k'; 201], Vec::new(), "ключ".into()] {
        assert_eq!(fields(&app.read(post("idempotency-key", &key)).await), ["Idempotency-Key"], "{key:?}");
    }
    assert_eq!(fields(&app.read(post("idempotency-key", &[b'k'; 200])).await), ["items"]);
    for id in [vec![b'r'; 129], vec![b'r'; 300_000], Vec::new(), "ид".into(), b"a b".to_vec()] {
        let answer = app.read(post("x-request-id", &id)).await;
        answer.problem(422);
        assert_eq!(answer.header("x-request-id").len(), 36, "one of ours instead of {} bytes", id.len());
    }
    assert_eq!(app.read(post("x-request-id", &[b'r'; 128])).await.header("x-request-id"), "r".repeat(128));
}

async fn profiles(app: &TestApp) {
    let with = |field: &str, value: Value| {
        let mut profile = person("小红", "female", "male");
        profile[field] = value;
        profile
    };
    let cases = [
        ("nickname", json!("  ")),
        ("nickname", json!("x".repeat(1_000_000))),
        ("birth_date", json!("2020-01-01")),
        ("birth_date", json!("1996-02-30")),
        ("position", json!({"lat": 91.0, "lon": 0.0})),
        ("position", json!({"lat": 0.0, "lon": 181.0})),
        ("position", json!({"lat": "north", "lon": 0})),
        ("height_cm", json!(-1)),
        ("gender", json!("unknown")),
        ("tags", json!(vec!["t"; 31])),
        ("bio", json!("字".repeat(2001))),
        ("preferences", json!({"min_age": 12})),
        ("preferences", json!({"genders": ["male"], "min_age": 40, "max_age": 30})),
    ];
    for (field, value) in cases {
        let answer = app.put("/v1/users/1", &with(field, value)).await;
        let told = fields(&answer);
        assert!(told.iter().any(|f| f.starts_with(field)), "{field}: {}", answer.text);
    }
    for id in ["0", "-1", "x", "18446744073709551616"] {
        assert_eq!(fields(&app.put(&format!("/v1/users/{id}"), &person("a", "male", "male")).await), ["id"], "{id}");
    }
    assert_eq!(app.get("/v1/users/1").await.expect(200)["nickname"], "小红", "nothing of that was taken");
    assert_eq!(app.get("/v1/users/99").await.problem(404), "unknown_user");
    assert_eq!(app.delete("/v1/users/99").await.problem(404), "unknown_user");
    assert_eq!(app.get("/v1/moments/99").await.problem(404), "unknown_moment");
    let of_nobody = json!({"author_id": "99", "text": "hi"});
    assert_eq!(app.post("/v1/moments", &of_nobody).await.problem(404), "unknown_user");
    assert_eq!(fields(&app.post("/v1/moments", &json!({"author_id": "1"})).await), ["text"], "a Moment without anything in it");
}

async fn interactions(app: &TestApp) {
    let items = json!({"items": [
        {"kind": "like", "actor_id": "1", "target_id": "2"},
        {"kind": "like", "actor_id": "1", "target_id": "99"},
        {"kind": "wink", "actor_id": "1", "target_id": "2"},
        {"kind": "like", "actor_id": "1", "target_id": "1"},
        {"kind": "comment", "actor_id": "1", "target_id": "2", "text": "no Moment named"},
        {"kind": "like", "actor_id": 1, "target_id": "2"},
        "not an object",
        {"kind": "like", "actor_id": "1", "target_id": "2", "event_time": "2999-01-01T00:00:00Z"},
        {"kind": "like", "actor_id": "1", "target_id": "2", "event_id": "00000000-0000-4000-8000-000000000000"},
    ]});
    let answer = app.post("/v1/interactions", &items).await.expect(200);
    let outcomes = answer["items"].as_array().unwrap();
    assert_eq!((outcomes.len(), answer["accepted"].clone()), (9, json!(1)), "{answer}");
    assert!(outcomes[0]["event_id"].is_string() && outcomes[0].get("error").is_none(), "{answer}");
    assert!(outcomes[1..].iter().all(|o| o.get("event_id").is_none() && !o["error"].as_array().unwrap().is_empty()), "{answer}");
    assert_eq!(fields(&app.post("/v1/interactions", &json!({"items": []})).await), ["items"]);
    assert_eq!(fields(&app.post("/v1/interactions", &json!({"items": vec![json!({}); 501]})).await), ["items"]);
    let lost = json!({"items": [{"kind": "location", "user_id": "1"}, {"kind": "app_open", "user_id": "1"}]});
    assert_eq!(app.post("/v1/presence", &lost).await.expect(200)["accepted"], 1);
}

/// Places that are not on the Earth, each told by its field.
async fn presence(app: &TestApp) {
    let at = |lat: Value, lon: Value| json!({"kind": "location", "user_id": "1", "position": {"lat": lat, "lon": lon}});
    let cases = [
        (at(json!(90.001), json!(0)), "position.lat"),
        (at(json!(-91), json!(0)), "position.lat"),
        (at(json!(0), json!(180.5)), "position.lon"),
        (at(json!(1e308), json!(-1e308)), "position.lat"),
        (at(json!("31"), json!(121)), "items[4]"),
        (at(json!(null), json!(121)), "items[5]"),
        (json!({"kind": "location", "user_id": "1", "position": {"lat": 1}}), "items[6]"),
        (json!({"kind": "heartbeat", "user_id": "1", "position": {"lat": 0, "lon": -200}}), "position.lon"),
        (json!({"kind": "location", "user_id": "1"}), "position"),
        (json!({"kind": "location", "user_id": "99", "position": {"lat": 1, "lon": 1}}), "user_id"),
        (at(json!(90), json!(-180)), ""),
    ];
    let items: Vec<&Value> = cases.iter().map(|(item, _)| item).collect();
    let answer = app.post("/v1/presence", &json!({"items": items})).await.expect(200);
    assert_eq!(answer["accepted"], 1, "the pole is on the Earth: {answer}");
    for (i, (item, field)) in cases.iter().enumerate().filter(|(_, (_, field))| !field.is_empty()) {
        let told = &answer["items"][i]["error"][0];
        assert_eq!(told["field"], *field, "{item}: {told}");
        assert!(!told["message"].as_str().unwrap().is_empty(), "{item}: {told}");
    }
}

async fn queries(app: &TestApp) {
    let cases = [
        ("/v1/recommendations", "query"),
        ("/v1/recommendations?viewer=0", "query"),
        ("/v1/recommendations?viewer=1&limit=0", "limit"),
        ("/v1/recommendations?viewer=1&limit=100000", "limit"),
        ("/v1/recommendations?viewer=1&limit=many", "query"),
        ("/v1/recommendations?viewer=1&lat=95&lon=0", "lat"),
        ("/v1/recommendations?viewer=1&lat=NaN&lon=0", "lat"),
        ("/v1/recommendations?viewer=1&lat=1", "lat"),
        ("/v1/recommendations?viewer=1&lat=1&lon=inf", "lon"),
        ("/v1/recommendations?viewer=1&cursor=garbage", "cursor"),
        ("/v1/recommendations?viewer=1&cursor=eyJ2aWV3ZXIiOiIxIiwiZGVjayI6IngiLCJuZXh0IjotMX0", "cursor"),
        ("/v1/recommendations?viewer=1&shout=loud", "query"),
        ("/v1/search?q=", "q"),
        ("/v1/search?q=a&kind=cars", "kind"),
        ("/v1/search?q=a&limit=51", "limit"),
        ("/v1/users?limit=0", "limit"),
    ];
    for (path, field) in cases {
        assert_eq!(fields(&app.get(path).await), [field], "{path}");
    }
    assert_eq!(app.get("/v1/recommendations?viewer=99").await.problem(404), "unknown_user");
}
