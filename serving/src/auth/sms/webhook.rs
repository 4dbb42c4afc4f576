//! Messages to a service of the operator's, by a signed POST.
//!
//! ```text
//! POST <auth.sms.webhook_url>
//! Content-Type: application/json
//! X-Hongniang-Timestamp: 1790000000
//! X-Hongniang-Signature: v1=<hex of HMAC-SHA256(webhook_secret, timestamp + "." + body)>
//!
//! {"purpose":"login","phone":"+8613812345678","code":"123456","expires_in":300}
//! ```
//!
//! After a change of somebody's logins their numbers are told of it: `{"purpose":"login_added","phone":"+8613812345678","login":"google"}`, or `login_removed`.
//!
//! An answer of 2xx means that the message is on its way. The receiver compares the signature in constant time and refuses timestamps that are more than five
//! minutes off, so that nothing can be played again later.

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use ring::hmac;
use serde::Serialize;

use super::{Message, Sms, Text};

pub(super) struct Webhook {
    client: reqwest::Client,
    url: String,
    secret: String,
}

#[derive(Serialize)]
struct Posted<'a> {
    purpose: &'static str,
    phone: &'a str,
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About<'a> {
    Code { code: &'a str, expires_in: i64 },
    Change { login: &'a str },
}

impl Webhook {
    pub(super) fn new(client: reqwest::Client, url: &str, secret: &str) -> Self {
        Self { client, url: url.to_owned(), secret: secret.to_owned() }
    }
}

/// The value of `X-Hongniang-Signature`.
pub(in crate::auth) fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("v1={}", super::super::chance::hex(hmac::sign(&key, format!("{timestamp}.{body}").as_bytes()).as_ref()))
}

#[async_trait]
impl Sms for Webhook {
    async fn send(&self, message: Message<'_>) -> Result<(), String> {
        let (purpose, about) = match message.text {
            Text::Code { code, lives_s } => ("login", About::Code { code, expires_in: lives_s }),
            Text::Changed(change) => (change.name(), About::Change { login: change.login() }),
        };
        let posted = Posted { purpose, phone: message.phone.number(), about };
        let body = serde_json::to_string(&posted).map_err(|e| e.to_string())?;
        let timestamp = message.now.timestamp();
        let request = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("x-hongniang-timestamp", timestamp)
            .header("x-hongniang-signature", sign(&self.secret, timestamp, &body))
            .body(body);
        let answer = request.send().await.map_err(|e| format!("the webhook does not answer: {}", e.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answers {}", answer.status())) }
    }
}
