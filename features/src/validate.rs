//! What the gate demands of an event. Whatever passes here is trusted downstream, in every runtime.

mod profile;

use chrono::{DateTime, TimeDelta, Utc};

use crate::event::{
    DeckEvent, Event, InteractionEvent, InteractionKind, MessageEvent, MomentEvent, MomentKind, PageEvent, PresenceEvent, PresenceKind,
    ProfileEvent, ProfileKind,
};
use crate::ids::check_event_id;
use crate::profile::Position;

pub use self::profile::{validate_profile, validate_profile_in};

/// One field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `profile.position.lat`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Clocks of devices may be ahead by this much.
pub const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::hours(24);

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

#[derive(Default)]
struct Check {
    found: Vec<FieldError>,
    language: Language,
}

impl Check {
    fn that(&mut self, ok: bool, field: &str, message: impl Into<String>) {
        if !ok {
            self.found.push(FieldError { field: field.to_owned(), message: message.into() });
        }
    }

    /// What is wrong, in English and Chinese.
    fn said(&mut self, ok: bool, field: &str, messages: impl FnOnce() -> (String, String)) {
        if !ok {
            let (en, zh) = messages();
            self.that(false, field, if self.language == Language::Chinese { zh } else { en });
        }
    }

    fn chars(&mut self, field: &str, text: &str, min: usize, max: usize) {
        let n = text.chars().count();
        self.said((min..=max).contains(&n), field, || {
            (format!("has {n} characters; {min} to {max} are allowed"), format!("有 {n} 个字；须为 {min} 至 {max} 个"))
        });
        self.said(!text.contains('\0'), field, || ("contains a NUL character; remove it".to_owned(), "含有 NUL 字符；请删除".to_owned()));
    }

    fn list(&mut self, field: &str, items: &[String], max_items: usize, max_chars: usize) {
        let n = items.len();
        self.said(n <= max_items, field, || {
            (format!("has {n} entries; at most {max_items} are allowed"), format!("有 {n} 项；最多 {max_items} 项"))
        });
        for item in items.iter().take(max_items) {
            self.chars(field, item, 1, max_chars);
        }
    }

    fn position(&mut self, field: &str, at: Position) {
        self.said((-90.0..=90.0).contains(&at.lat), &format!("{field}.lat"), || {
            (format!("{} is not a latitude; −90 to 90", at.lat), format!("{} 不是纬度；须为 −90 至 90", at.lat))
        });
        self.said((-180.0..=180.0).contains(&at.lon), &format!("{field}.lon"), || {
            (format!("{} is not a longitude; −180 to 180", at.lon), format!("{} 不是经度；须为 −180 至 180", at.lon))
        });
    }

    fn end(self) -> Result<(), Vec<FieldError>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}

/// Checks an event against the rules of its kind.
///
/// # Errors
/// Every field that breaks a rule, with the remedy.
pub fn validate(event: &Event, now: DateTime<Utc>) -> Result<(), Vec<FieldError>> {
    let mut check = Check::default();
    if let Err(message) = check_event_id(&event.event_id()) {
        check.that(false, "event_id", message);
    }
    let time = event.event_time();
    check.that(time <= now + MAX_CLOCK_SKEW, "event_time", format!("{time} lies more than 24 h in the future; check the sender's clock"));
    check.that(
        time.timestamp() >= 946_684_800,
        "event_time",
        format!("{time} lies before the year 2000; check the unit of the sender's clock"),
    );
    match event {
        Event::Profile(e) => profile_event(&mut check, e, now),
        Event::Moment(e) => moment(&mut check, e),
        Event::Interaction(e) => interaction(&mut check, e),
        Event::Presence(e) => presence(&mut check, e),
        Event::Message(e) => message(&mut check, e),
        Event::Deck(e) => deck(&mut check, e),
        Event::Page(e) => page(&mut check, e),
    }
    check.end()
}

fn profile_event(check: &mut Check, e: &ProfileEvent, now: DateTime<Utc>) {
    match (e.kind, &e.profile) {
        (ProfileKind::Updated, None) => check.that(false, "profile", "is missing; profile_updated carries the whole profile"),
        (ProfileKind::Erased, Some(_)) => check.that(false, "profile", "must be absent from profile_erased"),
        (_, Some(profile)) => check.found.extend(validate_profile(profile, now, "profile.").err().unwrap_or_default()),
        (_, None) => {}
    }
}

