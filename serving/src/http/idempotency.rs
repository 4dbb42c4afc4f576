//! `Idempotency-Key`: the same key with the same request gives the same answer again, without doing it again.
//!
//! Answers are remembered in memory. After a restart a repeat is carried out again, with event ids derived from the key, and the gate drops
//! what it has seen.
//!
//! What says `no-store`, such as tokens of a login, is remembered for `auth.retry_s` only, and an answer with [`Unrepeatable`] never. An erasure takes answers to the person and answers that
//! name them, and none is remembered that comes while it goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use features::ids::UserId;
use moka::Expiry;
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::auth::Caller;
use super::error::ApiError;
use crate::state::Withheld;

/// Marks an answer that is given once, whatever the key: who carries it out again knows better whether it may be given again.
#[derive(Debug, Clone, Copy)]
pub struct Unrepeatable;

#[derive(Clone)]
struct Remembered {
    request: [u8; 32],
    /// For how long.
    keep: Duration,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Remembered {
    /// The answer again.
    fn answer(&self) -> Response {
        (self.status, self.headers.clone(), self.body.clone()).into_response()
    }
}

/// Every answer is remembered for its own time.
struct Own;

impl Expiry<String, Arc<Remembered>> for Own {
    fn expire_after_create(&self, _: &String, answer: &Arc<Remembered>, _: std::time::Instant) -> Option<Duration> {
        Some(answer.keep)
    }
}

/// Remembered answers.
#[derive(Clone)]
pub struct Answers {
    cache: Cache<String, Arc<Remembered>>,
    withheld: Withheld,
    keep: Duration,
    keep_secrets: Duration,
    body_limit: usize,
}

impl Answers {
    /// Answers for so many hours; those that nobody on the way may store for so many seconds.
    pub fn new(hours: u64, secrets_s: u64, body_limit: usize, withheld: Withheld) -> Self {
        let cache = Cache::builder().expire_after(Own).max_capacity(100_000).build();
        Self { cache, withheld, keep: Duration::from_secs(hours * 3600), keep_secrets: Duration::from_secs(secrets_s), body_limit }
    }

    /// Forgets what was answered to somebody, and what names them.
    pub async fn forget(&self, user: UserId) {
        let named = format!("\"{user}\"");
        let gone: Vec<Arc<String>> = self
            .cache
            .iter()
            .filter(|(name, answer)| people(name).any(|id| id == user) || contains(&answer.body, named.as_bytes()))
            .map(|(name, _)| name)
            .collect();
        for name in gone {
            self.cache.invalidate(name.as_str()).await;
        }
    }

