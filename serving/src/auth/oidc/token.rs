//! What an ID token must say (OpenID Connect Core, 3.1.3.7).

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::config::{NonceRule, Rules};
use crate::auth::jwt::provide;
use crate::outside::hex;

/// The algorithms of ID tokens. Anything else, `none` and HMAC above all, is no token.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
/// Longer ones are not read: Google's and Apple's have about 1,000 characters.
const MOST_CHARS: usize = 16 << 10;
/// The longest life of a token in seconds; Apple's live a day. So long it is remembered that a token was used.
const LONGEST_S: i64 = 2 * 86_400;

/// What a token says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    #[serde(deserialize_with = "one_or_many")]
    aud: Vec<String>,
    azp: Option<String>,
    #[serde(deserialize_with = "seconds")]
    pub(super) exp: i64,
    #[serde(deserialize_with = "seconds")]
    iat: i64,
    #[serde(default, deserialize_with = "opt_seconds")]
    nbf: Option<i64>,
    nonce: Option<String>,
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "yes")]
    pub(super) email_verified: bool,
    #[serde(default, deserialize_with = "yes")]
    pub(super) is_private_email: bool,
    pub(super) name: Option<String>,
    firebase: Option<Firebase>,
}

/// What Firebase adds.
#[derive(Debug, Clone, Deserialize)]
struct Firebase {
    sign_in_provider: Option<String>,
}

/// How a token is bound to whoever brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// It has the hash of the nonce: only who began the login knows the nonce.
    ByHash,
    /// It has the nonce itself, or none: whoever has the token has everything.
    NotAtAll,
}

/// The header of a token that may be one.
pub(super) fn header(token: &str) -> Result<Header, &'static str> {
    if token.len() > MOST_CHARS {
        return Err("it is too long");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| "it is no signed JWT")?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("its algorithm is not RS256 or ES256");
    }
    // What must be understood and is not known here (RFC 7515, 4.1.11).
    if header.crit.is_some() { Err("its header has crit") } else { Ok(header) }
}

/// The claims of a token that this key has signed.
pub(super) fn signed(token: &str, header: &Header, key: &DecodingKey) -> Result<Claims, &'static str> {
    provide();
    let mut validation = Validation::new(header.alg);
    // Claims are checked below: time is an argument here, and there may be several audiences.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    use jsonwebtoken::errors::ErrorKind;
    match jsonwebtoken::decode::<Claims>(token, key, &validation) {
        Ok(read) => Ok(read.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::Json(_) => "its claims cannot be read",
            _ => "it cannot be checked",
        }),
    }
}

impl Claims {
    /// Whether they are what they must be; how they are bound.
    pub(super) fn check(&self, rules: &Rules, nonce: Option<&str>, now: DateTime<Utc>) -> Result<Bound, &'static str> {
        let (now, leeway) = (now.timestamp(), rules.leeway_s);
        let known = |party: &String| rules.audiences.contains(party);
        if !rules.issuers.contains(&self.iss) {
            return Err("iss is another");
        }
        // One that is not ours among them could have been made for it, and brought here by it.
        if self.aud.is_empty() || !self.aud.iter().all(known) {
            return Err("aud is not ours");
        }
        match &self.azp {
            Some(party) if !known(party) => return Err("azp is not ours"),
            None if self.aud.len() > 1 => return Err("several aud and no azp"),
            _ => {}
        }
        if self.exp <= now.saturating_sub(leeway) {
            return Err("it has ended");
        }
        if self.exp.saturating_sub(now) > LONGEST_S {
            return Err("it lives too long");
        }
        if self.iat > now + leeway || self.nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err("it is not good yet");
        }
        if self.sub.is_empty() || self.sub.chars().count() > 255 || self.sub.chars().any(char::is_control) {
            return Err("sub is none");
        }
        if self.firebase.as_ref().is_some_and(|f| f.sign_in_provider.as_deref() == Some("anonymous")) {
            return Err("it is of an anonymous account");
        }
        self.bound(rules.nonce, nonce)
    }

    /// The nonce: as it was given, or its SHA-256 in hexadecimal digits, as the SDKs of Apple and Google make it.
    fn bound(&self, rule: NonceRule, given: Option<&str>) -> Result<Bound, &'static str> {
        let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
        match (self.nonce.as_deref(), given) {
            (None, None) if rule == NonceRule::Required => Err("there is no nonce"),
            (None, None) => Ok(Bound::NotAtAll),
            (Some(_), None) => Err("it has a nonce, and none was given"),
            (None, Some(_)) => Err("a nonce was given, and it has none"),
            (Some(has), Some(given)) => {
                let hashed = same(&has.to_ascii_lowercase(), &hex(&Sha256::digest(given.as_bytes())));
                match (hashed, same(has, given)) {
                    (true, _) => Ok(Bound::ByHash),
                    (false, true) => Ok(Bound::NotAtAll),
                    (false, false) => Err("its nonce is another"),
                }
            }
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(from)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

/// `NumericDate` (RFC 7519): a number, which may have a fraction.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let number = f64::deserialize(from)?;
    if number.is_finite() && number.abs() < 1e12 { Ok(number as i64) } else { Err(serde::de::Error::custom("no time")) }
}

fn opt_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    seconds(from).map(Some)
}

