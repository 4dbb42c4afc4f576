//! The rules of reviews and bans.

use chrono::{DateTime, Utc};
use features::event::{Event, InteractionKind, MomentKind};
use features::ids::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::error::ReviewError;
use super::store::{self, Raised};
use crate::audit::{self, Act, Actor};
use crate::db::Db;
use crate::moderation::{Moderator, TextKind, Verdict as Judged};

/// Characters of a note at most.
const NOTE: usize = 1_000;

/// What is to be looked at about somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Review {
    /// Its id.
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    pub id: i64,
    /// About whom.
    pub user_id: UserId,
    /// `report`: others reported them; `text`: the moderation flagged what they wrote.
    pub source: String,
    /// `open`, `dismissed`, `warned` or `banned`.
    pub state: String,
    /// How many reports or texts.
    pub reports: u64,
    /// How many people reported.
    pub reporters: u64,
    /// The first of them.
    pub first_at: DateTime<Utc>,
    /// The last.
    pub last_at: DateTime<Utc>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// `service` or `operator`; empty while it is open.
    pub decided_by: String,
    /// What whoever decided noted.
    pub note: String,
    /// What was said, or which text was flagged for what; the last twenty.
    pub about: Vec<String>,
}

fn text<S: serde::Serializer>(id: &i64, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(id)
}

/// What may be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to it.
    Dismiss,
    /// The person is to be warned: that is left to whoever decides.
    Warn,
    /// The person is shown to nobody and cannot log in.
    Ban,
}

impl Verdict {
    /// The state of a review of which it was decided.
    pub const fn state(self) -> &'static str {
        match self {
            Self::Dismiss => "dismissed",
            Self::Warn => "warned",
            Self::Ban => "banned",
        }
    }

    const fn act(self) -> &'static str {
        match self {
            Self::Dismiss => "review_dismissed",
            Self::Warn => "review_warned",
            Self::Ban => "ban",
        }
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What.
    pub decision: Verdict,
    /// Why, at most 1,000 characters; not shown to the person.
    #[serde(default)]
    pub note: String,
    /// When a ban ends by itself; without it, it stays until it is lifted.
    pub until: Option<DateTime<Utc>>,
}

/// Somebody who is banned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ban {
    /// Who.
    pub user_id: UserId,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it ends by itself, if it does.
    pub until: Option<DateTime<Utc>>,
    /// The review it came from.
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    pub review_id: i64,
    /// Why.
    pub note: String,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A back end.
    Service,
    /// Somebody at the command line.
    Operator,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Operator => "operator",
        }
    }

    const fn actor(self) -> Actor {
        match self {
            Self::Service => Actor::Service,
            Self::Operator => Actor::Operator,
        }
    }
}

/// What an event raises: a report of somebody, or texts that are flagged.
pub(super) fn raised(moderator: &Moderator, event: &Event) -> Option<Raised> {
    let at = event.event_time();
    let flagged = |user_id, what: String, kind, texts: &[&str]| {
        let mut found: Vec<&str> = Vec::new();
        for text in texts {
            let judged = moderator.judge(kind, text);
            found.extend(
                judged.findings.iter().filter(|(verdict, _)| *verdict != Judged::Accept).map(|(_, finding)| finding.category.name()),
            );
        }
        found.sort_unstable();
        found.dedup();
        let about = format!("{what}: {}", found.join(", "));
        (!found.is_empty()).then(|| Raised { event_id: event.event_id(), user_id, reporter: None, at, about })
    };
    match event {
        Event::Interaction(i) if i.kind == InteractionKind::Report => {
            let about = i.text.clone().unwrap_or_default();
            Some(Raised { event_id: i.event_id, user_id: i.target_id, reporter: Some(i.actor_id), at, about })
        }
        Event::Interaction(i) if matches!(i.kind, InteractionKind::Comment | InteractionKind::Reply) => {
            flagged(i.actor_id, "a comment".to_owned(), TextKind::Comment, &[i.text.as_deref()?])
        }
        Event::Moment(m) if m.kind == MomentKind::Published => {
            let mut texts = vec![m.title.as_str(), m.text.as_str()];
            texts.extend(m.answers.iter().map(|round| round.answer.as_str()).chain(m.tags.iter().map(String::as_str)));
            flagged(m.author_id, format!("Moment {}", m.moment_id), TextKind::Moment, &texts)
        }
        Event::Profile(p) => {
            let profile = p.profile.as_ref()?;
            let mut texts = vec![profile.nickname.as_str()];
            texts.extend([&profile.bio, &profile.occupation, &profile.city].into_iter().filter_map(|text| text.as_deref()));
            texts.extend(profile.tags.iter().map(String::as_str));
            flagged(p.user_id, "the profile".to_owned(), TextKind::Bio, &texts)
        }
        _ => None,
    }
}

