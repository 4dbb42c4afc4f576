//! The `[auth.oidc.<name>]` sections, and what is known of Google, Apple and Firebase.

use serde::{Deserialize, Serialize};

use crate::outside::may_be_asked;

/// Whether a login must bring a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonceRule {
    /// It may. Without one a token works once.
    #[default]
    Optional,
    /// It must.
    Required,
}

/// An `[auth.oidc.<name>]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// `iss` of its ID tokens; empty for `google`, `apple` and `firebase`, whose issuers are known.
    pub issuer: String,
    /// Where its keys are; empty: where they are known to be, or where its discovery document says.
    pub jwks_uri: String,
    /// The client ids of your apps, of which `aud` and `azp` must be; of Firebase the project id.
    pub audiences: Vec<String>,
    /// Whether a login must bring a nonce.
    pub nonce: NonceRule,
    /// Seconds that its clock may be off.
    pub leeway_s: i64,
    /// Hours for which keys are used that are out of date because the provider does not answer.
    pub stale_h: i64,
}

impl Default for OidcConfig {
    fn default() -> Self {
        let empty = String::new;
        Self { issuer: empty(), jwks_uri: empty(), audiences: Vec::new(), nonce: NonceRule::Optional, leeway_s: 60, stale_h: 24 }
    }
}

/// A provider as its tokens are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// What `iss` may be.
    pub(super) issuers: Vec<String>,
    /// What `aud` and `azp` may be.
    pub(super) audiences: Vec<String>,
    /// Whether there must be a nonce.
    pub(super) nonce: NonceRule,
    /// Seconds.
    pub(super) leeway_s: i64,
}

/// Where the keys of a provider are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// At this URL.
    Jwks(String),
    /// Where the discovery document of this issuer says.
    Discovery(String),
}

impl OidcConfig {
    /// Issuers and keys: as configured, else as they are known of the name.
    pub(super) fn resolved(&self, name: &str) -> Option<(Rules, Source)> {
        let (issuers, keys) = match (self.issuer.as_str(), name) {
            ("", "google") => {
                let issuers = vec!["https://accounts.google.com".to_owned(), "accounts.google.com".to_owned()];
                (issuers, "https://www.googleapis.com/oauth2/v3/certs")
            }
            ("", "apple") => (vec!["https://appleid.apple.com".to_owned()], "https://appleid.apple.com/auth/keys"),
            ("", "firebase") => (
                vec![format!("https://securetoken.google.com/{}", self.audiences.first()?)],
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            ),
            ("", _) => return None,
            (issuer, _) => (vec![issuer.to_owned()], ""),
        };
        let source = match (self.jwks_uri.as_str(), keys) {
            ("", "") => Source::Discovery(self.issuer.clone()),
            ("", known) => Source::Jwks(known.to_owned()),
            (given, _) => Source::Jwks(given.to_owned()),
        };
        let rules = Rules { issuers, audiences: self.audiences.clone(), nonce: self.nonce, leeway_s: self.leeway_s };
        Some((rules, source))
    }

    /// What is wrong with the section of a provider: the key, and the remedy.
    ///
    /// # Errors
    /// The first fault.
    pub(in crate::auth) fn check(&self, name: &str) -> Result<(), (&'static str, String)> {
        let wrong = |reason: String| Err(("auth.oidc", format!("{name}: {reason}")));
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if name == "phone" || name.is_empty() || name.len() > 20 || !plain {
            return wrong("a provider has a name of 1 to 20 lower-case letters, digits, - or _, and not phone".to_owned());
        }
        if self.audiences.is_empty() || self.audiences.iter().any(|audience| audience.trim().is_empty()) {
            return wrong("audiences needs the client ids of your apps (of Firebase the project id), and no empty one".to_owned());
        }
        if name == "firebase" && self.issuer.is_empty() && self.audiences.len() != 1 {
            return wrong("audiences of Firebase is one project id; give a second project another name, and its issuer".to_owned());
        }
        if self.resolved(name).is_none() {
            return wrong(
                "issuer must be the https URL that its ID tokens have as iss; it is known of google, apple and firebase only".to_owned(),
            );
        }
        if !(self.issuer.is_empty() || may_be_asked(&self.issuer)) || !(self.jwks_uri.is_empty() || may_be_asked(&self.jwks_uri)) {
            return wrong("issuer and jwks_uri must begin with https:// (http:// on loopback only)".to_owned());
        }
        if !(0..=300).contains(&self.leeway_s) {
            return wrong("leeway_s must be 0 to 300 seconds".to_owned());
        }
        if !(0..=168).contains(&self.stale_h) {
            return wrong("stale_h must be 0 to 168 hours".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(audiences: &[&str]) -> OidcConfig {
        OidcConfig { audiences: audiences.iter().map(ToString::to_string).collect(), ..OidcConfig::default() }
    }

    #[test]
    fn known_providers_need_only_their_clients() {
        for (name, issuer, keys) in [
            ("google", "https://accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs"),
            ("apple", "https://appleid.apple.com", "https://appleid.apple.com/auth/keys"),
            (
                "firebase",
                "https://securetoken.google.com/app-1",
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            ),
        ] {
            let config = of(&["app-1"]);
            config.check(name).unwrap();
            let (rules, source) = config.resolved(name).unwrap();
            assert_eq!((rules.issuers[0].as_str(), source), (issuer, Source::Jwks(keys.to_owned())));
        }
        let own = OidcConfig { issuer: "https://login.example.com".to_owned(), ..of(&["a", "b"]) };
        own.check("house").unwrap();
        assert_eq!(own.resolved("house").unwrap().1, Source::Discovery("https://login.example.com".to_owned()));
        let moved = OidcConfig { jwks_uri: "http://127.0.0.1:9/keys".to_owned(), ..of(&["a"]) };
        moved.check("google").unwrap();
        assert_eq!(moved.resolved("google").unwrap().1, Source::Jwks("http://127.0.0.1:9/keys".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_remedy() {
        let url = |issuer: &str| OidcConfig { issuer: issuer.to_owned(), ..of(&["a"]) };
        for (name, config, told) in [
            ("google", of(&[]), "audiences"),
            ("google", of(&[" "]), "audiences"),
            ("firebase", of(&["a", "b"]), "one project id"),
            ("house", of(&["a"]), "issuer must be"),
            ("house", url("http://login.example.com"), "https://"),
            ("house", url("https://"), "https://"),
            ("house", url("http://localhost.example.com"), "https://"),
            ("house", url("https://user@login.example.com"), "https://"),
            ("phone", url("https://login.example.com"), "name"),
            ("Google", of(&["a"]), "name"),
            ("apple", OidcConfig { leeway_s: 301, ..of(&["a"]) }, "leeway_s"),
            ("apple", OidcConfig { stale_h: -1, ..of(&["a"]) }, "stale_h"),
        ] {
            let (key, reason) = config.check(name).unwrap_err();
            assert!(key == "auth.oidc" && reason.starts_with(name) && reason.contains(told), "{name}: {reason}");
        }
    }
}
