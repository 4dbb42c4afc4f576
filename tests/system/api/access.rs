//! Whom each route is for: held for every operation of the description of the API.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Issuer, KEY, TestApp, person};

use super::logins::{Inbox, ask, log_in};

/// Operations that anybody may call. What is added here is public: think twice.
const PUBLIC: [&str; 6] = [
    "GET /.well-known/jwks.json",
    "GET /v1/erasures/{id}",
    "POST /v1/auth/oidc/{provider}",
    "POST /v1/auth/phone/code",
    "POST /v1/auth/phone/verify",
    "POST /v1/auth/refresh",
];

/// The app that people log in from by the provider `house`.
const APP: &str = "app.example.com";

/// What proves logins of Ann's; each works once.
struct Proofs {
    phone: &'static str,
    code: String,
    id_token: String,
}

impl Proofs {
    async fn of(app: &TestApp, inbox: &Inbox, issuer: &Issuer, phone: &'static str) -> Self {
        ask(app, "", Method::POST, "/v1/auth/phone/code", Some(&json!({"phone": phone}))).await.expect(202);
        let id_token = issuer.token(&issuer.claims(APP, phone, chrono::Utc::now()));
        Self { phone, code: inbox.code(phone), id_token }
    }
}

/// Operations and the ways in that they name.
fn operations(api: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for (path, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let ways = operation.get("security").unwrap_or(&api["security"]).as_array().unwrap();
            let names = |way: &Value| way.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let all = ways.iter().flat_map(|way| if names(way).is_empty() { vec!["everybody".to_owned()] } else { names(way) });
            found.insert(format!("{} {path}", method.to_uppercase()), all.collect());
        }
    }
    found
}

/// Somebody with a profile, a Moment and a session.
struct Somebody {
    id: String,
    token: String,
    session: String,
    moment: String,
    /// A login by the provider `house`, where there is one.
    login: String,
}

/// A Moment of somebody else with a comment of Ann's and one of somebody else's.
struct Discussed {
    moment: String,
    own: String,
    others: String,
}

impl Discussed {
    async fn new(app: &TestApp, ann: &str, eve: &str) -> Self {
        let posted = app.post("/v1/moments", &json!({"author_id": "2", "text": "周末去爬山"})).await.expect(201);
        let moment = posted["moment_id"].as_str().unwrap().to_owned();
        app.until("the Moment is found", async || app.get(&format!("/v1/moments/{moment}")).await.status == 200).await;
        let comment = async |by: &str| {
            let path = format!("/v1/moments/{moment}/comments?user={by}");
            app.post(&path, &json!({"text": "真好看"})).await.expect(201)["comment_id"].as_str().unwrap().to_owned()
        };
        let (own, others) = (comment(ann).await, comment(eve).await);
        Self { moment, own, others }
    }
}

impl Somebody {
    async fn new(app: &TestApp, inbox: &Inbox, phone: &str, nickname: &str) -> Self {
        let login = log_in(app, inbox, phone, "").await;
        let part = |name: &str| login[name].as_str().unwrap().to_owned();
        let (id, token, session) = (part("user_id"), part("access_token"), part("session_id"));
        ask(app, &token, Method::PUT, &format!("/v1/users/{id}"), Some(&person(nickname, "female", "male"))).await.expect(200);
        let moment = json!({"author_id": id, "title": nickname, "text": "周末去爬山"});
        let moment =
            ask(app, &token, Method::POST, "/v1/moments", Some(&moment)).await.expect(201)["moment_id"].as_str().unwrap().to_owned();
        Self { id, token, session, moment, login: String::new() }
    }

    /// The same with a login by the provider.
    async fn linked(self, app: &TestApp, proofs: &Proofs) -> Self {
        let body = json!({"id_token": proofs.id_token});
        let linked = ask(app, &self.token, Method::POST, "/v1/auth/logins/oidc/house", Some(&body)).await.expect(200);
        Self { login: linked["login_id"].as_str().unwrap().to_owned(), ..self }
    }

