//! The seam of moderation: what becomes of a text that somebody wants others to read.
//!
//! `features::moderation` says what is in a text; the [policy](ModerationConfig) says what follows: per kind of text some categories refuse it, all
//! others are only counted (`hongniang_moderation_total`). Rooms ask [`Moderator::check`] before an event is made, so that what is refused is in no log.
//! No room: it has no routes.

mod config;

use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use features::moderation::{Finding, Screen, WordList};
use features::validate::FieldError;
use serde::Serialize;

pub use self::config::{KindConfig, ModerationConfig};

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextKind {
    /// A shown name.
    Nickname,
    /// What a profile says in words.
    Bio,
    /// A Moment: title, text, answers, tags.
    Moment,
    /// A comment or a reply.
    Comment,
}

impl TextKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Nickname, Self::Bio, Self::Moment, Self::Comment];

    /// The name in configuration and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nickname => "nickname",
            Self::Bio => "bio",
            Self::Moment => "moment",
            Self::Comment => "comment",
        }
    }
}

/// What follows for a text, from mild to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found, or nobody looks.
    Accept,
    /// Accepted, and counted.
    Flag,
    /// Not accepted.
    Refuse,
}

impl Verdict {
    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Flag => "flag",
            Self::Refuse => "refuse",
        }
    }
}

/// What was found in a text, each with what follows, and what follows for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The strictest of all.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<(Verdict, Finding)>,
}

/// The checks and the policy.
#[derive(Debug)]
pub struct Moderator {
    screen: Screen,
    config: ModerationConfig,
}

impl Moderator {
    /// The moderator of a configuration; reads its lists.
    ///
    /// # Errors
    /// When a list is missing or has a line that is no entry.
    pub fn new(config: &ModerationConfig) -> anyhow::Result<Self> {
        let mut lists = config.lists.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        lists.push(WordList::allowing(&config.allow)?);
        Ok(Self { screen: Screen::built_in(lists)?, config: config.clone() })
    }

    /// What is in a text and what follows.
    pub fn judge(&self, kind: TextKind, text: &str) -> Judgement {
        let policy = self.config.of(kind);
        if !self.config.enabled || !policy.check {
            return Judgement { verdict: Verdict::Accept, findings: Vec::new() };
        }
        let follows = |finding: &Finding| if policy.refuse.contains(&finding.category) { Verdict::Refuse } else { Verdict::Flag };
        let judged = |finding: Finding| (follows(&finding), finding);
        let findings: Vec<_> = self.screen.look(text).into_iter().map(judged).collect();
        Judgement { verdict: findings.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Accept), findings }
    }

    /// Judges fields and counts what was found.
    ///
    /// # Errors
    /// The refused fields, each with the category and the remedy, without the words that were found.
    pub fn check<'a>(&self, kind: TextKind, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), Vec<FieldError>> {
        let mut refused = Vec::new();
        for (field, text) in fields {
            let mut told = None;
            for (verdict, finding) in self.judge(kind, text).findings {
                let (kind, category, name) = (kind.name(), finding.category.name(), verdict.name());
                metrics::counter!("hongniang_moderation_total", "kind" => kind, "category" => category, "verdict" => name).increment(1);
                if verdict == Verdict::Refuse && told != Some(finding.category) {
                    told = Some(finding.category);
                    refused.push(FieldError { field: field.to_owned(), message: finding.category.remedy().to_owned() });
                }
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(refused) }
    }
}

fn read(file: &Path) -> anyhow::Result<WordList> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("moderation.lists: {} cannot be read; give a text file as docs/MODERATION.md shows", file.display()))?;
    Ok(WordList::parse(&file.display().to_string(), &text)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::moderation::Category;

    use super::*;

    #[test]
    fn what_follows_depends_on_the_kind() {
        let moderator = Moderator::new(&ModerationConfig::default()).unwrap();
        let verdict = |kind, text| moderator.judge(kind, text).verdict;
        assert_eq!(verdict(TextKind::Nickname, "加微信 abc123"), Verdict::Refuse);
        assert_eq!(verdict(TextKind::Moment, "加微信 abc123"), Verdict::Flag);
        assert_eq!(verdict(TextKind::Comment, "what a nice picture"), Verdict::Accept);
        assert_eq!(verdict(TextKind::Moment, "有时候不想活了"), Verdict::Flag, "whoever needs help is not silenced");
        let refused = moderator.check(TextKind::Bio, [("bio", "约 炮, and f.u.c.k"), ("city", "上海")]).unwrap_err();
        assert!(refused.len() == 2 && refused.iter().all(|error| error.field == "bio"), "{refused:?}");
        assert!(refused.iter().all(|error| !error.message.contains("约") && !error.message.contains("fuck")));
    }

    #[test]
    fn the_policy_can_be_changed() {
        let mut config = ModerationConfig::default();
        config.nickname.refuse = vec![Category::Hate];
        config.bio.check = false;
        let moderator = Moderator::new(&config).unwrap();
        assert_eq!(moderator.judge(TextKind::Nickname, "傻逼").verdict, Verdict::Flag);
        assert_eq!(moderator.judge(TextKind::Bio, "傻逼").verdict, Verdict::Accept);
        config.enabled = false;
        assert_eq!(Moderator::new(&config).unwrap().judge(TextKind::Comment, "傻逼").findings, []);
    }

    #[test]
    fn lists_of_ones_own_are_read_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.txt");
        std::fs::write(&file, "[other]\n菠萝披萨\n").unwrap();
        let mut config = ModerationConfig { lists: vec![file.clone()], allow: vec!["傻逼".to_owned()], ..ModerationConfig::default() };
        let moderator = Moderator::new(&config).unwrap();
        assert_eq!(moderator.judge(TextKind::Comment, "菠蘿 披薩").findings[0].1.category, Category::Other);
        assert_eq!(moderator.judge(TextKind::Comment, "傻逼").verdict, Verdict::Accept);
        std::fs::write(&file, "[food]\n菠萝披萨\n").unwrap();
        let told = format!("{:#}", Moderator::new(&config).unwrap_err());
        assert!(told.contains("own.txt:1: [food] is no category"), "{told}");
        config.lists = vec![folder.path().join("none.txt")];
        assert!(format!("{:#}", Moderator::new(&config).unwrap_err()).contains("none.txt cannot be read"));
    }
}
