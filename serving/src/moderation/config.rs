//! The `[moderation]` section.

use std::path::PathBuf;

use features::moderation::Category;
use serde::{Deserialize, Serialize};

use super::SubjectKind;
use crate::outside::{SECRET_CHARS, may_be_asked};

/// What is checked, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModerationConfig {
    /// Whether anything is checked at all.
    pub enabled: bool,
    /// Files of further words, as docs/MODERATION.md shows.
    pub lists: Vec<PathBuf>,
    /// Words that are innocent although a listed one is in them.
    pub allow: Vec<String>,
    /// Shown names.
    pub nickname: KindConfig,
    /// What profiles say in words: bio, occupation, city, tags.
    pub bio: KindConfig,
    /// Moments: title, text, answers, tags.
    pub moment: KindConfig,
    /// Comments and replies.
    pub comment: KindConfig,
    /// Photos of profiles and Moments; only a service looks at them.
    pub image: KindConfig,
    /// A service of the operator's.
    pub service: ServiceConfig,
}

/// What becomes of a write while the service does not answer as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDown {
    /// It is accepted, and judged when the service is there again.
    #[default]
    Accept,
    /// It is refused for now.
    Refuse,
}

/// The `[moderation.service]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Where it is; empty for none.
    pub url: String,
    /// What requests to it are signed with.
    pub secret: String,
    /// Milliseconds that it may take.
    pub timeout_ms: u64,
    /// What it is sent.
    pub kinds: Vec<SubjectKind>,
    /// What becomes of a write while it does not answer.
    pub when_down: WhenDown,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        let (url, secret) = (String::new(), String::new());
        Self { url, secret, timeout_ms: 1_500, kinds: SubjectKind::ALL.to_vec(), when_down: WhenDown::Accept }
    }
}

impl ServiceConfig {
    /// Whether there is one.
    pub const fn is_there(&self) -> bool {
        !self.url.is_empty()
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if !self.is_there() {
            return Ok(());
        }
        if !may_be_asked(&self.url) {
            return Err(("moderation.service.url", "must begin with https:// (http:// on loopback only), without a user".to_owned()));
        }
        if self.secret.len() < SECRET_CHARS {
            return Err(("moderation.service.secret", format!("needs at least {SECRET_CHARS} characters that your service knows, too")));
        }
        if !(50..=10_000).contains(&self.timeout_ms) {
            return Err(("moderation.service.timeout_ms", "must be 50 to 10000 milliseconds: people wait for it".to_owned()));
        }
        if self.kinds.is_empty() {
            return Err(("moderation.service.kinds", "names nothing that is sent; leave url empty for no service".to_owned()));
        }
        Ok(())
    }
}

/// What follows for a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindConfig {
    /// Whether it is checked.
    pub check: bool,
    /// Categories with which it is refused; with others it is accepted and counted.
    pub refuse: Vec<Category>,
}

impl KindConfig {
    /// Refuses all categories but some.
    fn all_but(flagged: &[Category]) -> Self {
        Self { check: true, refuse: Category::ALL.into_iter().filter(|category| !flagged.contains(category)).collect() }
    }
}

impl Default for KindConfig {
    fn default() -> Self {
        Self::all_but(&[Category::SelfHarm])
    }
}

impl Default for ModerationConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            lists: Vec::new(),
            allow: Vec::new(),
            nickname: KindConfig::all_but(&[]),
            bio: KindConfig::all_but(&[Category::SelfHarm]),
            moment: KindConfig::all_but(&[Category::Insult, Category::SelfHarm, Category::Contact]),
            comment: KindConfig::all_but(&[Category::SelfHarm, Category::Contact]),
            image: KindConfig::all_but(&[Category::SelfHarm]),
            service: ServiceConfig::default(),
        }
    }
}

impl ModerationConfig {
    /// What follows for a kind.
    pub const fn of(&self, kind: SubjectKind) -> &KindConfig {
        match kind {
            SubjectKind::Nickname => &self.nickname,
            SubjectKind::Bio => &self.bio,
            SubjectKind::Moment => &self.moment,
            SubjectKind::Comment => &self.comment,
            SubjectKind::Image => &self.image,
        }
    }

    /// What is wrong with the section: the key, and the remedy.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.service.check()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_names_its_key() {
        let right = ServiceConfig {
            url: "https://judge.example.com/v1".to_owned(),
            secret: "sixteen-or-more-x".to_owned(),
            ..ServiceConfig::default()
        };
        let fault = |change: &dyn Fn(&mut ServiceConfig)| {
            let mut config = ModerationConfig { service: right.clone(), ..ModerationConfig::default() };
            change(&mut config.service);
            config.check().err().map(|(key, _)| key)
        };
        assert_eq!(fault(&|_| {}), None);
        assert_eq!(fault(&|s| s.url = "http://127.0.0.1:9000/judge".to_owned()), None);
        assert_eq!(
            fault(&|s| *s = ServiceConfig { secret: "short".to_owned(), ..ServiceConfig::default() }),
            None,
            "without a url there is none"
        );
        for url in ["http://judge.example.com", "judge.example.com", "https://me:word@judge.example.com", "file:///etc/passwd"] {
            assert_eq!(fault(&|s| s.url = url.to_owned()), Some("moderation.service.url"), "{url}");
        }
        assert_eq!(fault(&|s| s.secret = "short".to_owned()), Some("moderation.service.secret"));
        for timeout_ms in [0, 49, 10_001] {
            assert_eq!(fault(&|s| s.timeout_ms = timeout_ms), Some("moderation.service.timeout_ms"));
        }
        assert_eq!(fault(&|s| s.kinds.clear()), Some("moderation.service.kinds"));
        let unknown = toml::from_str::<ModerationConfig>("[service]\nkinds = [\"voice\"]").unwrap_err();
        assert!(unknown.to_string().contains("kinds") && unknown.to_string().contains("image"), "{unknown}");
        assert!(toml::from_str::<ModerationConfig>("[service]\nwhen_down = \"panic\"").is_err());
        assert!(toml::from_str::<ModerationConfig>("[service]\nurls = \"\"").unwrap_err().to_string().contains("urls"));
    }
}