    /// Every operation that is for people, as this one would call it: path, body, and what somebody else gets for the same.
    fn own(&self, on: &Discussed, proofs: &Proofs) -> BTreeMap<&'static str, (String, Option<Value>, u16)> {
        let mut all = self.own_things(proofs);
        all.extend(self.own_relations());
        all.extend(self.own_words(on));
        all
    }

    /// Towards number 2.
    fn own_relations(&self) -> BTreeMap<&'static str, (String, Option<Value>, u16)> {
        let path = |rest: &str| format!("/v1/users/{}/{rest}", self.id);
        BTreeMap::from([
            ("GET /v1/users/{id}/relations", (path("relations"), None, 403)),
            ("GET /v1/users/{id}/friends", (path("friends"), None, 403)),
            ("GET /v1/users/{id}/fans", (path("fans"), None, 403)),
            ("GET /v1/users/{id}/following", (path("following"), None, 403)),
            ("GET /v1/users/{id}/blocked", (path("blocked"), None, 403)),
            ("GET /v1/users/{id}/relations/{other}", (path("relations/2"), None, 403)),
            ("PUT /v1/users/{id}/relations/{other}/follow", (path("relations/2/follow"), None, 403)),
            ("DELETE /v1/users/{id}/relations/{other}/follow", (path("relations/2/follow"), None, 403)),
            ("DELETE /v1/users/{id}/relations/{other}/friend", (path("relations/2/friend"), None, 403)),
            ("PUT /v1/users/{id}/relations/{other}/block", (path("relations/2/block"), None, 403)),
            ("DELETE /v1/users/{id}/relations/{other}/block", (path("relations/2/block"), None, 403)),
            ("POST /v1/users/{id}/relations/{other}/report", (path("relations/2/report"), Some(json!({"reason": "spam"})), 403)),
        ])
    }

    /// About a Moment of number 2.
    fn own_words(&self, on: &Discussed) -> BTreeMap<&'static str, (String, Option<Value>, u16)> {
        let path = |rest: &str| format!("/v1/moments/{}/{rest}?user={}", on.moment, self.id);
        let text = || Some(json!({"text": "hello"}));
        BTreeMap::from([
            ("POST /v1/moments/{id}/likes", (path("likes"), None, 403)),
            ("DELETE /v1/moments/{id}/likes", (path("likes"), None, 403)),
            ("GET /v1/moments/{id}/likes", (path("likes"), None, 403)),
            ("POST /v1/moments/{id}/comments", (path("comments"), text(), 403)),
            ("GET /v1/moments/{id}/comments", (path("comments"), None, 403)),
            ("POST /v1/moments/{id}/comments/{comment}/replies", (path(&format!("comments/{}/replies", on.others)), text(), 403)),
            ("DELETE /v1/moments/{id}/comments/{comment}", (path(&format!("comments/{}", on.own)), None, 403)),
        ])
    }

    fn own_things(&self, proofs: &Proofs) -> BTreeMap<&'static str, (String, Option<Value>, u16)> {
        let id = &self.id;
        let (by_phone, by_house) = (json!({"phone": proofs.phone, "code": proofs.code}), json!({"id_token": proofs.id_token}));
        let item = |item: Value| Some(json!({"items": [item]}));
        BTreeMap::from([
            // Others see what is for others.
            ("GET /v1/users/{id}", (format!("/v1/users/{id}"), None, 200)),
            ("PATCH /v1/users/{id}", (format!("/v1/users/{id}"), Some(json!({"bio": "hello"})), 403)),
            ("PUT /v1/users/{id}", (format!("/v1/users/{id}"), Some(person("new", "female", "male")), 403)),
            ("POST /v1/moments", ("/v1/moments".to_owned(), Some(json!({"author_id": id, "text": "hello"})), 403)),
            // What is published is for all who are here.
            ("GET /v1/moments/{id}", (format!("/v1/moments/{}", self.moment), None, 200)),
            ("DELETE /v1/moments/{id}", (format!("/v1/moments/{}", self.moment), None, 403)),
            ("GET /v1/search", (format!("/v1/search?q=hello&viewer={id}"), None, 403)),
            ("GET /v1/recommendations", (format!("/v1/recommendations?viewer={id}"), None, 403)),
            (
                "POST /v1/interactions",
                ("/v1/interactions".to_owned(), item(json!({"kind": "like", "actor_id": id, "target_id": "2"})), 403),
            ),
            ("POST /v1/presence", ("/v1/presence".to_owned(), item(json!({"kind": "app_open", "user_id": id})), 403)),
            // These name nobody: they are about whoever asks.
            ("GET /v1/me", ("/v1/me".to_owned(), None, 200)),
            ("PUT /v1/me", ("/v1/me".to_owned(), Some(person("new", "female", "male")), 200)),
            ("PATCH /v1/me", ("/v1/me".to_owned(), Some(json!({"bio": "hello"})), 200)),
            ("GET /v1/me/entitlements", ("/v1/me/entitlements".to_owned(), None, 200)),
            ("GET /v1/auth/sessions", ("/v1/auth/sessions".to_owned(), None, 200)),
            ("DELETE /v1/auth/sessions/{id}", (format!("/v1/auth/sessions/{}", self.session), None, 404)),
            ("GET /v1/auth/logins", ("/v1/auth/logins".to_owned(), None, 200)),
            ("POST /v1/auth/logins/phone", ("/v1/auth/logins/phone".to_owned(), Some(by_phone), 409)),
            ("POST /v1/auth/logins/oidc/{provider}", ("/v1/auth/logins/oidc/house".to_owned(), Some(by_house), 409)),
            ("DELETE /v1/auth/logins/{id}", (format!("/v1/auth/logins/{}", self.login), None, 404)),
            ("POST /v1/auth/logout", ("/v1/auth/logout".to_owned(), None, 204)),
            ("DELETE /v1/users/{id}", (format!("/v1/users/{id}"), None, 403)),
            ("GET /v1/me/export", ("/v1/me/export".to_owned(), None, 200)),
            ("DELETE /v1/me", ("/v1/me".to_owned(), None, 401)),
        ])
    }
}

