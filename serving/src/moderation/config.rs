//! The `[moderation]` section.

use std::path::PathBuf;

use features::moderation::Category;
use serde::{Deserialize, Serialize};

use super::TextKind;

/// What is checked, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModerationConfig {
    /// Whether texts are checked at all.
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
}

/// What follows for a kind of text.
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
        }
    }
}

impl ModerationConfig {
    /// What follows for a kind of text.
    pub fn of(&self, kind: TextKind) -> &KindConfig {
        match kind {
            TextKind::Nickname => &self.nickname,
            TextKind::Bio => &self.bio,
            TextKind::Moment => &self.moment,
            TextKind::Comment => &self.comment,
        }
    }
}
