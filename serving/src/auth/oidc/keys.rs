//! The public keys of a provider, as it publishes them (JWK set, RFC 7517): fetched when they are first needed, kept for as long as the provider says.
//!
//! - A key that is not known is looked for once more, for providers change keys; but a provider is asked at most every [`PAUSE`], however many tokens
//!   name keys that were made up, and by one login at a time.
//! - While the provider does not answer, keys are used that are out of date, for a while; a token whose key is not among them is not judged but
//!   put off ([`NoKey::Unavailable`]).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::header::CACHE_CONTROL;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::config::Source;
use crate::outside::{self, Unread, may_be_asked};

/// The least time between two requests for the keys.
pub(super) const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A document of a provider is not larger than this; Google's keys are 1 KiB.
const MOST_BYTES: usize = 256 << 10;
/// How many keys of a provider are kept.
const MOST_KEYS: usize = 100;
/// How long keys are kept: what the provider says, within these bounds.
const KEPT_S: std::ops::RangeInclusive<i64> = 60..=86_400;
/// How long, when it does not say.
const USUALLY_S: i64 = 3_600;

/// There is no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The provider has none of this name.
    Unknown,
    /// The provider does not answer; the reason, for the log.
    Unavailable(String),
}

/// A key that checks signatures.
#[derive(Clone)]
struct Known {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The keys of one answer.
#[derive(Default)]
struct Ring {
    keys: Vec<Known>,
    fresh_until: DateTime<Utc>,
}

impl Ring {
    /// The key of a token. One that names none has the only one there is for its algorithm (OpenID Connect Core, 10.1).
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fit = self.keys.iter().filter(|known| known.algorithm == algorithm && (kid.is_none() || known.kid.as_deref() == kid));
        let first = fit.next()?;
        if kid.is_none() && fit.next().is_some() { None } else { Some(first.key.clone()) }
    }
}

/// The last request for the keys.
#[derive(Default)]
struct Asked {
    at: Option<DateTime<Utc>>,
    /// Why it failed; nothing where it did not.
    failure: Option<String>,
}

/// The keys of a provider.
pub(super) struct ProviderKeys {
    client: reqwest::Client,
    source: Source,
    stale: TimeDelta,
    ring: RwLock<Arc<Ring>>,
    asked: Mutex<Asked>,
}

impl ProviderKeys {
    /// None fetched so far. `stale`: for how long they are used after they have gone out of date.
    pub(super) fn new(source: Source, stale: TimeDelta) -> anyhow::Result<Self> {
        let client = outside::client(PATIENCE)?;
        Ok(Self { client, source, stale, ring: RwLock::default(), asked: Mutex::default() })
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key that a token names.
    pub(super) async fn key(&self, kid: Option<&str>, algorithm: Algorithm, now: DateTime<Utc>) -> Result<DecodingKey, NoKey> {
        let ring = self.ring();
        let known = ring.find(kid, algorithm);
        if now < ring.fresh_until
            && let Some(key) = known
        {
            return Ok(key);
        }
        // Somebody asks already: whoever has a key that was good a moment ago does not wait for that.
        let stale = known.filter(|_| now < ring.fresh_until + self.stale);
        let mut asked = match (self.asked.try_lock(), stale) {
            (Ok(asked), _) => asked,
            (Err(_), Some(key)) => return Ok(key),
            (Err(_), None) => self.asked.lock().await,
        };
        // Another one may have asked while this one waited.
        if asked.at.is_none_or(|at| now - at >= PAUSE) {
            // What is told where whoever asks goes away before the answer.
            *asked = Asked { at: Some(now), failure: Some("the last request was cut off".to_owned()) };
            asked.failure = self.fetch(now).await.err();
            if let Some(reason) = &asked.failure {
                metrics::counter!("hongniang_auth_oidc_keys_failed_total").increment(1);
                tracing::warn!(reason, "the keys of a login provider cannot be fetched");
            }
        }
        let failure = asked.failure.clone();
        drop(asked);
        // A key that the provider has withdrawn in its last answer is not among them.
        let ring = self.ring();
        match (ring.find(kid, algorithm).filter(|_| now < ring.fresh_until + self.stale), failure) {
            (Some(key), _) => Ok(key),
            (None, Some(reason)) => Err(NoKey::Unavailable(reason)),
            (None, None) => Err(NoKey::Unknown),
        }
    }

    async fn fetch(&self, now: DateTime<Utc>) -> Result<(), String> {
        let uri = match &self.source {
            Source::Jwks(uri) => uri.clone(),
            Source::Discovery(issuer) => self.discover(issuer).await?,
        };
        let (body, lives_s) = self.get(&uri).await?;
        let set: JwkSet = serde_json::from_slice(&body).map_err(|e| format!("{uri} is no JWK set: {e}"))?;
        let keys: Vec<Known> = set.keys.into_iter().filter_map(known).take(MOST_KEYS).collect();
        if keys.is_empty() {
            return Err(format!("{uri} has no key for RS256 or ES256"));
        }
        let fresh_until = now + TimeDelta::seconds(lives_s.clamp(*KEPT_S.start(), *KEPT_S.end()));
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring { keys, fresh_until });
        Ok(())
    }