/// The last ones end what the others need.
fn in_order<T>(own: &BTreeMap<&'static str, T>) -> Vec<&'static str> {
    let last = [
        "DELETE /v1/auth/logins/{id}",
        "PUT /v1/users/{id}/relations/{other}/block",
        "DELETE /v1/moments/{id}",
        "DELETE /v1/users/{id}",
        "DELETE /v1/auth/sessions/{id}",
        "POST /v1/auth/logout",
        "DELETE /v1/me",
    ];
    let mut names: Vec<_> = own.keys().copied().filter(|name| !last.contains(name)).collect();
    names.extend(last.iter().filter(|name| own.contains_key(*name)));
    names
}

fn method(name: &str) -> Method {
    name.split(' ').next().unwrap().parse().unwrap()
}

/// The path of an operation, with something where it has holes.
fn filled(name: &str, id: &str) -> String {
    let holes = [("{id}", id), ("{deck}", "x"), ("{provider}", "house"), ("{other}", "2"), ("{comment}", "1")];
    holes.iter().fold(name.split(' ').nth(1).unwrap().to_owned(), |path, (hole, value)| path.replace(hole, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_whom_it_says() {
    let (inbox, issuer) = (Inbox::open().await, Issuer::start().await);
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        issuer.configure(&mut config.auth, "house", &[APP]);
        config.auth.codes.pause_s = 0;
    })
    .await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    let phone = "+8613812345678";
    let ann = Somebody::new(&app, &inbox, phone, "Ann").await;
    let ann = ann.linked(&app, &Proofs::of(&app, &inbox, &issuer, phone).await).await;
    let eve = Somebody::new(&app, &inbox, "+8613900001111", "Eve").await;
    for somebody in [&ann, &eve] {
        app.until("the Moments are found", async || app.get(&format!("/v1/moments/{}", somebody.moment)).await.status == 200).await;
    }
    let on = Discussed::new(&app, &ann.id, &eve.id).await;
    let proofs = Proofs::of(&app, &inbox, &issuer, phone).await;
    let (own, operations) = (ann.own(&on, &proofs), operations(&app.get("/openapi.json").await.expect(200)));
    let public: Vec<&String> = operations.iter().filter(|(_, ways)| ways.contains("everybody")).map(|(name, _)| name).collect();
    assert_eq!(public, PUBLIC);
    let people: Vec<&str> = operations.iter().filter(|(_, ways)| ways.contains("user_token")).map(|(name, _)| name.as_str()).collect();
    let mut tried: Vec<&str> = own.keys().copied().collect();
    tried.sort_unstable();
    assert_eq!(people, tried, "every operation for people is tried here with somebody else's token");

    for (name, ways) in operations.iter().filter(|(_, ways)| !ways.contains("everybody")) {
        let path = filled(name, &ann.id);
        assert_eq!(ask(&app, "", method(name), &path, None).await.problem(401), "unauthorized", "{name} without a token");
        for token in ["a.b.c", "wrong"] {
            assert_eq!(ask(&app, token, method(name), &path, None).await.status, 401, "{name} with {token}");
        }
        if !ways.contains("user_token") {
            assert_eq!(ask(&app, &ann.token, method(name), &path, None).await.problem(403), "forbidden", "{name} is for services");
        }
        if !ways.contains("service_key") {
            assert_eq!(ask(&app, KEY, method(name), &path, None).await.problem(403), "forbidden", "{name} is for people");
        }
    }
    // Eve does as if she were Ann.
    for name in in_order(&own) {
        let (path, body, status) = &own[name];
        let answer = ask(&app, &eve.token, method(name), path, body.as_ref()).await;
        assert_eq!(answer.status, *status, "{name} by somebody else: {}", answer.text);
        if *status == 403 {
            assert_eq!(answer.problem(403), "forbidden");
        }
    }
    // Ann does it herself, with proofs that nobody has used.
    let own = ann.own(&on, &Proofs::of(&app, &inbox, &issuer, phone).await);
    for name in in_order(&own) {
        let (path, body, _) = &own[name];
        let answer = ask(&app, &ann.token, method(name), path, body.as_ref()).await;
        // Her account went with her profile, and her sessions with it.
        let ended = ["DELETE /v1/auth/sessions/{id}", "POST /v1/auth/logout", "DELETE /v1/me"].contains(&name);
        assert_eq!(answer.status >= 400, ended, "{name} by herself: {} {}", answer.status, answer.text);
    }
    app.stop().await;
}

/// Where somebody else is named beside oneself, or under another name.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_for_others_by_the_way() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| inbox.configure(&mut config.auth)).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    let ann = Somebody::new(&app, &inbox, "+8613812345678", "Ann").await;
    let post = async |path: &str, body: Value| ask(&app, &ann.token, Method::POST, path, Some(&body)).await;
    let like = |actor: &str| json!({"kind": "like", "actor_id": actor, "target_id": "2"});
    assert_eq!(post("/v1/interactions", json!({"items": [like(&ann.id), like("2")]})).await.problem(403), "forbidden");
    let impression = json!({"kind": "impression", "actor_id": ann.id, "target_id": "2"});
    assert_eq!(post("/v1/interactions", json!({"items": [impression]})).await.problem(403), "forbidden");
    // An item that names nobody is judged by itself, as ever.
    let mixed =
        post("/v1/interactions", json!({"items": [like(&ann.id), {"kind": "like"}, {"kind": "like", "actor_id": 2, "target_id": "2"}]}));
    assert_eq!(mixed.await.expect(200)["accepted"], 1);
    let two = format!("/v1/recommendations?viewer={}&viewer=2", ann.id);
    assert!(ask(&app, &ann.token, Method::GET, &two, None).await.status >= 400);
    // Who looks without saying so looks with their own eyes: whom they block is not found.
    let found = async || {
        let hits = ask(&app, &ann.token, Method::GET, "/v1/search?q=Bob&kind=people", None).await.expect(200);
        hits["items"].as_array().unwrap().iter().any(|hit| hit["user_id"] == "2")
    };
    app.until("Bob is found", async || found().await).await;
    app.interact("block", 2, ann.id.parse().unwrap()).await;
    assert!(!found().await, "blocked, and found by leaving out the viewer");
    app.stop().await;
}
