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
//! An answer of 2xx means that the message is on its way. `crate::outside` says how it is signed.

use async_trait::async_trait;
use serde::Serialize;

use super::{Message, Sms, Text};
use crate::outside::Signed;

pub(super) struct Webhook(pub(super) Signed);

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

#[async_trait]
impl Sms for Webhook {
    async fn send(&self, message: Message<'_>) -> Result<(), String> {
        let (purpose, about) = match message.text {
            Text::Code { code, lives_s } => ("login", About::Code { code, expires_in: lives_s }),
            Text::Changed(change) => (change.name(), About::Change { login: change.login() }),
        };
        let posted = Posted { purpose, phone: message.phone.number(), about };
        let body = serde_json::to_string(&posted).map_err(|e| e.to_string())?;
        let answer = self.0.post(message.now, body).await.map_err(|e| format!("the webhook does not answer: {e}"))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answers {}", answer.status())) }
    }
}
