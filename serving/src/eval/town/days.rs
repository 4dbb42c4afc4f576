//! Days on which the town lives with the recommender: what is shown goes back into ledger and portraits, so that budgets and popularity act.
//!
//! Who comes when, and who would like whom, is the same for every setting. Vectors, tags and activity stay as they stood; impressions, likes and passes
//! count at once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use features::decay::weight;
use features::event::{InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use features::portrait::{BEHAVIOUR_HALF_LIFE, IMPRESSIONS_HALF_LIFE, Portrait, unanswered};
use ranker::chance::{Purpose, bits, uniform};
use ranker::{DeckRequest, Parts, Recommender};

use super::market::Market;
use super::measure::Impression;

/// The share of people shown and not liked who are passed.
const PASSES: f64 = 0.6;
/// Seconds from one person of a page to the next.
const PACE: i64 = 9;

/// Somebody opens the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visit {
    at: DateTime<Utc>,
    viewer: UserId,
}

/// Who opens the app when, in the order of time: as often as they are wont to.
pub(super) fn visits(market: &Market, days: u32, seed: u64) -> Vec<Visit> {
    let mut visits = Vec::new();
    for viewer in market.people() {
        let wont = market.sessions_a_day(viewer);
        for day in 0..days {
            let dice = |n: u64| uniform(bits(seed, Purpose::Draw, UserId((u64::from(day) << 8) | n)), Purpose::Sample, viewer);
            // A whole number with the mean of what they are wont to: its floor, or one more by chance.
            let (floor, rest) = (wont.floor(), wont.fract());
            let often = floor + f64::from(u8::from(dice(0) < rest));
            let mut n = 1;
            while f64::from(n) <= often {
                #[expect(clippy::cast_possible_truncation, reason = "a second of a day")]
                let second = (dice(u64::from(n)) * 86_400.0) as i64;
                visits.push(Visit { at: market.now() + TimeDelta::days(day.into()) + TimeDelta::seconds(second), viewer });
                n += 1u32;
            }
        }
    }
    visits.sort_unstable();
    visits
}

/// What changes while the town lives.
struct Life<'a> {
    market: &'a Market,
    parts: Parts,
    people: BTreeMap<UserId, Portrait>,
    seed: u64,
}

/// Lets the visits happen with pages of `page` people; everything that was shown, in the order of time.
///
/// # Errors
/// When the recommender cannot serve one of the town.
pub(super) async fn live(
    market: &Market,
    parts: Parts,
    recommender: &Recommender,
    visits: &[Visit],
    [page, seed]: [u64; 2],
) -> anyhow::Result<Vec<Impression>> {
    let mut life = Life { market, parts, people: market.portraits(), seed };
    let mut shown = Vec::new();
    let mut today = None;
    for (at, visit) in (0..).zip(visits) {
        if today != Some(visit.at.date_naive()) {
            today = Some(visit.at.date_naive());
            market.refresh(&life.parts, visit.at);
        }
        let seed = bits(seed, Purpose::Sample, UserId(at));
        let limit = usize::try_from(page)?;
        let request = DeckRequest { viewer: visit.viewer, deck_id: String::new(), seed, now: visit.at, position: None, limit };
        let deck = recommender.deck(&request).await?;
        let page: Vec<UserId> = deck.items.into_iter().map(|item| item.user_id).collect();
        life.show(*visit, &page);
        shown.extend(page.into_iter().map(|candidate| Impression::of(market, visit.viewer, candidate)));
    }
    Ok(shown)
}

impl Life<'_> {
    /// A page is shown: everybody of it is liked by the hidden truth or not, and all of it is known at once.
    fn show(&mut self, visit: Visit, page: &[UserId]) {
        let mut events = Vec::with_capacity(2 * page.len());
        for (place, candidate) in (0..).zip(page) {
            let at = visit.at + TimeDelta::seconds(PACE * place);
            let mut say = |kind, at| events.push(InteractionEvent::new(derived_event_id(&["days"]), at, kind, visit.viewer, *candidate));
            say(InteractionKind::Impression, at);
            let (likes, _) = self.market.truth(visit.viewer, *candidate);
            let answer = self.answer(visit.viewer, *candidate, likes);
            if let Some(kind) = answer {
                say(kind, at + TimeDelta::seconds(4));
            }
            self.count(*candidate, answer, at, "popularity", ["impressions", "likes", "passes"]);
            self.count(visit.viewer, answer, at, "given", ["seen", "likes_given", "passes_given"]);
            self.look(*candidate, "popularity", answer, at, place);
            self.look(visit.viewer, "given", answer, at, place);
        }
        self.parts.ledger.apply_all(&events);
        for user in page.iter().chain([&visit.viewer]) {
            if let Some(portrait) = self.people.get_mut(user) {
                portrait.version += 1;
                self.parts.table.apply(portrait);
            }
        }
    }

    /// The same for a pair whatever else happens.
    fn answer(&self, viewer: UserId, candidate: UserId, likes: f64) -> Option<InteractionKind> {
        let own = bits(self.seed, Purpose::Draw, viewer);
        if uniform(own, Purpose::Draw, candidate) < likes {
            return Some(InteractionKind::Like);
        }
        (uniform(own, Purpose::Sample, candidate) < PASSES).then_some(InteractionKind::Pass)
    }

    /// Adds a look at a position of a page, and the like that may have answered it, as `features/sql` would.
    fn look(&mut self, user: UserId, set: &str, answer: Option<InteractionKind>, at: DateTime<Utc>, place: i64) {
        let Some(portrait) = self.people.get_mut(&user) else { return };
        let (unit, liked) = (weight(at, BEHAVIOUR_HALF_LIFE), answer == Some(InteractionKind::Like));
        let looked = if liked { 1.0 } else { unanswered(u32::try_from(place).unwrap_or(u32::MAX)) };
        *portrait.counters.entry(format!("{set}.looked_d60")).or_default() += unit * looked;
        if liked {
            *portrait.counters.entry(format!("{set}.answered_d60")).or_default() += unit;
        }
    }

    /// Adds to the counters of a portrait what `features/sql` would.
    fn count(&mut self, user: UserId, answer: Option<InteractionKind>, at: DateTime<Utc>, set: &str, columns: [&str; 3]) {
        let Some(portrait) = self.people.get_mut(&user) else { return };
        let said = match answer {
            Some(InteractionKind::Like) => Some(columns[1]),
            Some(InteractionKind::Pass) => Some(columns[2]),
            _ => None,
        };
        for column in [Some(columns[0]), said].into_iter().flatten() {
            *portrait.counters.entry(format!("{set}.{column}")).or_default() += 1.0;
            if let Some(sum) = portrait.counters.get_mut(&format!("{set}.{column}_d14")) {
                *sum += weight(at, IMPRESSIONS_HALF_LIFE);
            } else if set == "popularity" {
                portrait.counters.insert(format!("{set}.{column}_d14"), weight(at, IMPRESSIONS_HALF_LIFE));
            }
        }
    }
}
