//! Two people, from their logins to a friendship and its end: one logs in by phone, one by Google.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Issuer, TestApp, person};

use super::logins::{Inbox, ask, log_in};

/// The client id of the app at the provider.
const APP: &str = "app.example.com";

/// Somebody who is logged in.
struct Somebody<'a> {
    app: &'a TestApp,
    id: String,
    token: String,
}

impl<'a> Somebody<'a> {
    fn new(app: &'a TestApp, login: &Value) -> Self {
        let part = |name: &str| login[name].as_str().unwrap().to_owned();
        Self { app, id: part("user_id"), token: part("access_token") }
    }

    async fn asks(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        ask(self.app, &self.token, method, &path.replace("{me}", &self.id), body.as_ref()).await
    }

    async fn gets(&self, path: &str) -> Value {
        self.asks(Method::GET, path, None).await.expect(200)
    }

    /// Who is in a list of theirs.
    async fn list(&self, name: &str) -> Vec<String> {
        ids(&self.gets(&format!("/v1/users/{{me}}/{name}")).await)
    }

    /// How they stand to somebody.
    async fn stands(&self, other: &Self) -> String {
        self.gets(&format!("/v1/users/{{me}}/relations/{}", other.id)).await["state"].as_str().unwrap().to_owned()
    }

    async fn recommended(&self) -> Vec<String> {
        ids(&self.gets("/v1/recommendations?viewer={me}&limit=20").await)
    }

    /// Authors of the Moments, or people, that a search finds.
    async fn finds(&self, kind: &str, word: &str) -> Vec<String> {
        let found = self.gets(&format!("/v1/search?q={word}&kind={kind}&viewer={{me}}")).await;
        let who = |item: &Value| item["author_id"].as_str().or_else(|| item["user_id"].as_str()).map(str::to_owned);
        found["items"].as_array().unwrap().iter().filter_map(who).collect()
    }
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
}

async fn two_log_in<'a>(app: &'a TestApp, inbox: &Inbox, issuer: &Issuer) -> (Somebody<'a>, Somebody<'a>) {
    let ann = Somebody::new(app, &log_in(app, inbox, "+8613812345678", "小米 14").await);
    let token = issuer.token(&issuer.claims(APP, "sub-1", chrono::Utc::now()));
    let bob = ask(app, "", Method::POST, "/v1/auth/oidc/google", Some(&json!({"id_token": token, "device_name": "Pixel"}))).await;
    let bob = Somebody::new(app, &bob.expect(200));
    ann.asks(Method::PUT, "/v1/me", Some(person("小红", "female", "male"))).await.expect(200);
    bob.asks(Method::PUT, "/v1/me", Some(person("阿强", "male", "female"))).await.expect(200);
    (ann, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_become_friends_and_a_block_ends_everything_at_once() {
    let (inbox, issuer) = (Inbox::open().await, Issuer::start().await);
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        issuer.configure(&mut config.auth, "google", &[APP]);
    })
    .await;
    let (ann, bob) = two_log_in(&app, &inbox, &issuer).await;
    let moment = json!({"author_id": bob.id, "title": "周末", "text": "周末去爬山，山顶的风很大"});
    let moment = bob.asks(Method::POST, "/v1/moments", Some(moment)).await.expect(201)["moment_id"].as_str().unwrap().to_owned();
    let at = format!("/v1/moments/{moment}");
    app.until("one sees the other recommended", async || ann.recommended().await == [bob.id.clone()]).await;
    app.until("the Moment is found", async || ann.finds("moments", "爬山").await == [bob.id.clone()]).await;
    app.until("they find each other by name", async || {
        ann.finds("people", "阿强").await.contains(&bob.id) && bob.finds("people", "小红").await.contains(&ann.id)
    })
    .await;

    // A like and a comment are a follow; the reply makes both friends.
    assert_eq!(ann.asks(Method::POST, &format!("{at}/likes"), None).await.expect(200), json!({"liked": true, "likes": 1}));
    assert_eq!((ann.stands(&bob).await, bob.stands(&ann).await), ("following".to_owned(), "fan".to_owned()));
    let comment = ann.asks(Method::POST, &format!("{at}/comments"), Some(json!({"text": "带我一个"}))).await.expect(201);
    assert_eq!((bob.list("fans").await, bob.list("friends").await), (vec![ann.id.clone()], Vec::new()));
    let reply = format!("{at}/comments/{}/replies", comment["comment_id"].as_str().unwrap());
    bob.asks(Method::POST, &reply, Some(json!({"text": "一起去"}))).await.expect(201);
    assert_eq!((ann.stands(&bob).await, bob.stands(&ann).await), ("friends".to_owned(), "friends".to_owned()));
    assert_eq!((ann.list("friends").await, bob.list("friends").await), (vec![bob.id.clone()], vec![ann.id.clone()]));

    // The block: what comes next knows nothing of the other, on both sides.
    ann.asks(Method::PUT, &format!("/v1/users/{{me}}/relations/{}/block", bob.id), None).await.expect(200);
    for (one, other) in [(&ann, &bob), (&bob, &ann)] {
        assert!(!one.recommended().await.contains(&other.id));
        for list in ["friends", "fans", "following"] {
            assert!(!one.list(list).await.contains(&other.id), "{list}");
        }
        assert!(one.finds("moments", "爬山").await.iter().all(|author| *author == one.id));
        for name in ["小红", "阿强"] {
            assert!(!one.finds("people", name).await.contains(&other.id), "{name}");
        }
        one.asks(Method::GET, &format!("/v1/users/{}", other.id), None).await.problem(404);
    }
    ann.asks(Method::GET, &at, None).await.problem(404);
    let follow = format!("/v1/users/{{me}}/relations/{}/follow", ann.id);
    bob.asks(Method::PUT, &follow, None).await.problem(404);
    assert_eq!((ann.list("blocked").await, ann.list("fans").await), (vec![bob.id.clone()], Vec::new()));
    app.stop().await;
}
