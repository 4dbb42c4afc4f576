//! Events as the world sends them to `inbox`.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use features::event::Event;
use features::topic::Topic;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::filed::Filed;
use super::make::Maker;
use crate::bus::OutRecord;

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingPlan {
    /// For the chance in everything.
    pub seed: u64,
    /// How many valid events there are, each with an id of its own.
    pub events: u64,
    /// Among how many people.
    pub people: u64,
    /// The last twenty days before this are recorded; at most an hour in the past.
    pub now: DateTime<Utc>,
}

/// How many records back a repeat may lie.
const REPEATED: usize = 100_000;

/// A recording that is made while it is read: memory holds the records that may be repeated and those that are late, however long it is.
///
/// Of a hundred valid events about eight are reported again, at once or up to some hundred thousand records later; fifteen come a little out of order,
/// one very late; beside them come two records that are no events.
pub struct Recording {
    plan: RecordingPlan,
    random: ChaCha8Rng,
    maker: Maker,
    made: u64,
    sent: u64,
    late: BTreeMap<(u64, u64), OutRecord>,
    known: VecDeque<OutRecord>,
    expected: Filed,
}

impl Recording {
    /// A recording from its beginning.
    pub fn new(plan: RecordingPlan) -> Self {
        let maker = Maker::new(plan.seed, plan.people, plan.now);
        let random = ChaCha8Rng::seed_from_u64(plan.seed);
        Self { plan, random, maker, made: 0, sent: 0, late: BTreeMap::new(), known: VecDeque::new(), expected: Filed::default() }
    }

    /// The next records, about `most` of them; none at the end.
    pub fn chunk(&mut self, most: usize) -> Vec<OutRecord> {
        let mut out = Vec::with_capacity(most + 8);
        while out.len() < most && self.made < self.plan.events {
            self.one(&mut out);
            self.made += 1;
            while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= self.made) {
                out.push(entry.remove());
            }
        }
        if self.made == self.plan.events {
            out.extend(std::mem::take(&mut self.late).into_values());
        }
        self.sent += out.len() as u64;
        out
    }

    /// What must be filed and refused of the records that were given out.
    pub fn expected(&self) -> &Filed {
        &self.expected
    }

    /// How many records were given out: events, repeats and garbage.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn one(&mut self, out: &mut Vec<OutRecord>) {
        let event = self.maker.event(&mut self.random, self.made, self.plan.events);
        self.expected.add(event.topic(), event.event_id());
        let record = reported(&event);
        let random = &mut self.random;
        if random.random_range(0..4) == 0 {
            if self.known.len() == REPEATED {
                self.known.pop_front();
            }
            self.known.push_back(record.clone());
        }
        let wait = match random.random_range(0..100) {
            0..15 => random.random_range(1..2_000),
            15 => random.random_range(2_000..60_000),
            _ => 0,
        };
        match random.random_range(0..100) {
            // Twice at once, as when an answer was lost.
            0..3 => out.push(record.clone()),
            3..8 if !self.known.is_empty() => out.push(self.known[random.random_range(0..self.known.len())].clone()),
            8..10 => {
                self.expected.refused += 1;
                out.push(garbage(random));
            }
            _ => {}
        }
        if wait == 0 {
            out.push(record);
        } else {
            self.late.insert((self.made + wait, self.made), record);
        }
    }
}

/// The inbox record of an event.
fn reported(event: &Event) -> OutRecord {
    OutRecord::new(Topic::Inbox.name(), event.actor().to_string(), Some(event.encode()))
}

/// A record that is no event, of one of many kinds.
fn garbage(random: &mut ChaCha8Rng) -> OutRecord {
    const ID: &str = "01903a5e-7b7c-7000-8000-000000000001";
    let like = |rest: &str| format!(r#"{{"kind":"like","event_id":"{ID}","event_time":"2026-11-01T00:00:00Z",{rest}}}"#).into_bytes();
    let value = match random.random_range(0..14) {
        0 => Some(b"\xff\xfe not json".to_vec()),
        1 => Some(br#"{"kind":"like","event_id":"#.to_vec()),
        2 => Some(format!(r#"{{"kind":"wink","event_id":"{ID}"}}"#).into_bytes()),
        3 => Some(like(r#""actor_id":"1","target_id":"1""#)),
        4 => Some(like(r#""actor_id":1,"target_id":"2""#)),
        5 => Some(like(r#""actor_id":"18446744073709551616","target_id":"2""#)),
        6 => Some(like(r#""actor_id":"1","target_id":"2","tags":["a\u0000b"]"#)),
        7 => Some(like(r#""actor_id":"1","target_id":"2","position":-1"#)),
        8 => Some(like(r#""actor_id":"1","target_id":"2","propensity":1e999"#)),
        9 => Some([&b"[".repeat(5_000)[..], b"]"].concat()),
        10 => Some(Vec::new()),
        11 => None,
        12 => Some(format!(r#"{{"kind":"app_open","event_id":"{ID}","event_time":"1999-12-31T23:59:59Z","user_id":"1"}}"#).into_bytes()),
        _ => Some(format!(r#"{{"kind":"app_open","event_id":"{ID}","event_time":"+262000-01-01T00:00:00Z","user_id":"1"}}"#).into_bytes()),
    };
    OutRecord::new(Topic::Inbox.name(), random.random_range(0..100u32).to_string(), value)
}
