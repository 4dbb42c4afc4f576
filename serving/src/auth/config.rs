//! The `[auth]` section.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::OidcConfig;
use crate::outside::SECRET_CHARS;

/// The `[auth]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `iss` of access tokens.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Seconds an access token is good for.
    pub access_s: i64,
    /// Days a session lasts without a refresh.
    pub session_days: i64,
    /// Seconds after a refresh within which the refresh token before gives the same answer again.
    pub retry_s: i64,
    /// Seconds after which another node has noticed that a session was ended.
    pub check_s: u64,
    /// Folder of the keys; empty for `keys` in the data folder.
    pub keys: String,
    /// Country code of numbers without one.
    pub country: String,
    /// Country codes that may log in; empty for all.
    pub countries: Vec<String>,
    /// Header in which a trusted proxy says who asks; empty for none.
    pub address_header: String,
    /// Seconds after a login within which logins may be added and removed.
    pub fresh_s: i64,
    /// ID tokens from an address in an hour.
    pub id_tokens_per_address: u32,
    /// ID tokens from a device in an hour.
    pub id_tokens_per_device: u32,
    /// Codes.
    pub codes: CodesConfig,
    /// How codes are sent.
    pub sms: SmsConfig,
    /// Who else says who somebody is: OpenID providers by their names here.
    pub oidc: BTreeMap<String, OidcConfig>,
}

/// The `[auth.codes]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodesConfig {
    /// Seconds a code works.
    pub lives_s: i64,
    /// Attempts at a code.
    pub attempts: i64,
    /// Seconds between two codes to the same number.
    pub pause_s: i64,
    /// Codes to a number in an hour.
    pub per_number: u32,
    /// Codes for a device in an hour.
    pub per_device: u32,
    /// Codes for an address in an hour.
    pub per_address: u32,
    /// Attempts from an address in an hour.
    pub tries_per_address: u32,
}

/// Who sends codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsProvider {
    /// Standard output, for development.
    Console,
    /// A service of yours, by a signed request.
    Webhook,
    /// Tencent Cloud SMS.
    Tencent,
    /// Nobody: nobody logs in by phone.
    #[default]
    Off,
}

/// The `[auth.sms]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmsConfig {
    /// Who sends codes.
    pub provider: SmsProvider,
    /// Whether codes may be printed where the API listens beyond loopback.
    pub console_anywhere: bool,
    /// Where the webhook is.
    pub webhook_url: String,
    /// What its requests are signed with.
    pub webhook_secret: String,
    /// Tencent Cloud SMS.
    pub tencent: TencentConfig,
}

/// The `[auth.sms.tencent]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TencentConfig {
    /// Where the API is.
    pub endpoint: String,
    /// Region of the API.
    pub region: String,
    /// Id of the API key.
    pub secret_id: String,
    /// The API key.
    pub secret_key: String,
    /// `SmsSdkAppId`.
    pub app_id: String,
    /// `SignName`; empty outside mainland China.
    pub sign_name: String,
    /// `TemplateId` of a template with the code and the minutes it works.
    pub template_id: String,
    /// `TemplateId` of one with the login that was added; without it nobody is told.
    pub template_added: String,
    /// `TemplateId` of one with the login that was removed.
    pub template_removed: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: "hongniang".to_owned(),
            audience: "hongniang".to_owned(),
            access_s: 900,
            session_days: 60,
            retry_s: 30,
            check_s: 5,
            keys: String::new(),
            country: "86".to_owned(),
            countries: Vec::new(),
            address_header: String::new(),
            fresh_s: 600,
            id_tokens_per_address: 240,
            id_tokens_per_device: 30,
            codes: CodesConfig::default(),
            sms: SmsConfig::default(),
            oidc: BTreeMap::new(),
        }
    }
}

impl Default for CodesConfig {
    fn default() -> Self {
        Self { lives_s: 300, attempts: 5, pause_s: 60, per_number: 5, per_device: 10, per_address: 60, tries_per_address: 120 }
    }
}

