//! Events for the tests of this crate, from a seed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{
    Event, InteractionEvent, InteractionKind, MessageEvent, MessageKind, MomentEvent, MomentKind, PresenceEvent, PresenceKind,
};
use features::ids::{MomentId, UserId, derived_event_id};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::bus::Record;

/// `count` valid events among 40 people over ten days, in no particular order of time.
pub(crate) fn events(seed: u64, count: usize) -> Vec<Event> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|n| event(&mut random, seed, n)).collect()
}

fn event(random: &mut ChaCha8Rng, seed: u64, n: usize) -> Event {
    let event_id = derived_event_id(&["sample", &seed.to_string(), &n.to_string()]);
    let event_time: DateTime<Utc> =
        DateTime::from_timestamp(1_793_000_000, 123_000).unwrap() + TimeDelta::milliseconds(random.random_range(0..864_000_000));
    let (a, b) = (random.random_range(1..=40u64), random.random_range(1..=40u64));
    let (one, other) = (UserId(a), UserId(if a == b { a % 40 + 1 } else { b }));
    let many = random.random_range(0..3);
    let tags: Vec<String> = ["咖啡", "hiking", "猫", "a|b"].choose_multiple(random, many).map(|t| (*t).to_owned()).collect();
    match random.random_range(0..10) {
        0 => Event::Presence(PresenceEvent {
            event_id,
            event_time,
            kind: *PresenceKind::ALL[..2].choose(random).unwrap(),
            request_id: None,
            user_id: one,
            position: None,
        }),
        1 => Event::Message(MessageEvent {
            event_id,
            event_time,
            kind: *MessageKind::ALL.choose(random).unwrap(),
            request_id: None,
            conversation_id: format!("{a}-{b}"),
            sender_id: one,
            receiver_id: other,
            chars: 5,
        }),
        2 => {
            let text = "今天去爬山 with friends".repeat(random.random_range(1..4));
            let (kind, published_at) = (*MomentKind::ALL.choose(random).unwrap(), event_time - TimeDelta::hours(3));
            let moment = MomentEvent {
                event_id,
                event_time,
                kind,
                request_id: None,
                moment_id: MomentId(n as u64 + 1),
                author_id: one,
                published_at,
                title: String::new(),
                text,
                answers: vec![],
                tags,
                media: vec![],
                text_chars: 0,
                answer_chars: 0,
                media_count: 0,
            };
            Event::Moment(moment.with_counts())
        }
        _ => {
            let kind = *InteractionKind::ALL.choose(random).unwrap();
            let moment_id = matches!(kind, InteractionKind::Comment | InteractionKind::Reply).then_some(MomentId(3));
            let text = moment_id.map(|_| "好看".to_owned());
            let deck_id = (kind == InteractionKind::Impression).then(|| format!("d{}", n % 7));
            Event::Interaction(InteractionEvent {
                moment_id,
                text,
                tags,
                deck_id,
                ..InteractionEvent::new(event_id, event_time, kind, one, other)
            })
        }
    }
}

/// The events as records of their topics, in two partitions.
pub(crate) fn records(events: &[Event]) -> Vec<Record> {
    let mut next = std::collections::HashMap::new();
    let mut record = |event: &Event| {
        let topic: Arc<str> = Arc::from(event.topic().name());
        let partition = i32::from(event.actor().0.is_multiple_of(2));
        let offset = next.entry((Arc::clone(&topic), partition)).or_insert(0i64);
        *offset += 1;
        Record { topic, partition, offset: *offset - 1, timestamp_ms: 0, key: None, value: Some(event.encode()), headers: Vec::new() }
    };
    events.iter().map(&mut record).collect()
}
