//! Days in the town: people open the app, see people, like and pass, answer, write, publish.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{
    Event, InteractionEvent, InteractionKind, Media, MediaKind, MessageEvent, MessageKind, MomentEvent, MomentKind, PresenceEvent,
    PresenceKind, QuestionAnswer,
};
use features::ids::{EventId, MomentId, UserId, derived_event_id};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Town;
use super::chance::{around, dice, normal, pick};
use super::people::{Resident, theme, truth};
use super::words::{THEMES, question, text};

/// People of a page.
const PAGE: u32 = 8;
/// People who pass by in a session at most; few of them are noticed.
const LOOKS: usize = 250;

struct Life<'a> {
    town: &'a Town,
    /// [`super::TownSpec::key`] of the town.
    key: String,
    events: Vec<Event>,
    seen: Vec<HashSet<usize>>,
    liked: HashSet<(usize, usize)>,
    moments: HashMap<usize, Vec<(MomentId, Vec<String>)>>,
    pools: HashMap<String, Vec<usize>>,
}

/// Everything that happens after people have joined, in order of time.
pub(super) fn live(town: &Town) -> Vec<Event> {
    let mut pools: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, r) in town.residents.iter().enumerate().filter(|(_, r)| r.profile.visible()) {
        pools.entry(r.profile.city.clone().unwrap_or_default()).or_default().push(i);
    }
    let seen = vec![HashSet::new(); town.residents.len()];
    let mut life = Life { town, key: town.spec.key(), events: Vec::new(), seen, liked: HashSet::new(), moments: HashMap::new(), pools };
    for (at, who) in sessions(town) {
        life.session(at, who);
    }
    let mut events = life.events;
    events.retain(|e| e.event_time() <= town.spec.until);
    events.sort_by_key(|e| (e.event_time(), e.event_id()));
    events
}

/// When who opens the app: more in their evening, never asleep, not before they joined.
fn sessions(town: &Town) -> Vec<(DateTime<Utc>, usize)> {
    let mut sessions = Vec::new();
    for (i, r) in town.residents.iter().enumerate() {
        let dice = &mut dice(town.spec.seed, "sessions", i as u64);
        for day in 0..town.spec.days {
            for _ in 0..around(dice, r.activity) {
                let awake = if dice.random_bool(0.6) { normal(dice, 13.0, 2.0) } else { dice.random_range(0.5..16.0) };
                #[expect(clippy::cast_possible_truncation, reason = "seconds of a day")]
                let second = ((r.wakes + awake).rem_euclid(24.0) * 3600.0) as i64;
                let at = town.begin() + TimeDelta::days(day.into()) + TimeDelta::seconds(second);
                if at >= r.profile.created_at && at < town.spec.until {
                    sessions.push((at, i));
                }
            }
        }
    }
    sessions.sort_unstable();
    sessions
}

