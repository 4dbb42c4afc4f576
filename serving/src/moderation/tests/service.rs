//! The service over real HTTP: what it is sent, and everything that may be wrong with its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::super::service::Service;
use super::*;

const SECRET: &str = "sixteen-or-more-characters";

/// How the service answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Status(u16),
    Says(&'static str),
    Long,
    Slow,
    Elsewhere,
}

struct Room {
    mood: Mutex<Mood>,
    bodies: Mutex<Vec<Value>>,
}

impl Room {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }
}

async fn answer(State(room): State<Arc<Room>>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let timestamp: i64 = header("x-hongniang-timestamp").parse().unwrap();
    if header("x-hongniang-signature") != crate::outside::sign(SECRET, timestamp, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    room.bodies.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    let mood = *room.mood.lock().unwrap();
    match mood {
        Mood::Well => axum::Json(json!({"findings": []})).into_response(),
        Mood::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Says(text) => text.into_response(),
        Mood::Long => format!("{{\"findings\": [], \"why\": \"{}\"}}", "x".repeat(70_000)).into_response(),
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        Mood::Elsewhere => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/judge")]).into_response(),
    }
}

async fn open(timeout_ms: u64, clock: Clock) -> (Arc<Room>, Service) {
    let room = Arc::new(Room { mood: Mutex::new(Mood::Well), bodies: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/judge", listener.local_addr().unwrap());
    let router = Router::new().route("/judge", post(answer)).with_state(Arc::clone(&room));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = ServiceConfig { url, secret: SECRET.to_owned(), timeout_ms, ..ServiceConfig::default() };
    (room, Service::new(&config, clock).unwrap())
}

async fn look(service: &Service, texts: &[&str]) -> Vec<Result<Vec<Found>, Down>> {
    let subjects: Vec<Subject<'_>> = texts.iter().map(|text| Subject::new(SubjectKind::Comment, "text", text)).collect();
    service.look(SubjectKind::Comment, &subjects.iter().collect::<Vec<_>>()).await
}

#[tokio::test]
async fn it_is_asked_once_and_in_parts() {
    let (room, service) = open(20_000, now).await;
    let texts: Vec<String> = (0..120).map(|n| format!("第 {n} 条 comment")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(look(&service, &texts).await.iter().all(|told| told == &Ok(Vec::new())));
    let mut sizes: Vec<usize> = room.bodies.lock().unwrap().iter().map(|body| body["fields"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 50, 50]);
    look(&service, &texts[..60]).await;
    assert_eq!(room.asked(), 3, "it has said all that");
    look(&service, &["新的 new", texts[3]]).await;
    assert_eq!(room.bodies.lock().unwrap().last().unwrap()["fields"], json!([{"field": "text", "text": "新的 new"}]));
    // What it says of a comment says nothing of a photo of the same name.
    let photo = Subject::new(SubjectKind::Image, "album[0]", "新的 new");
    service.look(SubjectKind::Image, &[&photo]).await;
    assert_eq!(room.asked(), 5);
}

#[tokio::test]
async fn everything_that_is_not_as_agreed_has_its_reason() {
    let (room, service) = open(20_000, now).await;
    for (mood, down) in [
        (Mood::Says("{\"findings\": 5}"), Down::Answer),
        (Mood::Says("<html>好的</html>"), Down::Answer),
        (Mood::Says(""), Down::Answer),
        (Mood::Says("{\"findings\": [{\"field\": \"bio\", \"category\": \"scam\"}]}"), Down::Answer),
        (Mood::Long, Down::Size),
        (Mood::Elsewhere, Down::Status(307)),
        (Mood::Status(204), Down::Status(204)),
        (Mood::Status(400), Down::Status(400)),
        (Mood::Status(500), Down::Status(500)),
    ] {
        room.set(mood);
        assert_eq!(look(&service, &["爬山 hiking"]).await, [Err(down)]);
    }
    room.set(Mood::Well);
    assert_eq!(look(&service, &["爬山 hiking"]).await, [Ok(Vec::new())], "no failure is remembered");

    let (room, service) = open(100, now).await;
    room.set(Mood::Slow);
    assert_eq!(look(&service, &["爬山 hiking"]).await, [Err(Down::Timeout)]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let nobody = ServiceConfig { url, secret: SECRET.to_owned(), ..ServiceConfig::default() };
    assert_eq!(look(&Service::new(&nobody, now).unwrap(), &["x"]).await, [Err(Down::Unreachable)]);
}

#[tokio::test]
async fn while_it_is_away_nobody_waits_for_it() {
    static SECONDS: AtomicI64 = AtomicI64::new(0);
    fn clock() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + SECONDS.load(Ordering::SeqCst), 0).unwrap()
    }
    let (room, service) = open(20_000, clock).await;
    room.set(Mood::Status(400));
    for _ in 0..5 {
        assert_eq!(look(&service, &["x"]).await, [Err(Down::Status(400))], "that is about what was asked");
    }
    room.set(Mood::Status(503));
    for _ in 0..3 {
        assert_eq!(look(&service, &["x"]).await, [Err(Down::Status(503))]);
    }
    assert_eq!((look(&service, &["x"]).await, room.asked()), (vec![Err(Down::Resting)], 8));
    SECONDS.store(5, Ordering::SeqCst);
    assert_eq!((look(&service, &["x"]).await, room.asked()), (vec![Err(Down::Status(503))], 9), "it is asked again, once");
    assert_eq!((look(&service, &["x"]).await, room.asked()), (vec![Err(Down::Resting)], 9));
    room.set(Mood::Well);
    SECONDS.store(10, Ordering::SeqCst);
    assert_eq!(look(&service, &["x"]).await, [Ok(Vec::new())]);
    room.set(Mood::Status(503));
    assert_eq!(look(&service, &["y"]).await, [Err(Down::Status(503))]);
    assert_eq!(look(&service, &["y"]).await, [Err(Down::Status(503))], "an answer makes good what was before");
}
