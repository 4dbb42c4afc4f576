//! Single events of a recording, up to the edges of what the gate lets pass.

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{
    Event, InteractionEvent, InteractionKind, Media, MediaKind, MessageEvent, MessageKind, MomentEvent, MomentKind, PresenceEvent,
    PresenceKind, ProfileEvent, ProfileKind,
};
use features::ids::{EventId, MomentId, UserId, derived_event_id};
use features::profile::{Gender, Position, Profile};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Published Moments of which one may be deleted later.
const DELETABLE: usize = 2_000;

const WORDS: [&str; 6] = ["咖啡", "#Hiking", "猫", "a|b", "  Jazz ", "\u{1f3d4}\u{fe0f} 爬山爬山爬山爬山爬山爬山"];

/// Makes events among `people`.
pub(super) struct Maker {
    seed: u64,
    people: u64,
    now: DateTime<Utc>,
    deletable: Vec<MomentEvent>,
}

impl Maker {
    pub(super) fn new(seed: u64, people: u64, now: DateTime<Utc>) -> Self {
        Self { seed, people: people.max(2), now, deletable: Vec::new() }
    }

    /// Everybody's id: most are small, some are the largest there are.
    fn person(&self, at: u64) -> UserId {
        UserId(if at % 7 == 3 { u64::MAX - at } else { at + 1 })
    }

    /// Some do far more than others.
    fn somebody(&self, random: &mut ChaCha8Rng) -> u64 {
        let share: f64 = random.random_range(0.0..1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index below the number of people"
        )]
        let at = (share * share * self.people as f64) as u64;
        at.min(self.people - 1)
    }

    /// When the `n`-th of `of` events happened by the clock of who reported it: time goes on with the recording, and clocks are wrong.
    fn time(&self, random: &mut ChaCha8Rng, n: u64, of: u64) -> DateTime<Utc> {
        let span = TimeDelta::days(20).num_milliseconds();
        let gone = i128::from(n) * i128::from(span) / i128::from(of.max(1));
        let base = self.now - TimeDelta::milliseconds(span - i64::try_from(gone).unwrap_or(span));
        let micros = TimeDelta::microseconds(random.random_range(0..1_000_000));
        match random.random_range(0..100) {
            // Reported late: the phone was off.
            0..4 => base - TimeDelta::minutes(random.random_range(60..15 * 1_440)) + micros,
            // A clock that is ahead, as far as is allowed.
            4..7 => self.now.min(base + TimeDelta::minutes(random.random_range(1..1_440))) + micros,
            // A clock that was set to anything since the year 2000. Clocks fall back to few values: forty days, because the lake has a file for each day.
            7..9 => {
                let (first, days) = (946_684_800i64, (self.now.timestamp() - 946_684_800) / 86_400);
                let day = days * random.random_range(0..40i64) / 40;
                DateTime::UNIX_EPOCH + TimeDelta::seconds(first + day * 86_400 + random.random_range(0..86_400i64)) + micros
            }
            9 => self.edge(random),
            _ => base + TimeDelta::seconds(random.random_range(-600..1)) + micros,
        }
    }

    /// The edges of what is allowed, and times that are written in unusual ways.
    fn edge(&self, random: &mut ChaCha8Rng) -> DateTime<Utc> {
        let written = ["2000-01-01T00:00:00Z", "2016-12-31T23:59:60.25Z", "2024-02-29T23:59:59.999999999+08:00", "2026-01-01T00:00:00Z"];
        let read = written.choose(random).and_then(|text| text.parse().ok());
        match (random.random_bool(0.3), read) {
            (false, Some(at)) => at,
            _ => self.now + TimeDelta::hours(23) + TimeDelta::nanoseconds(random.random_range(0..1_000_000_000)),
        }
    }

    fn tags(random: &mut ChaCha8Rng, most: usize) -> Vec<String> {
        let many = match random.random_range(0..200) {
            0 => most,
            roll => roll % 4,
        };
        let tag = |random: &mut ChaCha8Rng| match random.random_range(0..10) {
            0..6 => WORDS.choose(random).map_or_else(String::new, |word| (*word).to_owned()),
            _ => format!("tag {}", random.random_range(0..300)),
        };
        (0..many).map(|_| tag(random)).collect()
    }

    /// The `n`-th of `of` events.
    pub(super) fn event(&mut self, random: &mut ChaCha8Rng, n: u64, of: u64) -> Event {
        let event_id = derived_event_id(&["recording", &self.seed.to_string(), &n.to_string()]);
        let event_time = self.time(random, n, of);
        let one = self.somebody(random);
        let step = random.random_range(1..self.people);
        let (actor, other) = (self.person(one), self.person((one + step) % self.people));
        match random.random_range(0..100) {
            0..10 => presence(random, event_id, event_time, actor),
            10..17 => {
                let (kind, chars) = (pick(random, MessageKind::ALL), random.random_range(0..5_000));
                let conversation_id = format!("{}-{}", actor.0.min(other.0), actor.0.max(other.0));
                let (sender_id, receiver_id, request_id) = (actor, other, None);
                Event::Message(MessageEvent { event_id, event_time, kind, request_id, conversation_id, sender_id, receiver_id, chars })
            }
            17..25 => Event::Moment(self.moment(random, event_id, event_time, actor)),
            25 => profile(random, event_id, event_time, actor),
            _ => interaction(random, (event_id, event_time), (actor, other), n),
        }
    }

    fn moment(&mut self, random: &mut ChaCha8Rng, event_id: EventId, event_time: DateTime<Utc>, author_id: UserId) -> MomentEvent {
        if !self.deletable.is_empty() && random.random_bool(0.3) {
            let at = random.random_range(0..self.deletable.len());
            let published = self.deletable.swap_remove(at);
            return MomentEvent { event_id, event_time: event_time.max(published.event_time), kind: MomentKind::Deleted, ..published };
        }
        let long = random.random_range(0..50) == 0;
        let text = "今天去爬山 with friends ".repeat(if long { 200 } else { random.random_range(1..5) });
        let old = random.random_range(0..40) == 0;
        let epoch = DateTime::from_timestamp(946_684_800, 0).unwrap_or(DateTime::UNIX_EPOCH);
        let media =
            (0..random.random_range(0..4)).map(|i| Media { kind: MediaKind::Photo, object: format!("o/{i}"), seconds: None }).collect();
        let moment = MomentEvent {
            event_id,
            event_time,
            kind: MomentKind::Published,
            request_id: None,
            moment_id: MomentId(random.random_range(1..=u64::MAX)),
            author_id,
            published_at: if old { epoch } else { event_time },
            title: String::new(),
            text,
            answers: vec![],
            tags: Self::tags(random, 30),
            media,
            text_chars: 0,
            answer_chars: u32::MAX, // whatever the sender says: the gate counts
            media_count: 0,
        };
        if self.deletable.len() < DELETABLE {
            self.deletable.push(moment.clone());
        }
        moment
    }
}