/// Counts what was raised, each event once.
pub(super) async fn count(db: &Db, all: &[Raised], now: DateTime<Utc>) -> Result<(), ReviewError> {
    let mut tx = db.begin().await?;
    for raised in all {
        if !store::is_known(&mut tx, raised.event_id).await? {
            store::raise(&mut tx, db, raised, now).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// A page of the queue, the oldest first: of a state, after an id.
///
/// # Errors
/// When the database fails.
pub async fn reviews(db: &Db, state: Option<&str>, after: i64, limit: u64) -> Result<Vec<Review>, ReviewError> {
    Ok(store::page(db, state, after, limit).await?)
}

/// Decides an open review; of a ban what is to be in force. It is durable when this returns; whoever calls lets it count.
///
/// # Errors
/// When there is no such review, it is decided already, or a field breaks a rule.
pub async fn decide(db: &Db, id: i64, decision: &Decision, by: By, now: DateTime<Utc>) -> Result<(Review, Option<Ban>), ReviewError> {
    let note = decision.note.trim();
    if note.chars().count() > NOTE {
        return Err(ReviewError::Field("note", format!("must have at most {NOTE} characters")));
    }
    if decision.until.is_some() && decision.decision != Verdict::Ban {
        return Err(ReviewError::Field("until", "is for bans".to_owned()));
    }
    if decision.until.is_some_and(|until| until <= now) {
        return Err(ReviewError::Field("until", "must lie ahead".to_owned()));
    }
    let mut tx = db.begin().await?;
    let review = store::locked(&mut tx, id).await?.ok_or_else(|| ReviewError::Unknown(id.to_string()))?;
    if review.state != store::OPEN {
        return Err(ReviewError::Decided(id, review.state));
    }
    store::decided(&mut tx, id, (decision.decision.state(), by.name(), note), now).await?;
    let ban = Ban { user_id: review.user_id, since: now, until: decision.until, review_id: id, note: note.to_owned() };
    let ban = (decision.decision == Verdict::Ban).then_some(ban);
    if let Some(ban) = &ban {
        store::ban(&mut tx, ban).await?;
    }
    let details = json!({"review": id.to_string(), "until": decision.until});
    audit::put(&mut tx, db, &Act { details, ..Act::done(by.actor(), review.user_id, decision.decision.act()) }, now).await?;
    let decided = store::locked(&mut tx, id).await?.ok_or_else(|| ReviewError::Unknown(id.to_string()))?;
    tx.commit().await?;
    Ok((decided, ban))
}

/// Everybody who is banned at a time, the last first.
///
/// # Errors
/// When the database fails.
pub async fn bans(db: &Db, now: DateTime<Utc>) -> Result<Vec<Ban>, ReviewError> {
    Ok(store::bans(db, now).await?)
}

/// Takes a ban back.
///
/// # Errors
/// When there is none.
pub async fn lift(db: &Db, user: UserId, by: By, now: DateTime<Utc>) -> Result<(), ReviewError> {
    let mut tx = db.begin().await?;
    if !store::lift(&mut tx, user).await? {
        return Err(ReviewError::NotBanned(user));
    }
    audit::put(&mut tx, db, &Act::done(by.actor(), user, "ban_lifted"), now).await?;
    Ok(tx.commit().await?)
}
