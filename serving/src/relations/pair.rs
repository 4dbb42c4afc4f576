//! Two people in memory: what an act makes of them. No IO, no clock.

use chrono::{DateTime, Utc};
use features::event::{InteractionEvent, InteractionKind};
use features::ids::{EventId, UserId, derived_event_id};
use features::relations::{Act, Friendship, Outcome, Pair, Refusal, Side};

use crate::db::{key, micros, time};

/// The lists of a person. Nobody is on two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// Both follow each other.
    Friends,
    /// They follow the person, who does not follow back.
    Fans,
    /// The person follows them, and they do not follow back.
    Following,
    /// The person blocks them.
    Blocked,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Friends, Self::Fans, Self::Following, Self::Blocked];

    /// On which list of the one whose view it is the other stands. Whoever is blocked by the other finds them on none.
    pub fn of(pair: Pair) -> Option<Self> {
        match (pair.mine, pair.theirs) {
            (Side::Blocks, _) => Some(Self::Blocked),
            (_, Side::Blocks) | (Side::Nothing, Side::Nothing) => None,
            (Side::Follows, Side::Follows) => Some(Self::Friends),
            (Side::Nothing, Side::Follows) => Some(Self::Fans),
            (Side::Follows, Side::Nothing) => Some(Self::Following),
        }
    }

    /// Its number in rows, from 1.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Friends => 1,
            Self::Fans => 2,
            Self::Following => 3,
            Self::Blocked => 4,
        }
    }

    /// Its place among [`Self::ALL`].
    pub(super) fn place(self) -> usize {
        self as usize
    }
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// How the two stand now, as the actor sees it.
    pub pair: Pair,
    /// What became of a friendship.
    pub friendship: Option<Friendship>,
    /// Whether the act began a follow.
    pub began: bool,
    /// Whether it was done before, with the same event id.
    pub repeated: bool,
    /// Events that tell of it, in order; none where nothing happened.
    pub events: Vec<InteractionEvent>,
    /// What the ledger has to know of an act that was done before: it may have been lost with the answer of the first time.
    pub(super) said: Vec<InteractionEvent>,
    /// The event of the act itself, if there is one.
    pub event_id: Option<EventId>,
}

/// Two people, the one with the smaller key first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// The one with the smaller key.
    pub(super) low: UserId,
    /// The other.
    pub(super) high: UserId,
    /// How they stand, as `low` sees it.
    pub(super) pair: Pair,
    /// How they stand in the rows; nothing where there are none.
    pub(super) stored: Option<Pair>,
    /// Time of their last event, microseconds since 1970; 0: none.
    pub(super) at: i64,
    /// Since when each has the other on the list where they are, by side.
    pub(super) since: [i64; 2],
    /// Id of the last act of each about the other, by side; empty: none.
    pub(super) last: [String; 2],
    /// Whether rows have to be written.
    pub(super) changed: bool,
}

/// The two in the order of their keys.
pub(super) fn ordered(a: UserId, b: UserId) -> (UserId, UserId) {
    if key(a) <= key(b) { (a, b) } else { (b, a) }
}

impl Kept {
    /// Two of whom there are no rows.
    pub(super) fn new(low: UserId, high: UserId, pair: Pair) -> Self {
        Self { low, high, pair, stored: None, at: 0, since: [0; 2], last: [String::new(), String::new()], changed: false }
    }

    /// 0 for the smaller key, 1 for the other.
    pub(super) fn side(&self, user: UserId) -> usize {
        usize::from(user == self.high)
    }

    /// The people by side.
    pub(super) fn users(&self) -> [UserId; 2] {
        [self.low, self.high]
    }

    /// How they stand as a side sees it.
    pub(super) fn seen_by(&self, side: usize) -> Pair {
        if side == 0 { self.pair } else { self.pair.mirrored() }
    }