fn pick<T: Copy>(random: &mut ChaCha8Rng, of: &[T]) -> T {
    of[random.random_range(0..of.len())]
}

fn presence(random: &mut ChaCha8Rng, event_id: EventId, event_time: DateTime<Utc>, user_id: UserId) -> Event {
    let kind = pick(random, PresenceKind::ALL);
    let place = Position { lat: random.random_range(-90.0..=90.0), lon: random.random_range(-180.0..=180.0) };
    let position = (kind == PresenceKind::Location).then_some(place);
    Event::Presence(PresenceEvent { event_id, event_time, kind, request_id: None, user_id, position })
}

fn profile(random: &mut ChaCha8Rng, event_id: EventId, event_time: DateTime<Utc>, user_id: UserId) -> Event {
    let birth = chrono::NaiveDate::from_ymd_opt(1990, 2, 28).unwrap_or_default();
    let profile =
        Profile { tags: Maker::tags(random, 30), ..Profile::new(format!("p{user_id}"), pick(random, &Gender::ALL), birth, event_time) };
    Event::Profile(ProfileEvent { event_id, event_time, kind: ProfileKind::Updated, request_id: None, user_id, profile: Some(profile) })
}

fn interaction(random: &mut ChaCha8Rng, (id, at): (EventId, DateTime<Utc>), (actor, target): (UserId, UserId), n: u64) -> Event {
    use InteractionKind::{Comment, Impression, Like, Pass, Reply};
    let kind =
        if random.random_bool(0.7) { pick(random, &[Impression, Impression, Like, Pass]) } else { pick(random, InteractionKind::ALL) };
    let about_moment = matches!(kind, Comment | Reply);
    let shown = kind == Impression || random.random_bool(0.3);
    let position = match random.random_range(0..20) {
        0 => Some(u32::MAX),
        roll => (shown && roll > 4).then(|| random.random_range(0..30)),
    };
    Event::Interaction(InteractionEvent {
        moment_id: about_moment.then_some(MomentId(u64::MAX)),
        text: about_moment.then(|| "好看 \"\\ \u{7f}".to_owned()),
        tags: Maker::tags(random, 60),
        deck_id: shown.then(|| format!("d{}", n / 20)),
        position,
        propensity: (kind == Impression).then(|| random.random_range(0.0..=1.0)),
        ..InteractionEvent::new(id, at, kind, actor, target)
    })
}
