//! ID tokens of Google, Apple, Firebase and others, checked in full: signature, `iss`, `aud`, `azp`, times, nonce.

mod config;
mod keys;
mod token;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use self::config::Rules;
use self::keys::{NoKey, ProviderKeys};
use self::token::Bound;
use super::AuthError;

pub use self::config::{NonceRule, OidcConfig};

/// The domain of the addresses that Apple makes up for people who hide theirs.
const RELAY: &str = "privaterelay.appleid.com";
/// A nickname has at most so many characters.
const NAME_CHARS: usize = 40;
/// Of a mail address so much is shown.
const DOMAIN_CHARS: usize = 60;

/// Whom an ID token is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Somebody {
    /// The provider's name here.
    pub(super) provider: String,
    /// `sub`: with the provider the only key of a login. A mail address is none: it changes hands, and not every provider makes sure of it.
    pub(super) subject: String,
    /// The mail address with its first character and domain only, if the provider has made sure of it; else empty.
    pub(super) mail: String,
    /// Whether the address is one that forwards.
    pub(super) is_private_email: bool,
    /// What the provider calls the person; may be empty.
    pub(super) name: String,
    /// Until when the token could be used again, in seconds since 1970; nothing where only who began the login can use it.
    pub(super) once_until: Option<i64>,
}

struct Provider {
    rules: Rules,
    keys: ProviderKeys,
}

/// The providers of the configuration.
pub(super) struct Providers(BTreeMap<String, Provider>);

impl Providers {
    /// None of their keys fetched so far.
    pub(super) fn new(config: &BTreeMap<String, OidcConfig>) -> anyhow::Result<Self> {
        let mut providers = BTreeMap::new();
        for (name, config) in config {
            let Some((rules, source)) = config.resolved(name) else { anyhow::bail!("auth.oidc.{name} needs an issuer") };
            let keys = ProviderKeys::new(source, TimeDelta::hours(config.stale_h))?;
            providers.insert(name.clone(), Provider { rules, keys });
        }
        Ok(Self(providers))
    }

    /// Whom a token is of.
    ///
    /// # Errors
    /// When there is no such provider, the token is not good, or its keys cannot be had.
    pub(super) async fn verify(&self, provider: &str, token: &str, nonce: Option<&str>, now: DateTime<Utc>) -> Result<Somebody, AuthError> {
        let found = self.0.get(provider).ok_or(AuthError::NoProvider)?;
        if found.rules.nonce == NonceRule::Required && nonce.is_none() {
            return Err(AuthError::Field("nonce", "is needed for this provider".to_owned()));
        }
        let header = token::header(token).map_err(AuthError::BadIdToken)?;
        let key = found.keys.key(header.kid.as_deref(), header.alg, now).await.map_err(|error| match error {
            NoKey::Unknown => AuthError::BadIdToken("its key is none of the provider's"),
            NoKey::Unavailable(reason) => AuthError::ProviderAway(reason),
        })?;
        let claims = token::signed(token, &header, &key).map_err(AuthError::BadIdToken)?;
        let bound = claims.check(&found.rules, nonce, now).map_err(AuthError::BadIdToken)?;
        let email = claims.email.as_deref().unwrap_or_default();
        let relayed = email.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(RELAY));
        Ok(Somebody {
            provider: provider.to_owned(),
            mail: if claims.email_verified { masked(email) } else { String::new() },
            is_private_email: claims.is_private_email || relayed,
            name: suggestion(claims.name.as_deref().unwrap_or_default()),
            once_until: (bound == Bound::NotAtAll).then_some(claims.exp + found.rules.leeway_s),
            subject: claims.sub,
        })
    }
}

/// A mail address as it is shown: enough for its owner to know it again.
fn masked(email: &str) -> String {
    let Some((local, domain)) = email.rsplit_once('@') else { return String::new() };
    let Some(first) = local.chars().next() else { return String::new() };
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    if domain.is_empty() || domain.chars().count() > DOMAIN_CHARS || !domain.chars().all(plain) || !plain(first) {
        return String::new();
    }
    format!("{first}***@{domain}")
}

/// A name as a nickname can be: one line, not too long.
pub(super) fn suggestion(name: &str) -> String {
    let words: Vec<&str> = name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(NAME_CHARS).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_in_part() {
        for (email, shown) in [
            ("wang.xiaohong@gmail.com", "w***@gmail.com"),
            ("小红@例子.中国", "小***@例子.中国"),
            ("a\"@b\"@example.com", "a***@example.com"),
            ("@example.com", ""),
            ("nobody", ""),
            ("a@", ""),
            ("a@b c", ""),
        ] {
            assert_eq!(masked(email), shown, "{email}");
        }
        assert_eq!(masked(&format!("a@{}", "b".repeat(61))), "");
    }

    #[test]
    fn names_become_suggestions() {
        for (name, suggested) in [("  王 \n小红\u{0} ", "王 小红"), ("", ""), ("Ann\tLee", "Ann Lee")] {
            assert_eq!(suggestion(name), suggested);
        }
        assert_eq!(suggestion(&"红".repeat(50)).chars().count(), 40);
    }
}