impl Default for TencentConfig {
    fn default() -> Self {
        let empty = String::new;
        Self {
            endpoint: "https://sms.tencentcloudapi.com".to_owned(),
            region: "ap-guangzhou".to_owned(),
            secret_id: empty(),
            secret_key: empty(),
            app_id: empty(),
            sign_name: empty(),
            template_id: empty(),
            template_added: empty(),
            template_removed: empty(),
        }
    }
}

type Fault = (&'static str, String);

impl AuthConfig {
    /// The folder of the keys.
    pub fn folder(&self, data_dir: &Path) -> PathBuf {
        if self.keys.is_empty() { data_dir.join("keys") } else { PathBuf::from(&self.keys) }
    }

    /// What is wrong with the section: the key, and the remedy. `abroad`: whether the API listens beyond loopback.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, abroad: bool) -> Result<(), Fault> {
        let within = |field, value: i64, most: i64| {
            if (1..=most).contains(&value) { Ok(()) } else { Err((field, format!("must be 1 to {most}"))) }
        };
        if self.issuer.trim().is_empty() || self.audience.trim().is_empty() {
            return Err(("auth.issuer", "and auth.audience must not be empty".to_owned()));
        }
        within("auth.access_s", self.access_s, 86_400)?;
        within("auth.session_days", self.session_days, 3_650)?;
        if !(0..=600).contains(&self.retry_s) {
            return Err(("auth.retry_s", "must be 0 to 600 seconds".to_owned()));
        }
        if self.check_s > 300 {
            return Err(("auth.check_s", "must be at most 300 seconds".to_owned()));
        }
        let digits = |code: &String| (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit()) && !code.starts_with('0');
        if !digits(&self.country) || !self.countries.iter().all(digits) {
            return Err(("auth.countries", "and auth.country are country codes of 1 to 3 digits without a plus, such as 86".to_owned()));
        }
        within("auth.fresh_s", self.fresh_s, 86_400)?;
        if [self.id_tokens_per_address, self.id_tokens_per_device].contains(&0) {
            return Err(("auth.id_tokens_per_address", "and auth.id_tokens_per_device must be at least 1".to_owned()));
        }
        self.oidc.iter().try_for_each(|(name, provider)| provider.check(name))?;
        let codes = &self.codes;
        within("auth.codes.lives_s", codes.lives_s, 3_600)?;
        within("auth.codes.attempts", codes.attempts, 20)?;
        if !(0..=3_600).contains(&codes.pause_s) {
            return Err(("auth.codes.pause_s", "must be 0 to 3600 seconds".to_owned()));
        }
        let limits = [codes.per_number, codes.per_device, codes.per_address, codes.tries_per_address];
        if limits.contains(&0) {
            return Err(("auth.codes", "per_number, per_device, per_address and tries_per_address must be at least 1".to_owned()));
        }
        self.sms.check(abroad)
    }
}

impl SmsConfig {
    fn check(&self, abroad: bool) -> Result<(), Fault> {
        match self.provider {
            SmsProvider::Off => Ok(()),
            SmsProvider::Console if abroad && !self.console_anywhere => Err((
                "auth.sms.provider",
                "is console, which prints codes and works on loopback only: set webhook, tencent or off, or auth.sms.console_anywhere = true"
                    .to_owned(),
            )),
            SmsProvider::Console => Ok(()),
            SmsProvider::Webhook if !self.webhook_url.starts_with("https://") && !self.webhook_url.starts_with("http://") => {
                Err(("auth.sms.webhook_url", "must be the http(s) URL that codes are sent to".to_owned()))
            }
            SmsProvider::Webhook if self.webhook_secret.len() < SECRET_CHARS => {
                Err(("auth.sms.webhook_secret", format!("needs at least {SECRET_CHARS} characters that your service knows, too")))
            }
            SmsProvider::Webhook => Ok(()),
            SmsProvider::Tencent => {
                let t = &self.tencent;
                if [&t.secret_id, &t.secret_key, &t.app_id, &t.template_id].iter().any(|value| value.trim().is_empty()) {
                    return Err(("auth.sms.tencent", "needs secret_id, secret_key, app_id and template_id".to_owned()));
                }
                if t.template_added.is_empty() != t.template_removed.is_empty() {
                    return Err(("auth.sms.tencent", "needs both template_added and template_removed, or none of them".to_owned()));
                }
                Ok(())
            }
        }
    }
}
