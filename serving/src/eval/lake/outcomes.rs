//! What happened: who was shown to whom after the split, and what came of it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::UserId;
use features::topic::Topic;
use pipelines::lake::History;
use pipelines::tables;

use super::LakeProtocol;

/// Somebody was shown to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// When.
    pub(super) at: DateTime<Utc>,
    /// To whom.
    pub(super) viewer: UserId,
    /// Who.
    pub(super) candidate: UserId,
    /// Whether the viewer liked or followed the candidate from then on.
    pub(super) liked: bool,
    /// Whether both like each other in the end.
    pub(super) matched: bool,
    /// Whether the candidate was, sooner or later, shown the viewer, and so could answer.
    pub(super) both_shown: bool,
    /// Where in a deck, if it is known.
    pub(super) position: Option<u32>,
    /// Whether, before the split, the viewer had said yes or no to anybody and the candidate had been shown, or answered, by anybody.
    pub(super) warm: bool,
}

/// The first and the last time of a like or follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Liked {
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
}

/// What happened until the end of the protocol.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// First impressions of pairs at or after the split, in the order of time.
    pub(super) shown: Vec<Shown>,
    /// Likes and follows by giver and receiver, those before the split too.
    pub(super) likes: HashMap<(UserId, UserId), Liked>,
}

/// What is gathered on the way.
#[derive(Default)]
struct Gathered {
    shown: Vec<(DateTime<Utc>, UserId, UserId, Option<u32>)>,
    pairs: HashSet<(UserId, UserId)>,
    /// Every pair of whom one was shown to the other, viewer first, whenever it was.
    seen: HashSet<(UserId, UserId)>,
    likes: HashMap<(UserId, UserId), Liked>,
    answered: HashSet<UserId>,
    met: HashSet<UserId>,
}

impl Gathered {
    fn take(&mut self, event: &InteractionEvent, protocol: &LakeProtocol) {
        let (at, pair) = (event.event_time, (event.actor_id, event.target_id));
        let opinion = match event.kind {
            InteractionKind::Like | InteractionKind::Follow => {
                let liked = self.likes.entry(pair).or_insert(Liked { first: at, last: at });
                *liked = Liked { first: liked.first.min(at), last: liked.last.max(at) };
                true
            }
            InteractionKind::Pass => true,
            InteractionKind::Impression => {
                self.seen.insert(pair);
                if at >= protocol.split && self.pairs.insert(pair) {
                    self.shown.push((at, pair.0, pair.1, event.position));
                }
                false
            }
            _ => return,
        };
        if at < protocol.split {
            self.met.insert(pair.1);
            if opinion {
                self.answered.insert(pair.0);
            }
        }
    }
}

impl Outcomes {
    /// Reads the interactions of a lake.
    pub(super) async fn read(place: &str, protocol: &LakeProtocol) -> anyhow::Result<Self> {
        let history = History::open(place).await?;
        let mut gathered = Gathered::default();
        for day in history.days().into_iter().filter(|day| *day <= protocol.until.date_naive()) {
            let Some(mut rows) = history.day(Topic::Interactions, day).await? else { continue };
            rows.rows = rows.rows.slice(0, rows.before(protocol.until));
            for event in tables::events(&rows.rows)? {
                if let Event::Interaction(interaction) = event {
                    gathered.take(&interaction, protocol);
                }
            }
        }
        Ok(Self::of(gathered))
    }

    fn of(gathered: Gathered) -> Self {
        let Gathered { shown, seen, likes, answered, met, .. } = gathered;
        let shown = shown.into_iter().map(|(at, viewer, candidate, position)| {
            let liked = likes.get(&(viewer, candidate)).is_some_and(|liked| liked.last >= at);
            let matched = liked && likes.contains_key(&(candidate, viewer));
            let (both_shown, warm) = (seen.contains(&(candidate, viewer)), answered.contains(&viewer) && met.contains(&candidate));
            Shown { at, viewer, candidate, liked, matched, both_shown, position, warm }
        });
        Self { shown: shown.collect(), likes }
    }
}