    /// How they stand in the rows as a side sees it; strangers where there are none.
    pub(super) fn stored_by(&self, side: usize) -> Pair {
        let stored = self.stored.unwrap_or_default();
        if side == 0 { stored } else { stored.mirrored() }
    }

    /// What an act would come to.
    pub(super) fn outcome(&self, actor: UserId, act: Act) -> Outcome {
        self.seen_by(self.side(actor)).after(act)
    }

    /// Whether the last act of the actor about the other has this id.
    pub(super) fn was_last(&self, actor: UserId, event_id: EventId) -> bool {
        self.last[self.side(actor)] == event_id.to_string()
    }

    /// Applies an act. The event is that of the act itself; times that lie before the last event of the two or after `now` are moved.
    pub(super) fn step(&mut self, act: Act, event: &InteractionEvent, now: DateTime<Utc>) -> Result<Done, Refusal> {
        let side = self.side(event.actor_id);
        let before = self.seen_by(side);
        if self.was_last(event.actor_id, event.event_id) {
            return Ok(self.repeated(event));
        }
        let outcome = before.after(act);
        let after = outcome.after?;
        let first = micros(event.event_time.min(now)).max(self.at + 1);
        let events: Vec<InteractionEvent> =
            outcome.publish.iter().zip(first..).map(|(kind, at)| told(act, *kind, event, time(at))).collect();
        if let Some(last) = events.last() {
            self.at = micros(last.event_time);
        }
        // Also of who says again that they follow: from then on it is not the like before that holds the follow.
        if !events.is_empty() || act == Act::Follow {
            self.last[side] = event.event_id.to_string();
            self.changed = true;
        }
        self.become_pair(if side == 0 { after } else { after.mirrored() });
        // Who blocks again may do so because the first answer was lost, and what the ledger was to learn with it.
        let said = if events.is_empty() && after.mine == Side::Blocks { self.said(side, event) } else { Vec::new() };
        let event_id = events.iter().any(|e| e.event_id == event.event_id).then_some(event.event_id);
        let began = before.mine != Side::Follows && after.mine == Side::Follows;
        Ok(Done { pair: after, friendship: outcome.friendship, began, repeated: false, events, said, event_id })
    }

    /// What becomes of an act that was done before.
    pub(super) fn repeated(&self, event: &InteractionEvent) -> Done {
        let side = self.side(event.actor_id);
        let (pair, said, event_id) = (self.seen_by(side), self.said(side, event), Some(event.event_id));
        Done { pair, friendship: None, began: false, repeated: true, events: Vec::new(), said, event_id }
    }

    fn become_pair(&mut self, after: Pair) {
        let lists = |pair: Pair| [List::of(pair), List::of(pair.mirrored())];
        let (before, now) = (lists(self.pair), lists(after));
        for side in 0..2 {
            if before[side] != now[side] || self.since[side] == 0 {
                self.since[side] = self.at;
            }
        }
        self.pair = after;
    }

    /// What a side does about the other, in the words of events.
    fn said(&self, side: usize, event: &InteractionEvent) -> Vec<InteractionEvent> {
        use InteractionKind::{Block, Follow, Unblock, Unfollow};
        let kinds = match self.seen_by(side).mine {
            Side::Nothing => [Unfollow, Unblock],
            Side::Follows => [Unblock, Follow],
            Side::Blocks => [Unfollow, Block],
        };
        let [actor, other] = if side == 0 { [self.low, self.high] } else { [self.high, self.low] };
        kinds.map(|kind| InteractionEvent::new(event.event_id, time(self.at), kind, actor, other)).into()
    }
}

/// An event of an act. That of the act itself is the one given; the others are about the same and quote nothing.
fn told(act: Act, kind: InteractionKind, event: &InteractionEvent, at: DateTime<Utc>) -> InteractionEvent {
    let own = InteractionEvent { kind, event_time: at, ..event.clone() };
    if kind == act.kind() {
        return own;
    }
    InteractionEvent { event_id: derived_event_id(&[&event.event_id.to_string(), kind.name()]), text: None, ..own }
}
