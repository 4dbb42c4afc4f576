//! A few people and what they do in three days; many things happen at the same time.

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{
    Event, InteractionEvent, InteractionKind, MessageEvent, MessageKind, MomentEvent, MomentKind, PresenceEvent, PresenceKind,
    ProfileEvent, ProfileKind,
};
use features::ids::{MomentId, UserId, derived_event_id};
use features::profile::{Education, Gender, Position, Profile};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

pub(super) const PEOPLE: u64 = 12;
pub(super) const TAGS: [&str; 5] = ["咖啡", "hiking", "猫", "cooking", "读书"];

pub(super) fn start() -> DateTime<Utc> {
    "2026-11-03T00:00:00Z".parse().unwrap()
}

pub(super) fn minutes(n: i64) -> DateTime<Utc> {
    start() + TimeDelta::minutes(n)
}

pub(super) fn id(parts: &[&dyn std::fmt::Display]) -> uuid::Uuid {
    let texts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    derived_event_id(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn profile(user: u64, at: DateTime<Utc>, tags: &[&str], bio: &str) -> Event {
    let gender = if user.is_multiple_of(2) { Gender::Female } else { Gender::Male };
    let birth = chrono::NaiveDate::from_ymd_opt(1990 + i32::try_from(user).unwrap() % 9, 11, 4).unwrap();
    let mut profile = Profile::new(format!("p{user}"), gender, birth, at);
    let step = f64::from(u32::try_from(user).unwrap()) / 100.0;
    profile.position = (user != 3).then_some(Position { lat: 31.2 + step, lon: 121.4 + step });
    profile.city = Some(if user < 9 { "上海" } else { "杭州" }.to_owned());
    profile.height_cm = (user != 5).then_some(160 + u16::try_from(user).unwrap());
    profile.education = user.is_multiple_of(3).then_some(Education::Master);
    profile.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    profile.bio = Some(bio.to_owned());
    let event_id = id(&[&"profile", &user, &at, &bio]);
    Event::Profile(ProfileEvent {
        event_id,
        event_time: at,
        kind: ProfileKind::Updated,
        request_id: None,
        user_id: UserId(user),
        profile: Some(profile),
    })
}

pub(super) fn interaction(n: impl std::fmt::Display, at: DateTime<Utc>, kind: InteractionKind, from: u64, to: u64) -> InteractionEvent {
    InteractionEvent::new(id(&[&"interaction", &n]), at, kind, UserId(from), UserId(to))
}

pub(super) fn message(n: impl std::fmt::Display, at: DateTime<Utc>, from: u64, to: u64) -> Event {
    Event::Message(MessageEvent {
        event_id: id(&[&"message", &n]),
        event_time: at,
        kind: MessageKind::Sent,
        request_id: None,
        conversation_id: format!("{}-{}", from.min(to), from.max(to)),
        sender_id: UserId(from),
        receiver_id: UserId(to),
        chars: 7,
    })
}

fn two(dice: &mut ChaCha8Rng) -> (u64, u64) {
    let (a, b) = (dice.random_range(1..=PEOPLE), dice.random_range(1..=PEOPLE));
    (a, if a == b { a % PEOPLE + 1 } else { b })
}

/// Something, at some time.
pub(super) fn anything(dice: &mut ChaCha8Rng, n: &str, at: DateTime<Utc>) -> Event {
    let (a, b) = two(dice);
    let many = dice.random_range(0..3);
    let tags: Vec<String> = TAGS.choose_multiple(dice, many).map(|tag| (*tag).to_owned()).collect();
    match dice.random_range(0..12) {
        0 => Event::Presence(PresenceEvent {
            event_id: id(&[&"presence", &n]),
            event_time: at,
            kind: *PresenceKind::ALL[..2].choose(dice).unwrap(),
            request_id: None,
            user_id: UserId(a),
            position: None,
        }),
        1 => message(n, at, a, b),
        2 => Event::Moment(
            MomentEvent {
                event_id: id(&[&"moment", &n]),
                event_time: at,
                kind: MomentKind::Published,
                request_id: None,
                moment_id: MomentId(id(&[&"moment", &n]).as_u64_pair().0 >> 1),
                author_id: UserId(a),
                published_at: at,
                title: String::new(),
                text: format!("{} 今天去爬山 {n}", TAGS.choose(dice).unwrap()),
                answers: Vec::new(),
                tags,
                media: Vec::new(),
                text_chars: 0,
                answer_chars: 0,
                media_count: 0,
            }
            .with_counts(),
        ),
        3 => profile(a, at, &TAGS[..usize::try_from(a % 5).unwrap()], &format!("{} and {n}", TAGS.choose(dice).unwrap())),
        4..8 => {
            let shown = interaction(n, at, InteractionKind::Impression, a, b);
            Event::Interaction(InteractionEvent {
                deck_id: Some(format!("deck {a} {at}")),
                position: Some(dice.random_range(0..20)),
                ..shown
            })
        }
        _ => {
            let kind = *InteractionKind::ALL[1..].choose(dice).unwrap();
            let position = dice.random_bool(0.5).then(|| dice.random_range(0..20));
            Event::Interaction(InteractionEvent { tags, position, ..interaction(n, at, kind, a, b) })
        }
    }
}

/// A few hundred things on a grid of half hours; two people come late.
pub(super) fn town(dice: &mut ChaCha8Rng, count: usize) -> Vec<Event> {
    let mut events: Vec<Event> = (1..=PEOPLE)
        .map(|user| {
            let at = if user > PEOPLE - 2 { minutes(60 * 24) } else { start() };
            profile(user, at, &TAGS[..usize::try_from(user % 4).unwrap()], "周末去爬山 and read")
        })
        .collect();
    for n in 0..count {
        let at = minutes(30 * dice.random_range(0..144));
        events.push(anything(dice, &n.to_string(), at));
    }
    events
}

/// The same with every position moved to the middle of its cell.
pub(super) fn snapped(events: &[Event]) -> Vec<Event> {
    let mut moved = events.to_vec();
    for event in &mut moved {
        if let Event::Profile(p) = event
            && let Some(profile) = &mut p.profile
        {
            profile.position = profile.position.and_then(index::geo::snap);
        }
    }
    moved
}