    /// How long an answer is remembered; not at all: none.
    fn lasts(&self, name: &str, response: &Response) -> Option<Duration> {
        // What failed by us, and what was asked for too often, is tried again with the same key.
        let passes = response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS;
        let once = response.extensions().get::<Unrepeatable>().is_some();
        if passes || once || people(name).any(|id| self.withheld.is_erasing(id)) {
            return None;
        }
        let secret = response.headers().get(CACHE_CONTROL).is_some_and(|how| how.as_bytes() == b"no-store");
        Some(if secret { self.keep_secrets } else { self.keep }).filter(|keep| !keep.is_zero())
    }
}

/// Whom a request is of or about, as far as its name says; numbers that are nobody's do no harm.
fn people(name: &str) -> impl Iterator<Item = UserId> {
    name.split([' ', '/']).filter_map(|part| part.parse().ok())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The key, if there is one.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let key = given.to_str().map_err(|_| ApiError::field("Idempotency-Key", "must be visible ASCII"))?;
    if key.is_empty() || key.len() > 200 {
        return Err(ApiError::field("Idempotency-Key", "must have 1 to 200 characters"));
    }
    Ok(Some(key.to_owned()))
}

/// What a request with a key goes by, for its answer and for the ids of its events. Two people who choose the same key mean different requests.
pub(super) fn name(parts: &Parts, key: &str) -> String {
    let whose = parts.extensions.get::<Caller>().and_then(Caller::user).map(|user| format!("user {user} ")).unwrap_or_default();
    format!("{whose}{} {} {key}", parts.method, parts.uri.path())
}

/// Answers repeats from memory.
pub(super) async fn repeat(State(answers): State<Answers>, request: Request, next: Next) -> Result<Response, ApiError> {
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
        return Ok(next.run(request).await);
    }
    let Some(key) = key(request.headers())? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let too_large = |_| ApiError::Malformed(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {} bytes are allowed", answers.body_limit));
    let body = to_bytes(body, answers.body_limit).await.map_err(too_large)?;
    let name = name(&parts, &key);
    let digest: [u8; 32] = Sha256::digest(&body).into();
    let run = async {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        let keep = answers.lasts(&name, &response);
        remember(response, digest, keep).await
    };
    // Two requests with one key at the same time: the second waits for the first.
    match answers.cache.try_get_with(name.clone(), run).await {
        Ok(remembered) if remembered.request != digest => Err(ApiError::KeyReused),
        Ok(remembered) => Ok(remembered.answer()),
        Err(failed) if failed.request != digest => Err(ApiError::KeyReused),
        Err(failed) => Ok(failed.answer()),
    }
}

/// An answer as it is remembered for some time; as an error where it is not.
async fn remember(response: Response, request: [u8; 32], keep: Option<Duration>) -> Result<Arc<Remembered>, Remembered> {
    let (parts, body) = response.into_parts();
    let (parts, body, keep) = match to_bytes(body, usize::MAX).await {
        Ok(body) => (parts, body, keep),
        Err(error) => {
            let (parts, body) = ApiError::Internal(error.to_string()).into_response().into_parts();
            (parts, to_bytes(body, usize::MAX).await.unwrap_or_default(), None)
        }
    };
    let answer = Remembered { request, keep: keep.unwrap_or_default(), status: parts.status, headers: parts.headers, body };
    if keep.is_some() { Ok(Arc::new(answer)) } else { Err(answer) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    /// A room that fails three times, each time in another way, and then works.
    fn room() -> Router {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let work = async || match CALLS.fetch_add(1, Ordering::Relaxed) {
            0 => Err(ApiError::Internal("a bug".to_owned())),
            1 => Err(ApiError::Unavailable("the outbox is full".to_owned())),
            2 => Err(ApiError::TooOften(60)),
            _ => Ok("done"),
        };
        Router::new().route("/", post(work)).layer(from_fn_with_state(answers(), repeat))
    }

    fn answers() -> Answers {
        Answers::new(1, 1, 1_000, Withheld::default())
    }

    async fn ask(room: &Router, key: &str) -> (u16, HeaderMap, Bytes) {
        let request = Request::post("/").header("idempotency-key", key.as_bytes()).body(Body::empty()).unwrap();
        let (parts, body) = room.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status.as_u16(), parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn a_failure_is_told_as_it_is_and_tried_again() {
        let room = room();
        let code = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap()["code"].clone();
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body)), (500, "internal".into()));
        assert_eq!(headers["content-type"], "application/problem+json");
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body)), (503, "unavailable".into()));
        assert!(String::from_utf8_lossy(&body).contains("the outbox is full") && headers.contains_key("retry-after"), "{body:?}");
        let (status, headers, body) = ask(&room, "k").await;
        assert_eq!((status, code(&body), headers["retry-after"].as_bytes()), (429, "rate_limited".into(), b"60".as_slice()));
        for _ in 0..2 {
            let (status, _, body) = ask(&room, "k").await;
            assert_eq!((status, body.as_ref()), (200, b"done".as_slice()));
        }
        for bad in ["", "ключ", &"k".repeat(201)] {
            assert_eq!(ask(&room, bad).await.0, 422, "{bad}");
        }
        assert_eq!(ask(&room, &"k".repeat(200)).await.0, 200);
    }

    /// A room that counts, and says the number, to a person with an access token, in other ways by path.
    fn counting(answers: &Answers) -> Router {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = move || calls.fetch_add(1, Ordering::Relaxed).to_string();
        let (plain, named, secret, once) = (count.clone(), count.clone(), count.clone(), count);
        let caller = axum::Extension(Caller::User { user: UserId(42), session: 1 });
        let own = Router::new().route("/own", post(async move || plain())).layer(from_fn_with_state(answers.clone(), repeat)).layer(caller);
        Router::new()
            .route("/users/42", post(async move || format!("about them {}", named())))
            .route("/named", post(async || "{\"user_id\":\"42\"}"))
            .route("/secret", post(async move || ([(CACHE_CONTROL, "no-store")], secret())))
            .route("/once", post(async move || (axum::Extension(Unrepeatable), once())))
            .layer(from_fn_with_state(answers.clone(), repeat))
            .merge(own)
    }

    async fn say(room: &Router, path: &str) -> String {
        let request = Request::post(path).header("idempotency-key", "k").body(Body::empty()).unwrap();
        let body = room.clone().oneshot(request).await.unwrap().into_body();
        String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_erasure_takes_answers_to_a_person_and_answers_that_name_them() {
        let answers = answers();
        let room = counting(&answers);
        let before = [say(&room, "/own").await, say(&room, "/users/42").await, say(&room, "/named").await];
        assert_eq!([say(&room, "/own").await, say(&room, "/users/42").await], before[..2], "a repeat is the same");
        answers.forget(UserId(4)).await;
        assert_eq!(say(&room, "/own").await, before[0], "somebody else's");
        answers.forget(UserId(42)).await;
        assert_eq!(answers.cache.iter().count(), 0);
        assert_ne!(say(&room, "/own").await, before[0]);
        answers.forget(UserId(42)).await;
        answers.withheld.erasing(UserId(42));
        for path in ["/own", "/users/42"] {
            assert_ne!(say(&room, path).await, say(&room, path).await, "{path}: nothing new is remembered while it goes on");
        }
    }

    #[tokio::test]
    async fn what_nobody_may_store_is_remembered_for_a_moment_and_what_is_given_once_not_at_all() {
        let answers = answers();
        let room = counting(&answers);
        let secret = say(&room, "/secret").await;
        assert_eq!(say(&room, "/secret").await, secret);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_ne!(say(&room, "/secret").await, secret);
        assert_ne!(say(&room, "/once").await, say(&room, "/once").await);
        let own = say(&room, "/own").await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(say(&room, "/own").await, own, "others are for hours");
    }
}
