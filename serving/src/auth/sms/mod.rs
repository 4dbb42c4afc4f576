//! Who sends codes.

mod handed_over;
mod tencent;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub(crate) use self::handed_over::HandedOver;
use self::tencent::Tencent;
use self::webhook::Webhook;
use super::Phone;
use super::config::{SmsConfig, SmsProvider};

#[cfg(test)]
pub(super) use self::webhook::sign;

/// How long a sender may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A code on its way.
pub(super) struct Message<'a> {
    /// To whom.
    pub(super) phone: &'a Phone,
    /// Six digits.
    pub(super) code: &'a str,
    /// How long it works, in seconds.
    pub(super) lives_s: i64,
    /// When it was asked for.
    pub(super) now: DateTime<Utc>,
}

/// Sends codes. An error names neither number nor code.
#[async_trait]
pub(super) trait Sms: Send + Sync {
    /// Returns when the code is on its way.
    async fn send(&self, message: Message<'_>) -> Result<(), String>;
}

/// The sender of the configuration.
pub(super) fn sender(config: &SmsConfig) -> anyhow::Result<Arc<dyn Sms>> {
    let client = || reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    Ok(match config.provider {
        SmsProvider::Console => Arc::new(Console),
        SmsProvider::Webhook => Arc::new(Webhook::new(client()?, &config.webhook_url, &config.webhook_secret)),
        SmsProvider::Tencent => Arc::new(Tencent::new(client()?, config.tencent.clone())),
        SmsProvider::Off => Arc::new(Nobody),
    })
}

/// Prints codes: for development.
struct Console;

#[async_trait]
impl Sms for Console {
    async fn send(&self, Message { phone, code, .. }: Message<'_>) -> Result<(), String> {
        // Not the log, which is kept and shipped; the configuration allows this on loopback only.
        println!("  code     {code} for {phone}  (auth.sms.provider = \"console\")");
        Ok(())
    }
}

/// Sends nothing.
struct Nobody;

#[async_trait]
impl Sms for Nobody {
    async fn send(&self, _: Message<'_>) -> Result<(), String> {
        Err("nobody sends codes here; set auth.sms.provider".to_owned())
    }
}