fn moment(check: &mut Check, e: &MomentEvent) {
    check.chars("title", &e.title, 0, 100);
    check.chars("text", &e.text, 0, 5000);
    check.that(e.answers.len() <= 10, "answers", format!("has {} rounds; at most 10 are allowed", e.answers.len()));
    for qa in e.answers.iter().take(10) {
        check.chars("answers.question", &qa.question, 0, 500);
        check.chars("answers.answer", &qa.answer, 0, 2000);
    }
    check.list("tags", &e.tags, 30, 30);
    check.that(e.media.len() <= 20, "media", format!("has {} entries; at most 20 are allowed", e.media.len()));
    for media in e.media.iter().take(20) {
        check.chars("media.object", &media.object, 1, 300);
        check.that(media.seconds.is_none_or(|s| (0.0..=600.0).contains(&s)), "media.seconds", "must be 0 to 600");
    }
    let empty = e.full_text().is_empty() && e.media.is_empty();
    check.that(e.kind == MomentKind::Deleted || !empty, "text", "is empty and there is no media; a Moment needs one of them");
    check.that(e.published_at <= e.event_time + MAX_CLOCK_SKEW, "published_at", "lies after event_time");
    check.that(e.published_at.timestamp() >= 946_684_800, "published_at", "lies before the year 2000");
}

fn interaction(check: &mut Check, e: &InteractionEvent) {
    check.that(e.actor_id != e.target_id, "target_id", "is the actor; people do not interact with themselves");
    check.chars("text", e.text.as_deref().unwrap_or(""), 0, 2000);
    let needs_moment = matches!(e.kind, InteractionKind::Comment | InteractionKind::Reply);
    check.that(!needs_moment || e.moment_id.is_some(), "moment_id", format!("is missing; {} is always about a Moment", e.kind.name()));
    check.that(
        !needs_moment || e.text.as_deref().is_some_and(|t| !t.trim().is_empty()),
        "text",
        format!("is missing; {} carries what was written", e.kind.name()),
    );
    check.list("tags", &e.tags, 60, 30);
    check.chars("deck_id", e.deck_id.as_deref().unwrap_or(""), 0, 64);
    check.that(
        e.kind != InteractionKind::Impression || e.deck_id.is_some(),
        "deck_id",
        "is missing; an impression names the deck that showed it",
    );
    check.list("experiments", &e.experiments, 20, 130);
    check.that(e.propensity.is_none_or(|p| (0.0..=1.0).contains(&p)), "propensity", "must be 0 to 1");
}

fn presence(check: &mut Check, e: &PresenceEvent) {
    check.that(e.kind != PresenceKind::Location || e.position.is_some(), "position", "is missing; a location event carries one");
    if let Some(at) = e.position {
        check.position("position", at);
    }
}

fn message(check: &mut Check, e: &MessageEvent) {
    check.chars("conversation_id", &e.conversation_id, 1, 64);
    check.that(e.sender_id != e.receiver_id, "receiver_id", "is the sender");
}

/// Bytes that the record of a deck may take: some thousand candidates.
const MOST_OF_RECORD: usize = 500_000;

fn deck(check: &mut Check, e: &DeckEvent) {
    check.chars("deck_id", &e.deck_id, 1, 64);
    check.chars("config_version", &e.config_version, 1, 64);
    check.chars("region", e.region.as_deref().unwrap_or(""), 0, 60);
    check.chars("strategy", &e.strategy, 1, 64);
    check.list("experiments", &e.experiments, 20, 130);
    check.list("degraded", &e.degraded, 50, 2000);
    check.that(e.made_at <= e.event_time + MAX_CLOCK_SKEW, "made_at", "lies after event_time");
    check.that(e.made_at.timestamp() >= 946_684_800, "made_at", "lies before the year 2000");
    check.that(e.size <= e.scored, "size", "is above scored; nobody is in a deck without a score");
    check.chars("program", &e.program, 1, 64);
    let length = e.record.len();
    check.that(length <= MOST_OF_RECORD, "record", format!("takes {length} bytes; at most {MOST_OF_RECORD} are allowed"));
}

fn page(check: &mut Check, e: &PageEvent) {
    check.chars("deck_id", &e.deck_id, 1, 64);
    check.that(["zh", "en"].contains(&e.language.as_str()), "language", "must be zh or en");
    check.that(e.first <= e.next, "next", "lies before first");
    check.that(e.items.len() <= 1_000, "items", format!("has {} people; at most 1000 are allowed", e.items.len()));
    check.that(e.items.is_sorted_by(|a, b| a.position < b.position), "items", "are not in the order of their positions");
    for item in e.items.iter().take(1_000) {
        check.that((e.first..e.next).contains(&item.position), "items.position", "must be one of those from first to before next");
        check.that(item.score.is_finite() && item.score >= 0.0, "items.score", "must be a number of at least 0");
        check.that((0.0..=1.0).contains(&item.worth), "items.worth", "must be 0 to 1");
        check.that((0.0..=1.0).contains(&item.propensity), "items.propensity", "must be 0 to 1");
        check.list("items.sources", &item.sources, 32, 64);
        check.list("items.reasons", &item.reasons, 50, 64);
    }
    check.that(e.removed.len() <= 10_000, "removed", format!("has {} people; at most 10000 are allowed", e.removed.len()));
    let hexadecimal = e.body_sha256.len() == 64 && e.body_sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    check.that(hexadecimal, "body_sha256", "must be 64 hexadecimal digits");
}