impl Life<'_> {
    fn id(&self) -> EventId {
        derived_event_id(&["town", &self.key, &self.events.len().to_string()])
    }

    fn resident(&self, i: usize) -> &Resident {
        &self.town.residents[i]
    }

    fn session(&mut self, at: DateTime<Utc>, who: usize) {
        let number = self.events.len() as u64;
        let mut chance = dice(self.town.spec.seed, "session", number);
        let user_id = self.resident(who).user_id;
        let beat =
            |kind, at, id| Event::Presence(PresenceEvent { event_id: id, event_time: at, kind, request_id: None, user_id, position: None });
        self.events.push(beat(PresenceKind::AppOpen, at, self.id()));
        self.events.push(beat(PresenceKind::Heartbeat, at + TimeDelta::seconds(60), self.id()));
        if chance.random_bool(0.25) {
            self.publish(&mut chance, at + TimeDelta::seconds(20), who);
        }
        self.page(&mut chance, at + TimeDelta::seconds(30), who, number);
    }

    /// People whom neither side rules out, the attractive ones more often: of the city, and sometimes of elsewhere, where neither minds.
    fn candidates(&mut self, chance: &mut ChaCha8Rng, who: usize, at: DateTime<Utc>) -> Vec<usize> {
        let me = self.resident(who).clone();
        let pool = self.pools.get(me.profile.city.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        let wants = |a: &Resident, b: &Resident| {
            let p = &a.profile.preferences;
            (p.genders.is_empty() || p.genders.contains(&b.profile.gender)) && (p.min_age..=p.max_age).contains(&b.profile.age(at))
        };
        let mut found = Vec::new();
        let anywhere = |r: &Resident| r.profile.preferences.max_distance_km.is_none();
        for _ in 0..pool.len().min(LOOKS) {
            let far = anywhere(&me) && chance.random_bool(0.6);
            let other = if far { chance.random_range(0..self.town.residents.len()) } else { *pick(chance, &pool) };
            let them = self.resident(other);
            let here = them.profile.visible() && at >= them.profile.created_at;
            let fits = other != who && here && (!far || anywhere(them)) && wants(&me, them) && wants(them, &me);
            let noticed = chance.random_bool((0.025 + 0.28 * them.attraction.max(0.0)).min(1.0));
            if fits && noticed && !self.seen[who].contains(&other) {
                self.seen[who].insert(other);
                found.push(other);
                if found.len() == PAGE as usize {
                    break;
                }
            }
        }
        found
    }

    fn page(&mut self, chance: &mut ChaCha8Rng, at: DateTime<Utc>, who: usize, number: u64) {
        let deck = derived_event_id(&["town deck", &self.key, &number.to_string()]).to_string();
        for (position, other) in (0..PAGE).zip(self.candidates(chance, who, at)) {
            let when = at + TimeDelta::seconds(i64::from(position) * 9);
            self.say(when, who, other, InteractionKind::Impression, Some((&deck, position)), None);
            let likes = truth(self.resident(who), self.resident(other));
            if chance.random_bool(likes) {
                self.like(chance, when + TimeDelta::seconds(5), who, other, (&deck, position));
            } else if chance.random_bool(0.6) {
                self.say(when + TimeDelta::seconds(4), who, other, InteractionKind::Pass, Some((&deck, position)), None);
            }
            if chance.random_bool(0.001) {
                self.say(when + TimeDelta::seconds(6), who, other, InteractionKind::Block, None, None);
            }
        }
    }

    fn like(&mut self, chance: &mut ChaCha8Rng, at: DateTime<Utc>, who: usize, other: usize, shown: (&str, u32)) {
        let about = self.moments.get(&other).and_then(|m| m.last()).filter(|_| chance.random_bool(0.5)).map(|m| m.0);
        self.say(at, who, other, InteractionKind::Like, Some(shown), about);
        self.liked.insert((who, other));
        if let Some(moment) = about.filter(|_| chance.random_bool(0.25)) {
            self.comment(chance, at + TimeDelta::seconds(15), who, other, moment);
        }
        if self.liked.contains(&(other, who)) {
            let conversation_id = format!("c-{}-{}", who.min(other) + 1, who.max(other) + 1);
            for i in 0..chance.random_range(1..7i64) {
                let (from, to) = if i % 2 == 0 { (who, other) } else { (other, who) };
                let (sender_id, receiver_id) = (self.resident(from).user_id, self.resident(to).user_id);
                let event_time = at + TimeDelta::minutes(3 + i * 4);
                let chars = chance.random_range(2..60);
                let message = MessageEvent {
                    event_id: self.id(),
                    event_time,
                    kind: MessageKind::Sent,
                    request_id: None,
                    conversation_id: conversation_id.clone(),
                    sender_id,
                    receiver_id,
                    chars,
                };
                self.events.push(Event::Message(message));
            }
        }
    }

    fn comment(&mut self, chance: &mut ChaCha8Rng, at: DateTime<Utc>, who: usize, other: usize, moment: MomentId) {
        let me = self.resident(who);
        let (chinese, about) = (me.chinese, theme(chance, &me.interests));
        let words = text(chance, about, chinese, 1);
        self.written(at, who, other, InteractionKind::Comment, moment, words);
        if chance.random_bool(0.4) {
            let them = self.resident(other);
            let (chinese, about) = (them.chinese, theme(chance, &them.interests));
            let words = text(chance, about, chinese, 1);
            self.written(at + TimeDelta::minutes(7), other, who, InteractionKind::Reply, moment, words);
        }
    }

    fn written(&mut self, at: DateTime<Utc>, who: usize, other: usize, kind: InteractionKind, moment: MomentId, words: String) {
        let event = self.interaction(at, who, other, kind);
        self.events.push(Event::Interaction(InteractionEvent { moment_id: Some(moment), text: Some(words), ..event }));
    }

    fn say(
        &mut self,
        at: DateTime<Utc>,
        who: usize,
        other: usize,
        kind: InteractionKind,
        shown: Option<(&str, u32)>,
        moment_id: Option<MomentId>,
    ) {
        let event = self.interaction(at, who, other, kind);
        let (deck_id, position) = (shown.map(|s| s.0.to_owned()), shown.map(|s| s.1));
        self.events.push(Event::Interaction(InteractionEvent { deck_id, position, moment_id, ..event }));
    }

    fn interaction(&self, event_time: DateTime<Utc>, who: usize, other: usize, kind: InteractionKind) -> InteractionEvent {
        let tags = if kind == InteractionKind::Impression { Vec::new() } else { self.resident(other).profile.tags.clone() };
        let (actor_id, target_id): (UserId, UserId) = (self.resident(who).user_id, self.resident(other).user_id);
        InteractionEvent { tags, ..InteractionEvent::new(self.id(), event_time, kind, actor_id, target_id) }
    }

    fn publish(&mut self, chance: &mut ChaCha8Rng, at: DateTime<Utc>, who: usize) {
        let me = self.resident(who).clone();
        let about = theme(chance, &me.interests);
        let (sentences, answers) = (chance.random_range(1..4), chance.random_range(0..3));
        let answers = (0..answers)
            .map(|_| QuestionAnswer { question: question(chance, me.chinese).to_owned(), answer: text(chance, about, me.chinese, 1) });
        let answers: Vec<QuestionAnswer> = answers.collect();
        let event_id = self.id();
        let moment_id = MomentId((event_id.as_u64_pair().0 >> 1).max(1));
        let kind = if chance.random_bool(0.8) { MediaKind::Photo } else { MediaKind::Video };
        let seconds = (kind == MediaKind::Video).then(|| 5.0 + f32::from(chance.random_range(0..20u8)));
        let media = (0..chance.random_range(1..4)).map(|n| Media { kind, object: format!("town/{moment_id}/{n}"), seconds }).collect();
        let tags: Vec<String> = THEMES[about].tags(me.chinese).iter().take(chance.random_range(1..4)).map(|t| (*t).to_owned()).collect();
        let moment = MomentEvent {
            event_id,
            event_time: at,
            kind: MomentKind::Published,
            request_id: None,
            moment_id,
            author_id: me.user_id,
            published_at: at,
            title: String::new(),
            text: text(chance, about, me.chinese, sentences),
            answers,
            tags: tags.clone(),
            media,
            text_chars: 0,
            answer_chars: 0,
            media_count: 0,
        };
        self.moments.entry(who).or_default().push((moment_id, tags));
        self.events.push(Event::Moment(moment.with_counts()));
    }
}
