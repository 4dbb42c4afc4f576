//! Items to events, checked one by one.

use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, InteractionKind, PresenceEvent, PresenceKind};
use features::ids::{EventId, MomentId, UserId};
use features::profile::Position;
use features::relations::Act;
use features::text::normal_tag;
use features::validate::{FieldError, validate};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::{ApiError, Caller};
use crate::moderation::Subject;
use crate::state::App;

/// Something somebody did to somebody.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// What.
    pub(super) kind: InteractionKind,
    /// Who did it.
    pub(super) actor_id: UserId,
    /// To whom.
    pub(super) target_id: UserId,
    /// The Moment it was about.
    pub(super) moment_id: Option<MomentId>,
    /// Text of a comment, reply or report.
    pub(super) text: Option<String>,
    /// Tags of what it was about; filled in when left out.
    pub(super) tags: Option<Vec<String>>,
    /// The deck that showed the target.
    pub(super) deck_id: Option<String>,
    /// Position in that deck.
    pub(super) position: Option<u32>,
    /// Id of the event, a UUID of version 7; a repeat with the same id counts once.
    #[schema(value_type = Option<String>)]
    pub(super) event_id: Option<EventId>,
    /// When it happened; now, when left out.
    pub(super) event_time: Option<DateTime<Utc>>,
}

/// A sign of life.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    /// What.
    pub(super) kind: PresenceKind,
    /// Whose.
    pub(super) user_id: UserId,
    /// Where, for `location`.
    pub(super) position: Option<Position>,
    /// Id of the event, a UUID of version 7; a repeat with the same id counts once.
    #[schema(value_type = Option<String>)]
    pub(super) event_id: Option<EventId>,
    /// When it happened; now, when left out.
    pub(super) event_time: Option<DateTime<Utc>>,
}

/// Why an item is not accepted.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Stable, for programs: the codes of problems.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) fields: Vec<FieldError>,
}

impl From<Vec<FieldError>> for Refusal {
    fn from(fields: Vec<FieldError>) -> Self {
        Self { code: "invalid_fields", fields }
    }
}

impl Refusal {
    fn field(field: &str, message: impl Into<String>) -> Self {
        vec![FieldError { field: field.to_owned(), message: message.into() }].into()
    }
}

pub(super) type Checked = Result<Event, Refusal>;

fn unknown(field: &str, user: UserId) -> Refusal {
    Refusal { code: "unknown_user", ..Refusal::field(field, format!("there is no user {user}")) }
}

/// An interaction as an event, or what is wrong with it.
pub(super) fn interaction(app: &App, item: Item, event_id: EventId, request_id: Option<String>) -> Checked {
    let now = app.now();
    if !app.knows(item.actor_id) {
        return Err(unknown("actor_id", item.actor_id));
    }
    let Some(target) = app.profile(item.target_id) else { return Err(unknown("target_id", item.target_id)) };
    // What relates people is judged with how they stand.
    if Act::of(item.kind).is_none() && app.indexes.ledger.blocked(item.actor_id, item.target_id) {
        return Err(Refusal::field("target_id", "is not available to the actor"));
    }
    let moment_tags = item.moment_id.and_then(|m| app.indexes.text.moment(m).ok().flatten()).map(|m| m.tags);
    let tags = item.tags.or(moment_tags).unwrap_or_else(|| target.tags.clone());
    let event = Event::Interaction(InteractionEvent {
        request_id,
        moment_id: item.moment_id,
        text: item.text,
        tags: tags.iter().map(|t| normal_tag(t)).collect(),
        deck_id: item.deck_id,
        position: item.position,
        ..InteractionEvent::new(item.event_id.unwrap_or(event_id), item.event_time.unwrap_or(now), item.kind, item.actor_id, item.target_id)
    });
    validate(&event, now)?;
    Ok(event)
}

/// Takes out what others are not to read, each item for itself.
pub(super) async fn moderate(app: &App, checked: Vec<Checked>) -> Vec<Checked> {
    let subjects: Vec<Vec<Subject<'_>>> = checked.iter().map(|item| item.as_ref().map(Subject::of_event).unwrap_or_default()).collect();
    let places: Vec<usize> = subjects.iter().enumerate().flat_map(|(place, of_item)| vec![place; of_item.len()]).collect();
    let outcomes = app.moderator.check_each(&subjects.concat()).await;
    let mut judged = checked;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        if let Err(refusal) = outcome {
            judged[place] = Err(Refusal { code: refusal.code(), fields: refusal.fields("text") });
        }
    }
    judged
}

/// A sign of life as an event, or what is wrong with it.
pub(super) fn sign(app: &App, sign: Sign, event_id: EventId, request_id: Option<String>) -> Checked {
    let now = app.now();
    if !app.knows(sign.user_id) {
        return Err(unknown("user_id", sign.user_id));
    }
    let event = Event::Presence(PresenceEvent {
        event_id: sign.event_id.unwrap_or(event_id),
        event_time: sign.event_time.unwrap_or(now),
        kind: sign.kind,
        request_id,
        user_id: sign.user_id,
        position: sign.position,
    });
    validate(&event, now)?;
    Ok(event)
}

/// The event of an item that is durable, if it has brought one, or why it was not accepted.
pub(super) type Accepted = Result<Option<EventId>, Refusal>;

/// An event as an act, if it relates two people.
fn act(event: &Event) -> Option<(Act, InteractionEvent)> {
    interaction_of(event).and_then(|event| Some((Act::of(event.kind)?, event.clone())))
}

/// The interaction that an event is, if it is one.
fn interaction_of(event: &Event) -> Option<&InteractionEvent> {
    if let Event::Interaction(event) = event { Some(event) } else { None }
}

/// Makes the good ones durable, then lets them count. What relates people goes by the rules, in one transaction.
pub(super) async fn accept(app: &App, caller: Caller, checked: Vec<Checked>) -> Result<Vec<Accepted>, ApiError> {
    let now = app.now();
    let good = || checked.iter().flatten();
    let acts: Vec<_> = good().filter_map(act).collect();
    if let Some(user) = caller.user() {
        app.relations.take(user, acts.iter().map(|(act, _)| *act), now)?;
    }
    let mut done = app.relations.act_all(&acts, now).await?.into_iter();
    let others: Vec<Event> = good().filter(|event| act(event).is_none()).cloned().collect();
    app.sink.publish(&others).await?;
    app.indexes.ledger.apply_all(others.iter().filter_map(interaction_of));
    good().filter_map(interaction_of).filter(|i| i.kind != InteractionKind::Impression).for_each(|i| app.decks.heard(i.actor_id, now));
    let mut accepted = Vec::with_capacity(checked.len());
    for item in checked {
        accepted.push(match item {
            Ok(event) if act(&event).is_none() => Ok(Some(event.event_id())),
            Ok(_) => match done.next() {
                Some(Ok(done)) => Ok(done.event_id),
                Some(Err(refused)) => Err(Refusal { code: refused.code(), ..Refusal::field("target_id", refused.says()) }),
                None => return Err(ApiError::Internal("an act without an outcome".to_owned())),
            },
            Err(refusal) => Err(refusal),
        });
    }
    Ok(accepted)
}