    /// OpenID Connect Discovery: where the keys of an issuer are.
    async fn discover(&self, issuer: &str) -> Result<String, String> {
        let uri = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let (body, _) = self.get(&uri).await?;
        let told: Discovered = serde_json::from_slice(&body).map_err(|e| format!("{uri} is no discovery document: {e}"))?;
        if told.issuer != issuer {
            return Err(format!("{uri} is of another issuer"));
        }
        if !may_be_asked(&told.jwks_uri) {
            return Err(format!("{uri} has a jwks_uri that is not https"));
        }
        Ok(told.jwks_uri)
    }

    /// A document, and for how many seconds it may be kept.
    async fn get(&self, uri: &str) -> Result<(Vec<u8>, i64), String> {
        let failed = |e: reqwest::Error| format!("{uri} does not answer: {}", e.without_url());
        let answer = self.client.get(uri).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("{uri} answers {}", answer.status()));
        }
        let lives_s = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).map_or(USUALLY_S, max_age);
        let body = outside::body(answer, MOST_BYTES).await.map_err(|unread| match unread {
            Unread::TooLong => format!("{uri} has more than {MOST_BYTES} bytes"),
            Unread::Failed(error) => failed(error),
        })?;
        Ok((body, lives_s))
    }
}

/// Seconds that a `Cache-Control` allows; 0 for what must not be kept.
fn max_age(control: &str) -> i64 {
    let mut parts = control.split(',').map(str::trim);
    if parts.clone().any(|part| part.eq_ignore_ascii_case("no-store") || part.eq_ignore_ascii_case("no-cache")) {
        return 0;
    }
    let age = parts.find_map(|part| part.to_ascii_lowercase().strip_prefix("max-age=").map(str::to_owned));
    age.map_or(USUALLY_S, |age| age.trim_matches('"').parse().unwrap_or(USUALLY_S))
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// Keys are read one by one: one of a kind that is not known here spoils none of the others.
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn known(value: serde_json::Value) -> Option<Known> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let (algorithm, name, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => (Algorithm::RS256, "RS256", DecodingKey::from_rsa_components(&jwk.n?, &jwk.e?).ok()?),
        ("EC", Some("P-256")) => (Algorithm::ES256, "ES256", DecodingKey::from_ec_components(&jwk.x?, &jwk.y?).ok()?),
        _ => return None,
    };
    let fits = jwk.alg.is_none_or(|alg| alg == name);
    fits.then_some(Known { kid: jwk.kid, algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_may_be_kept_is_read() {
        for (control, seconds) in [
            ("public, max-age=21600, must-revalidate", 21_600),
            ("Max-Age=\"30\"", 30),
            ("no-store, max-age=100", 0),
            ("private", USUALLY_S),
            ("max-age=soon", USUALLY_S),
        ] {
            assert_eq!(max_age(control), seconds, "{control}");
        }
    }

    proptest! {
        /// What a provider publishes never stops us, whatever it is.
        #[test]
        fn any_key_is_read_or_passed_over(kty in "RSA|EC|oct|OKP|.*", crv in prop::option::of("P-256|P-384|.*"), n in prop::option::of(".*"), alg in prop::option::of("RS256|ES256|HS256|.*")) {
            let value = serde_json::json!({"kty": kty, "crv": crv, "n": n, "e": "AQAB", "x": n, "y": n, "alg": alg, "kid": "k"});
            if let Some(known) = known(value) {
                prop_assert!(matches!((kty.as_str(), known.algorithm), ("RSA", Algorithm::RS256) | ("EC", Algorithm::ES256)));
                prop_assert!(alg.is_none_or(|alg| alg == "RS256" || alg == "ES256"));
            }
        }
    }
}
