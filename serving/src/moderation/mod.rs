//! The seam of moderation: what becomes of what somebody wants others to see.
//!
//! - A [`Subject`] is a text of a kind, or a photo by its name in the media store. A chain of [`Checker`]s looks at it: the built-in one of
//!   `features::moderation` at texts, then a service of the operator's, if there is one, at what was not refused before.
//! - The [policy](ModerationConfig) says what follows of what was found: per kind some categories refuse, all others are counted
//!   (`hongniang_moderation_total`) and raise a review. A service may say so itself.
//! - Rooms ask [`Moderator::check`] before an event is made, and hold no lock and no transaction meanwhile; so what is refused is in no log.
//! - A service that is away is not an outage of ours: what it should have looked at is accepted and looked at later, by the job `reviews`, unless the
//!   operator wants it refused.
//!
//! No room: it has no routes.

mod checker;
mod config;
mod service;
mod subject;
mod wire;

use std::path::Path;

use anyhow::Context;
use features::moderation::{Screen, WordList};
use features::validate::FieldError;
use futures::future::join_all;
use pipelines::supervisor::Clock;

pub use self::checker::{BuiltIn, Checker, Down, Found};
pub use self::config::{KindConfig, ModerationConfig, ServiceConfig, WhenDown};
use self::service::Service;
pub use self::subject::{Judgement, Refusal, Subject, SubjectKind, Verdict};

/// The checks and the policy.
pub struct Moderator {
    checkers: Vec<Box<dyn Checker>>,
    config: ModerationConfig,
}

impl Moderator {
    /// The moderator of a configuration; reads its lists. `clock` is for what is signed.
    ///
    /// # Errors
    /// When a list is missing or has a line that is no entry.
    pub fn new(config: &ModerationConfig, clock: Clock) -> anyhow::Result<Self> {
        let mut lists = config.lists.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        lists.push(WordList::allowing(&config.allow)?);
        let mut checkers: Vec<Box<dyn Checker>> = vec![Box::new(BuiltIn(Screen::built_in(lists)?))];
        if config.service.is_there() {
            checkers.push(Box::new(Service::new(&config.service, clock)?));
        }
        Ok(Self::with(config, checkers))
    }

    /// A chain of one's own, in this order.
    pub fn with(config: &ModerationConfig, checkers: Vec<Box<dyn Checker>>) -> Self {
        Self { checkers, config: config.clone() }
    }

    /// Whether a service is asked, so that there may be something that it could not look at.
    pub const fn asks_outside(&self) -> bool {
        self.config.enabled && self.config.service.is_there()
    }

    /// What is in subjects and what follows, for each in turn.
    pub async fn judge(&self, subjects: &[Subject<'_>]) -> Vec<Judgement> {
        let mut judged = vec![Judgement::default(); subjects.len()];
        for checker in &self.checkers {
            let mut asked = Vec::new();
            for kind in
                SubjectKind::ALL.into_iter().filter(|kind| self.config.enabled && self.config.of(*kind).check && checker.takes(*kind))
            {
                let is_open = |place: &usize| subjects[*place].kind == kind && judged[*place].verdict != Verdict::Refuse;
                let places: Vec<usize> = (0..subjects.len()).filter(is_open).collect();
                if !places.is_empty() {
                    asked.push(async move {
                        let some: Vec<&Subject<'_>> = places.iter().map(|place| &subjects[*place]).collect();
                        (kind, checker.look(kind, &some).await, places)
                    });
                }
            }
            for (kind, told, places) in join_all(asked).await {
                for (place, told) in places.into_iter().zip(told) {
                    self.take(kind, &mut judged[place], told);
                }
            }
        }
        judged
    }

    /// Adds what a check has told to a judgement.
    fn take(&self, kind: SubjectKind, judgement: &mut Judgement, told: Result<Vec<Found>, Down>) {
        let refused = &self.config.of(kind).refuse;
        match told {
            Ok(all) => {
                for Found { finding, verdict } in all {
                    let follows = if refused.contains(&finding.category) { Verdict::Refuse } else { Verdict::Flag };
                    let verdict = verdict.unwrap_or(follows);
                    judgement.verdict = judgement.verdict.max(verdict);
                    judgement.findings.push((verdict, finding));
                }
            }
            Err(down) => judgement.missed = Some(down),
        }
    }

    /// Judges what one write brings, and counts what was found.
    ///
    /// # Errors
    /// The refused fields, or that a check is away without which nothing is accepted.
    pub async fn check(&self, subjects: &[Subject<'_>]) -> Result<(), Refusal> {
        let (mut all, mut text, mut away) = (Vec::new(), false, false);
        for (subject, outcome) in subjects.iter().zip(self.check_each(subjects).await) {
            match outcome {
                Ok(()) => {}
                Err(Refusal::Unavailable) => away = true,
                Err(Refusal::Refused { fields, .. }) => {
                    text |= subject.kind.is_text();
                    all.extend(fields);
                }
            }
        }
        match (all.is_empty(), away) {
            (false, _) => Err(Refusal::Refused { only_images: !text, fields: all }),
            (true, true) => Err(Refusal::Unavailable),
            (true, false) => Ok(()),
        }
    }

    /// The same for writes that stand each for itself, in turn.
    pub async fn check_each(&self, subjects: &[Subject<'_>]) -> Vec<Result<(), Refusal>> {
        let judged = self.judge(subjects).await;
        subjects.iter().zip(judged).map(|(subject, judgement)| self.outcome(subject, judgement)).collect()
    }

    /// What becomes of a subject; counts it.
    fn outcome(&self, subject: &Subject<'_>, judgement: Judgement) -> Result<(), Refusal> {
        let kind = subject.kind.name();
        let (mut fields, mut told) = (Vec::new(), Vec::new());
        for (verdict, finding) in judgement.findings {
            let (category, name) = (finding.category.name(), verdict.name());
            metrics::counter!("hongniang_moderation_total", "kind" => kind, "category" => category, "verdict" => name).increment(1);
            if verdict == Verdict::Refuse && !told.contains(&finding.category) {
                told.push(finding.category);
                let remedy = if subject.kind.is_text() { finding.category.remedy() } else { finding.category.image_remedy() };
                fields.push(FieldError { field: subject.field.clone().into_owned(), message: remedy.to_owned() });
            }
        }
        if !fields.is_empty() {
            return Err(Refusal::Refused { only_images: !subject.kind.is_text(), fields });
        }
        if judgement.missed.is_none() {
            return Ok(());
        }
        let refuses = self.config.service.when_down == WhenDown::Refuse;
        let verdict = if refuses { Verdict::Refuse } else { Verdict::Accept };
        metrics::counter!("hongniang_moderation_unjudged_total", "kind" => kind, "verdict" => verdict.name()).increment(1);
        if refuses { Err(Refusal::Unavailable) } else { Ok(()) }
    }
}

fn read(file: &Path) -> anyhow::Result<WordList> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("moderation.lists: {} cannot be read; give a text file as docs/MODERATION.md shows", file.display()))?;
    Ok(WordList::parse(&file.display().to_string(), &text)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
