//! Who sends codes, and tells people when their logins have changed.

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
use crate::outside::{self, Signed};

/// How long a sender may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message on its way.
pub(super) struct Message<'a> {
    /// To whom.
    pub(super) phone: &'a Phone,
    /// What.
    pub(super) text: Text<'a>,
    /// When it is sent.
    pub(super) now: DateTime<Utc>,
}

/// What a message says.
pub(super) enum Text<'a> {
    /// A code for a login.
    Code {
        /// Six digits.
        code: &'a str,
        /// How long it works, in seconds.
        lives_s: i64,
    },
    /// The logins of the account have changed.
    Changed(&'a Change),
}

/// How the logins of an account have changed: by the name of the provider, or the number with its first and last digits only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// There is one more.
    Added(String),
    /// There is one less.
    Removed(String),
}

impl Change {
    /// What it is called in requests of ours.
    const fn name(&self) -> &'static str {
        match self {
            Self::Added(_) => "login_added",
            Self::Removed(_) => "login_removed",
        }
    }

    fn login(&self) -> &str {
        match self {
            Self::Added(login) | Self::Removed(login) => login,
        }
    }
}

/// Sends messages. An error names neither number nor code.
#[async_trait]
pub(super) trait Sms: Send + Sync {
    /// Returns when the message is on its way.
    async fn send(&self, message: Message<'_>) -> Result<(), String>;

    /// Whether it can tell of changes.
    fn tells_changes(&self) -> bool {
        true
    }
}

/// The sender of the configuration.
pub(super) fn sender(config: &SmsConfig) -> anyhow::Result<Arc<dyn Sms>> {
    let client = || outside::client(PATIENCE);
    Ok(match config.provider {
        SmsProvider::Console => Arc::new(Console),
        SmsProvider::Webhook => Arc::new(Webhook(Signed::new(client()?, &config.webhook_url, &config.webhook_secret))),
        SmsProvider::Tencent => Arc::new(Tencent::new(client()?, config.tencent.clone())),
        SmsProvider::Off => Arc::new(Nobody),
    })
}

/// Prints codes: for development.
struct Console;

#[async_trait]
impl Sms for Console {
    async fn send(&self, Message { phone, text, .. }: Message<'_>) -> Result<(), String> {
        // Not the log, which is kept and shipped; the configuration allows this on loopback only.
        let what = match text {
            Text::Code { code, .. } => format!("code     {code}"),
            Text::Changed(change) => format!("message  {} ({})", change.name(), change.login()),
        };
        println!("  {what} for {phone}  (auth.sms.provider = \"console\")");
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

    fn tells_changes(&self) -> bool {
        false
    }
}
