//! `TestApp::start().await`: everything embedded, on free ports, in a temporary folder, spoken to over HTTP.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use serving::config::{Config, DEVELOPMENT_KEY};
use serving::state::App;
use serving::wiring::{PIPELINES, Platform, install_metrics, serve};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The service key of every test application.
pub const KEY: &str = DEVELOPMENT_KEY;

/// How long anything may take that the stream does behind an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running hongniang.
pub struct TestApp {
    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub address: String,
    /// Its broker, for tests that look at topics.
    pub brokers: String,
    /// Its inside, for what HTTP cannot bring about.
    pub inside: App,
    client: Client,
    folder: TempDir,
    end: oneshot::Sender<()>,
    server: JoinHandle<anyhow::Result<()>>,
}

/// An answer that was read to the end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON; panics with the whole answer where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// The body of an answer that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The `code` of a problem of this status.
    pub fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(problem["status"], status, "{problem}");
        problem["code"].as_str().unwrap_or_else(|| panic!("no code: {problem}")).to_owned()
    }

    /// A header's text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// A profile that passes every check; `gender` looks for `wants`. 上海, about 30 years old.
pub fn person(nickname: &str, gender: &str, wants: &str) -> Value {
    json!({
        "nickname": nickname, "gender": gender, "birth_date": "1996-05-04", "city": "上海",
        "position": {"lat": 31.23, "lon": 121.47}, "tags": ["咖啡", "hiking"], "bio": "周末喜欢爬山和做饭 I like hiking and cooking",
        "preferences": {"genders": [wants], "min_age": 18, "max_age": 60}, "created_at": "2026-10-01T00:00:00Z"
    })
}

impl TestApp {
    /// Starts one in a new folder and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with a changed configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Starts on what another one left in `folder`.
    pub async fn start_in(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { data_dir: folder.path().to_path_buf(), ..Config::default() };
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.model.encoder = "hashing".to_owned();
        config.kafka.partitions = 2;
        change(&mut config);
        let listener = tokio::net::TcpListener::bind(config.http.listen).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let platform = Platform::start(config, &PIPELINES, install_metrics().unwrap()).await.unwrap();
        let brokers = platform.log.bus.config().brokers.clone();
        let inside = platform.app.clone();
        let (end, ended) = oneshot::channel();
        let until = async move { drop(ended.await) };
        let server = tokio::spawn(serve(platform, listener, until));
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let app = Self { address, brokers, inside, client, folder, end, server };
        app.until("it is ready", async || app.send(Method::GET, "/readyz", None).await.status == 200).await;
        app
    }

    /// Ends it in order; what it leaves is in the folder.
    pub async fn stop(self) -> TempDir {
        drop(self.client);
        drop(self.inside);
        self.end.send(()).unwrap();
        self.server.await.unwrap().unwrap();
        self.folder
    }

    /// Its data folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A request with the service key, to be changed before it is sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address)).bearer_auth(KEY)
    }

    /// Sends a request and reads the answer.
    pub async fn read(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// Sends a request, with a JSON body if there is one.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path);
        self.read(if let Some(body) = body { request.json(body) } else { request }).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Makes a profile, and fails the test when it is refused.
    pub async fn with_user(&self, id: u64, profile: &Value) {
        self.put(&format!("/v1/users/{id}"), profile).await.expect(200);
    }

    /// One interaction, and fails the test when it is refused.
    pub async fn interact(&self, kind: &str, actor: u64, target: u64) {
        let item = json!({"kind": kind, "actor_id": actor.to_string(), "target_id": target.to_string()});
        let answer = self.post("/v1/interactions", &json!({"items": [item]})).await.expect(200);
        assert_eq!(answer["accepted"], 1, "{answer}");
    }

    /// A page of recommendations.
    pub async fn recommend(&self, viewer: u64, limit: usize) -> Value {
        self.get(&format!("/v1/recommendations?viewer={viewer}&limit={limit}")).await.expect(200)
    }

    /// Waits until something holds, and fails the test when it does not within a minute.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "after {PATIENCE:?} still not: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
