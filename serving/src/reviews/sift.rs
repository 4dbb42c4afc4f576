//! What of filed events raises a review, and what waits because the moderation could not look at all of it.

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionKind};
use features::ids::UserId;

use super::error::ReviewError;
use super::service::count_in;
use super::store::pending::{self, Kept, Pending};
use super::store::{Raised, Source};
use crate::db::{Db, retrying};
use crate::moderation::{Down, Judgement, Moderator, Subject, SubjectKind};

/// So many that wait are tried in a round.
const AT_ONCE: u64 = 20;
/// The first pause of what the service did not answer as agreed; each next one is twice as long.
const FIRST_PAUSE_S: i64 = 5;
/// The longest.
const LONGEST_PAUSE_S: i64 = 600;
/// What could not be judged for so long is for a person to look at.
const GIVE_UP: TimeDelta = TimeDelta::days(3);

/// What some events bring to the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sifted {
    pub(super) raised: Vec<Raised>,
    pub(super) pending: Vec<Pending>,
}

/// A report of somebody.
fn reported(event: &Event) -> Option<Raised> {
    let Event::Interaction(i) = event else { return None };
    (i.kind == InteractionKind::Report).then(|| Raised {
        event_id: i.event_id,
        user_id: i.target_id,
        reporter: Some(i.actor_id),
        source: Source::Report,
        at: i.event_time,
        about: i.text.clone().unwrap_or_default(),
        whole: false,
    })
}

/// Who made what an event brings, and what it is called in the queue.
fn made(event: &Event) -> Option<(UserId, String)> {
    match event {
        Event::Interaction(i) => Some((i.actor_id, "a comment".to_owned())),
        Event::Moment(m) => Some((m.author_id, format!("Moment {}", m.moment_id))),
        Event::Profile(p) => Some((p.user_id, "the profile".to_owned())),
        _ => None,
    }
}

/// Categories, each once.
fn categories<'a>(judged: impl Iterator<Item = &'a Judgement>) -> String {
    let mut found: Vec<&str> = judged.flat_map(|judged| &judged.findings).map(|(_, finding)| finding.category.name()).collect();
    found.sort_unstable();
    found.dedup();
    found.join(", ")
}

/// What the queue says of what was found: categories, and names of photos, never the words.
fn about(what: &str, subjects: &[Subject<'_>], judged: &[Judgement]) -> Option<(Source, String)> {
    let both = || subjects.iter().zip(judged);
    let texts = categories(both().filter(|(subject, _)| subject.kind.is_text()).map(|(_, judged)| judged));
    let mut parts = Vec::new();
    if !texts.is_empty() {
        parts.push(format!("{what}: {texts}"));
    }
    for (subject, judged) in both().filter(|(subject, judged)| subject.kind == SubjectKind::Image && !judged.findings.is_empty()) {
        parts.push(format!("image {} of {what}: {}", subject.content, categories([judged].into_iter())));
    }
    let source = if texts.is_empty() { Source::Image } else { Source::Text };
    (!parts.is_empty()).then(|| (source, parts.join("; ")))
}

/// Judges what events bring.
pub(super) async fn sift(moderator: &Moderator, events: &[Event], now: DateTime<Utc>) -> Sifted {
    let mut sifted = Sifted { raised: events.iter().filter_map(reported).collect(), pending: Vec::new() };
    let brought: Vec<_> =
        events.iter().map(|event| (event, Subject::of_event(event))).filter(|(_, of_event)| !of_event.is_empty()).collect();
    let all: Vec<Subject<'_>> = brought.iter().flat_map(|(_, of_event)| of_event.clone()).collect();
    let mut judged = moderator.judge(&all).await.into_iter();
    for (event, subjects) in brought {
        let judged: Vec<Judgement> = judged.by_ref().take(subjects.len()).collect();
        let Some((user_id, what)) = made(event) else { continue };
        let (event_id, at) = (event.event_id(), event.event_time());
        let whole = judged.iter().all(|judged| judged.missed.is_none());
        if let Some((source, about)) = about(&what, &subjects, &judged) {
            sifted.raised.push(Raised { event_id, user_id, reporter: None, source, at, about, whole });
        }
        if !whole {
            let subjects = subjects.iter().map(Kept::from).collect();
            sifted.pending.push(Pending { event_id, user_id, at, since: now, tries: 0, what, subjects });
        }
    }
    sifted
}

/// How long something waits that was put off so often.
fn pause(tries: i64) -> TimeDelta {
    let doubled = FIRST_PAUSE_S << tries.clamp(0, 20);
    TimeDelta::seconds(doubled.min(LONGEST_PAUSE_S))
}

/// Judges some of what waits; whether there may be more that can be judged now.
pub(super) async fn again(db: &Db, moderator: &Moderator, now: DateTime<Utc>) -> Result<bool, ReviewError> {
    let due = pending::due(db, now, AT_ONCE).await?;
    let more = due.len() as u64 == AT_ONCE;
    for one in due {
        let subjects: Vec<Subject<'_>> = one.subjects.iter().map(Kept::subject).collect();
        let judged = moderator.judge(&subjects).await;
        let missed = judged.iter().find_map(|judged| judged.missed);
        if let Some(down) = missed
            && now - one.since < GIVE_UP
        {
            if down != Down::Resting {
                pending::put_off(db, one.event_id, one.tries.saturating_add(1), now + pause(one.tries)).await?;
            }
            if down.is_away() {
                return Ok(false);
            }
            continue;
        }
        let found = about(&one.what, &subjects, &judged);
        let left = missed.map(|down| format!("{}: not judged, the service does not answer ({down})", one.what));
        let outcome = if left.is_some() { "given_up" } else { "judged" };
        let source = found.as_ref().map_or(Source::Text, |(source, _)| *source);
        let said: Vec<String> = found.into_iter().map(|(_, about)| about).chain(left).collect();
        let (event_id, user_id, at) = (one.event_id, one.user_id, one.at);
        let raised = Raised { event_id, user_id, reporter: None, source, at, about: said.join("; "), whole: true };
        let raised = (!said.is_empty()).then_some(raised);
        retrying(|| settle(db, &one, raised.as_ref(), now)).await?;
        metrics::counter!("hongniang_reviews_pending_total", "outcome" => outcome).increment(1);
    }
    Ok(more)
}

/// It waits no longer, and is in the queue if something was found.
async fn settle(db: &Db, one: &Pending, raised: Option<&Raised>, now: DateTime<Utc>) -> Result<(), ReviewError> {
    let mut tx = db.begin().await?;
    if !pending::settle(&mut tx, one.event_id).await? {
        return Ok(());
    }
    if let Some(raised) = raised {
        count_in(&mut tx, db, raised, now).await?;
    }
    Ok(tx.commit().await?)
}
