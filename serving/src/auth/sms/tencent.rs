//! Tencent Cloud SMS: `SendSms` of version 2021-01-11, signed with TC3-HMAC-SHA256
//! (<https://cloud.tencent.com/document/product/382/55981>, <https://cloud.tencent.com/document/product/213/30654>).

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use ring::hmac;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::config::TencentConfig;
use super::{Change, Message, Sms, Text};
use crate::outside::hex;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const JSON: &str = "application/json; charset=utf-8";
const SIGNED_HEADERS: &str = "content-type;host";

pub(super) struct Tencent {
    client: reqwest::Client,
    config: TencentConfig,
}

impl Tencent {
    pub(super) fn new(client: reqwest::Client, config: TencentConfig) -> Self {
        Self { client, config }
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The value of `Authorization` for a POST to `/`.
fn authorization(secret_id: &str, secret_key: &str, service: &str, host: &str, body: &str, now: DateTime<Utc>) -> String {
    let canonical = format!("POST\n/\n\ncontent-type:{JSON}\nhost:{host}\n\n{SIGNED_HEADERS}\n{}", sha256(body));
    let date = now.format("%Y-%m-%d").to_string();
    let scope = format!("{date}/{service}/tc3_request");
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", now.timestamp(), sha256(&canonical));
    let key = mac(&mac(&mac(format!("TC3{secret_key}").as_bytes(), &date), service), "tc3_request");
    let signature = hex(&mac(&key, &to_sign));
    format!("{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}")
}

/// What the answer says of the one number.
fn judge(answer: &Value) -> Result<(), String> {
    let response = &answer["Response"];
    let code = response["Error"]["Code"].as_str().or_else(|| response["SendStatusSet"][0]["Code"].as_str());
    match code {
        Some("Ok") => Ok(()),
        Some(code) => Err(format!("Tencent Cloud refuses: {code}")),
        None => Err("Tencent Cloud answers something unknown".to_owned()),
    }
}

#[async_trait]
impl Sms for Tencent {
    async fn send(&self, message: Message<'_>) -> Result<(), String> {
        let c = &self.config;
        let (template, parameters) = match message.text {
            Text::Code { code, lives_s } => (&c.template_id, json!([code, (lives_s / 60).max(1).to_string()])),
            Text::Changed(Change::Added(login)) => (&c.template_added, json!([login])),
            Text::Changed(Change::Removed(login)) => (&c.template_removed, json!([login])),
        };
        let mut body = json!({
            "PhoneNumberSet": [message.phone.number()], "SmsSdkAppId": c.app_id, "TemplateId": template, "TemplateParamSet": parameters,
        });
        if !c.sign_name.is_empty() {
            body["SignName"] = json!(c.sign_name);
        }
        let body = body.to_string();
        let host = c.endpoint.trim_end_matches('/').rsplit_once("://").map_or(c.endpoint.as_str(), |(_, host)| host);
        let request = self
            .client
            .post(&c.endpoint)
            .header(AUTHORIZATION, authorization(&c.secret_id, &c.secret_key, "sms", host, &body, message.now))
            .header(CONTENT_TYPE, JSON)
            .header("x-tc-action", "SendSms")
            .header("x-tc-version", "2021-01-11")
            .header("x-tc-region", &c.region)
            .header("x-tc-timestamp", message.now.timestamp())
            .body(body);
        let answer = request.send().await.map_err(|e| format!("Tencent Cloud does not answer: {}", e.without_url()))?;
        judge(&answer.json::<Value>().await.map_err(|e| format!("Tencent Cloud answers no JSON: {}", e.without_url()))?)
    }

    fn tells_changes(&self) -> bool {
        !self.config.template_added.is_empty() && !self.config.template_removed.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The example of the documentation of the signature, with the key as it is printed there, stars included.
    #[test]
    fn the_signature_is_that_of_the_published_example() {
        let body = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        assert_eq!(sha256(body), "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
        let now = DateTime::from_timestamp(1_551_113_065, 0).unwrap();
        let (id, key) = ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******");
        assert_eq!(
            authorization(id, key, "cvm", "cvm.tencentcloudapi.com", body, now),
            "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, \
             Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"
        );
    }

    #[test]
    fn answers_are_judged_without_naming_the_number() {
        let sent = json!({"Response": {"SendStatusSet": [{"PhoneNumber": "+8613812345678", "Code": "Ok", "Message": "send success"}]}});
        assert_eq!(judge(&sent), Ok(()));
        let refused =
            json!({"Response": {"SendStatusSet": [{"PhoneNumber": "+8613812345678", "Code": "LimitExceeded.PhoneNumberDailyLimit"}]}});
        assert_eq!(judge(&refused), Err("Tencent Cloud refuses: LimitExceeded.PhoneNumberDailyLimit".to_owned()));
        let wrong = json!({"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "+8613812345678"}}});
        assert_eq!(judge(&wrong), Err("Tencent Cloud refuses: AuthFailure.SignatureFailure".to_owned()));
        assert!(judge(&json!({})).is_err());
    }
}