/// Apple writes some truths as texts.
fn yes<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value == true || value == "true")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::seconds(s)
    }

    fn rules() -> Rules {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        Rules { issuers: texts(&["https://a", "a"]), audiences: texts(&["app", "web"]), nonce: NonceRule::Optional, leeway_s: 60 }
    }

    fn claims(change: Value) -> Claims {
        let mut claims = json!({"iss": "https://a", "sub": "1", "aud": "app", "iat": at(0).timestamp(), "exp": at(3_600).timestamp()});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(claims).unwrap()
    }

    fn told(change: Value, nonce: Option<&str>, s: i64) -> Result<Bound, &'static str> {
        claims(change).check(&rules(), nonce, at(s))
    }

    #[test]
    fn every_claim_is_held_to_its_rule() {
        let good = Ok(Bound::NotAtAll);
        let t = |s: i64| at(s).timestamp();
        for (change, s, right) in [
            (json!({}), 0, good),
            (json!({"iss": "a"}), 0, good),
            (json!({"iss": "https://a/"}), 0, Err("iss is another")),
            (json!({"aud": ["app"]}), 0, good),
            (json!({"aud": ["app", "web"], "azp": "web"}), 0, good),
            (json!({"aud": ["app", "web"]}), 0, Err("several aud and no azp")),
            (json!({"aud": ["app", "evil"], "azp": "app"}), 0, Err("aud is not ours")),
            (json!({"aud": []}), 0, Err("aud is not ours")),
            (json!({"aud": "other"}), 0, Err("aud is not ours")),
            (json!({"azp": "evil"}), 0, Err("azp is not ours")),
            (json!({}), 3_659, good),
            (json!({}), 3_660, Err("it has ended")),
            (json!({"exp": t(172_801)}), 0, Err("it lives too long")),
            (json!({"iat": t(60)}), 0, good),
            (json!({"iat": t(61)}), 0, Err("it is not good yet")),
            (json!({"nbf": t(61)}), 0, Err("it is not good yet")),
            (json!({"nbf": t(61)}), 1, good),
            (json!({"sub": ""}), 0, Err("sub is none")),
            (json!({"sub": "a\nb"}), 0, Err("sub is none")),
            (json!({"sub": "x".repeat(256)}), 0, Err("sub is none")),
            (json!({"firebase": {"sign_in_provider": "anonymous"}}), 0, Err("it is of an anonymous account")),
            (json!({"firebase": {"sign_in_provider": "password"}}), 0, good),
        ] {
            assert_eq!(told(change.clone(), None, s), right, "{change} at {s}");
        }
    }

    #[test]
    fn a_nonce_is_the_given_one_or_its_hash() {
        let raw = "n-0S6_WzA2Mj";
        // printf n-0S6_WzA2Mj | sha256sum
        let hash = "0823a09b54cb9381561068b00aaf4e539b3f54604631d3e6a820879b6b04cc19";
        for (has, given, right) in [
            (json!({"nonce": raw}), Some(raw), Ok(Bound::NotAtAll)),
            (json!({"nonce": hash}), Some(raw), Ok(Bound::ByHash)),
            (json!({"nonce": hash.to_uppercase()}), Some(raw), Ok(Bound::ByHash)),
            (json!({"nonce": hash}), Some(hash), Ok(Bound::NotAtAll)),
            (json!({"nonce": "0".repeat(64)}), Some(raw), Err("its nonce is another")),
            (json!({"nonce": ""}), Some(raw), Err("its nonce is another")),
            (json!({"nonce": raw}), None, Err("it has a nonce, and none was given")),
            (json!({}), Some(raw), Err("a nonce was given, and it has none")),
            (json!({}), None, Ok(Bound::NotAtAll)),
        ] {
            assert_eq!(told(has.clone(), given, 0), right, "{has} {given:?}");
        }
        let strict = Rules { nonce: NonceRule::Required, ..rules() };
        assert_eq!(claims(json!({})).check(&strict, None, at(0)), Err("there is no nonce"));
    }

    #[test]
    fn truths_may_be_texts_and_times_may_have_fractions() {
        let read = claims(json!({"email_verified": "true", "is_private_email": true, "exp": 1_795_000_100.9, "iat": 1_795_000_000.5}));
        assert_eq!((read.email_verified, read.is_private_email, read.exp), (true, true, 1_795_000_100));
        let read = claims(json!({"email_verified": "false", "is_private_email": 1}));
        assert!(!read.email_verified && !read.is_private_email);
        for bad in [json!({"exp": "soon"}), json!({"exp": null}), json!({"exp": 1e300}), json!({"aud": 5}), json!({"sub": 1})] {
            let mut all = json!({"iss": "a", "sub": "1", "aud": "app", "iat": 0, "exp": 0});
            all.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
            assert!(serde_json::from_value::<Claims>(all).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever is sent, it is judged and nothing stops.
        #[test]
        fn any_text_is_judged(text in "[A-Za-z0-9_.-]{0,200}|.{0,50}") {
            prop_assert!(header(&text).is_err() || text.matches('.').count() == 2);
        }

        /// No times let a token pass that has ended or is not good yet.
        #[test]
        fn only_between_its_times(iat in -200_000i64..200_000, life in 0i64..200_000, s in -200_000i64..200_000) {
            let passed = told(json!({"iat": at(iat).timestamp(), "exp": at(iat + life).timestamp()}), None, s).is_ok();
            prop_assert_eq!(passed, iat <= s + 60 && s - 60 < iat + life && iat + life - s <= LONGEST_S);
        }
    }
}
