//! The rules of reviews and bans.

use chrono::{DateTime, Utc};
use features::ids::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::error::ReviewError;
use super::sift::Sifted;
use super::store::{self, Raised, pending};
use crate::audit::{self, Act, Actor};
use crate::db::{Db, Tx};

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
    /// `report`: others reported them; `text`: the moderation flagged what they wrote, and photos with it; `image`: it flagged photos alone.
    pub source: String,
    /// `open`, `dismissed`, `warned` or `banned`.
    pub state: String,
    /// How many reports, texts or photos.
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
    /// What was said, or which text or photo was flagged for what; the last twenty.
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

/// Counts what was raised and keeps what waits, each event once.
pub(super) async fn count(db: &Db, sifted: &Sifted, now: DateTime<Utc>) -> Result<(), ReviewError> {
    let mut tx = db.begin().await?;
    for raised in &sifted.raised {
        count_in(&mut tx, db, raised, now).await?;
    }
    for pending in &sifted.pending {
        pending::keep(&mut tx, pending).await?;
        metrics::counter!("hongniang_reviews_pending_total", "outcome" => "waits").increment(1);
    }
    Ok(tx.commit().await?)
}

/// Counts an event. What is known of one that is judged in full by now replaces what was said of it, or opens another entry where that is decided.
pub(super) async fn count_in(tx: &mut Tx, db: &Db, raised: &Raised, now: DateTime<Utc>) -> Result<(), ReviewError> {
    let Some((id, about)) = store::known(tx, raised.event_id).await? else {
        return Ok(store::raise(tx, db, raised, now).await?);
    };
    if !raised.whole || about == raised.about {
        return Ok(());
    }
    if store::locked(tx, id).await?.is_some_and(|review| review.state == store::OPEN) {
        return Ok(store::say(tx, raised).await?);
    }
    store::unraise(tx, raised.event_id).await?;
    Ok(store::raise(tx, db, raised, now).await?)
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
