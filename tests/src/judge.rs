//! A moderation service on this machine, as docs/MODERATION.md describes it. It holds every request to its signature.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::Utc;
use ring::hmac;
use serde_json::{Value, json};
use serving::moderation::ServiceConfig;

const SECRET: &str = "a secret of the judge";

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// By what it is told to find.
    Well,
    /// With a status alone.
    Status(u16),
    /// With a text that is no answer.
    Says(String),
    /// Too late.
    Slow,
}

struct Inside {
    mood: Mood,
    /// What is found: a part of a text or of a name, its category, and the verdict if there is one.
    finds: Vec<(&'static str, &'static str, Option<&'static str>)>,
    bodies: Vec<Value>,
    unsigned: usize,
}

/// A service that judges what it is told to.
pub struct Judge {
    url: String,
    inside: Arc<Mutex<Inside>>,
}

impl Judge {
    /// One that finds these parts of texts and names, each with its category and what is to follow.
    pub async fn open(finds: &[(&'static str, &'static str, Option<&'static str>)]) -> Self {
        let inside = Inside { mood: Mood::Well, finds: finds.to_vec(), bodies: Vec::new(), unsigned: 0 };
        let inside = Arc::new(Mutex::new(inside));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/judge", listener.local_addr().unwrap());
        let router = Router::new().route("/judge", post(judge)).with_state(Arc::clone(&inside));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inside }
    }

    /// A configuration that asks it.
    pub fn config(&self) -> ServiceConfig {
        // Long, so that it is not slow on a slow machine unless it is told to be.
        ServiceConfig { url: self.url.clone(), secret: SECRET.to_owned(), timeout_ms: 10_000, ..ServiceConfig::default() }
    }

    /// The same as lines of `hongniang.toml`.
    pub fn toml(&self) -> String {
        format!("[moderation.service]\nurl = \"{}\"\nsecret = \"{SECRET}\"\ntimeout_ms = 10000\n", self.url)
    }

    /// Answers in another way from now on.
    pub fn set(&self, mood: Mood) {
        self.inside.lock().unwrap().mood = mood;
    }

    /// What it was asked so far.
    pub fn bodies(&self) -> Vec<Value> {
        self.inside.lock().unwrap().bodies.clone()
    }

    /// How many requests had no good signature.
    pub fn unsigned(&self) -> usize {
        self.inside.lock().unwrap().unsigned
    }
}

/// Whether a request comes from who knows the secret, and now.
fn is_signed(headers: &HeaderMap, body: &[u8]) -> Option<()> {
    let timestamp: i64 = headers.get("x-hongniang-timestamp")?.to_str().ok()?.parse().ok()?;
    let signature = headers.get("x-hongniang-signature")?.to_str().ok()?.strip_prefix("v1=")?;
    let bytes = |at: usize| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok();
    let signature: Vec<u8> = (0..signature.len()).step_by(2).map(bytes).collect::<Option<_>>()?;
    let message = [format!("{timestamp}.").as_bytes(), body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &message, &signature).ok()?;
    ((Utc::now().timestamp() - timestamp).abs() <= 300).then_some(())
}

/// What is found in a request.
fn findings(inside: &Inside, body: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for (list, content) in [("fields", "text"), ("images", "name")] {
        for one in body[list].as_array().into_iter().flatten() {
            let text = one[content].as_str().unwrap();
            for (_, category, verdict) in inside.finds.iter().filter(|(part, ..)| text.contains(part)) {
                let mut finding = json!({"field": one["field"], "category": category});
                if let Some(verdict) = verdict {
                    finding["verdict"] = json!(verdict);
                }
                found.push(finding);
            }
        }
    }
    found
}

async fn judge(State(inside): State<Arc<Mutex<Inside>>>, headers: HeaderMap, body: Bytes) -> Response {
    let (mood, found) = {
        let mut inside = inside.lock().unwrap();
        if is_signed(&headers, &body).is_none() {
            inside.unsigned += 1;
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        let found = findings(&inside, &body);
        inside.bodies.push(body);
        (inside.mood.clone(), found)
    };
    match mood {
        Mood::Well => axum::Json(json!({"findings": found})).into_response(),
        Mood::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Says(text) => text.into_response(),
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}
