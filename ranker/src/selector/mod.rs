//! Selectors: who of the scored comes into the deck, and in which order.

mod budget;
mod diverse;
mod draw;

use std::collections::HashSet;

use features::ids::UserId;
use foldhash::fast::RandomState;

use self::budget::Spent;
use crate::deck::{Draw, Removed, Sides, Term};
use crate::face::Pair;
use crate::filters::Refusal;
use crate::measure::{StageTiming, Watch};
use crate::names::{FilterName, SourceName};
use crate::query::Query;
use crate::strategy::Case;

pub(crate) use self::budget::{spent, standings};
pub use self::diverse::Diverse;

/// A candidate with everything that decides about their place.
#[derive(Debug)]
pub struct Scored<'a> {
    /// The two people.
    pub pair: Pair<'a>,
    /// Where the candidate came from.
    pub sources: Vec<SourceName>,
    /// What each is worth to the other.
    pub sides: Sides,
    /// The terms of both sides.
    pub terms: Vec<Term>,
    /// What the strategy says the candidate is worth, 0 to 1.
    pub worth: f32,
    /// `worth · popularity^exponent · exposure^exponent · e^−budget`.
    pub score: f32,
    /// The drawn key.
    pub draw: Draw,
    /// The chance to be drawn first, 0 to 1.
    pub propensity: f32,
    /// Whether the candidate joined lately.
    pub newcomer: bool,
    /// Whether the candidate came back lately.
    pub returning: bool,
}

impl<'a> Scored<'a> {
    /// Gives a case its worth and draws its key. The propensity needs all of them: see [`draw::propensities`].
    fn new(case: Case<'a>, worth: f64, spent: &Spent, query: &Query) -> Self {
        let candidate = &case.pair.candidate;
        let (draw, score) = draw::draw(worth, candidate.signals(), candidate.user(), spent, query);
        let newcomer = candidate.joined_within(query.config().sources.newcomer_days);
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let worth = worth as f32;
        let Case { pair, sources, sides, terms } = case;
        Self { pair, sources, sides, terms, worth, score, draw, propensity: 0.0, newcomer, returning: spent.returning }
    }

    /// Whether the places of newcomers are the candidate's, too: not once everybody else comes first.
    fn guaranteed(&self) -> bool {
        (self.newcomer || self.returning) && !self.draw.capped
    }

    /// Every case with its worth, what exposure takes off, its key, and its chance among the others.
    pub(crate) fn all(cases: Vec<Case<'a>>, worth: &[f64], spent: &[Spent], query: &Query) -> Vec<Self> {
        let said = worth.iter().zip(spent);
        let mut scored: Vec<Self> =
            cases.into_iter().zip(said).map(|(case, (worth, spent))| Self::new(case, *worth, spent, query)).collect();
        draw::propensities(&mut scored);
        scored
    }
}

/// Chooses and orders.
pub trait Selector: Send + Sync {
    /// Its name in metrics.
    fn name(&self) -> &'static str;

    /// At most `limit` of the scored, in the order in which they are shown. Must not depend on the order of `scored`.
    fn select<'a>(&self, query: &Query, scored: Vec<Scored<'a>>, limit: usize) -> Vec<Scored<'a>>;

    /// [`Self::select`], measured.
    fn run<'a>(&self, query: &Query, scored: Vec<Scored<'a>>, limit: usize) -> (Vec<Scored<'a>>, StageTiming) {
        let watch = Watch::start("selector", self.name(), scored.len());
        let slate = self.select(query, scored, limit);
        let timing = watch.stop(slate.len());
        (slate, timing)
    }
}

/// [`Selector::run`], with everybody who was left out recorded.
pub(crate) fn explained<'a>(
    selector: &dyn Selector,
    query: &Query,
    scored: Vec<Scored<'a>>,
    limit: usize,
    removed: &mut Vec<Removed>,
) -> (Vec<Scored<'a>>, StageTiming) {
    let refusal = Refusal { en: "scored, but others were drawn for this deck", zh: "已打分，但本次未被抽中" };
    let enough = Refusal {
        en: "scored, but shown to many people today; others come first", zh: "已打分，但今日曝光已足够，优先展示他人"
    };
    let everybody: Vec<(UserId, bool)> = scored.iter().map(|s| (s.pair.candidate.user(), s.draw.capped)).collect();
    let (slate, timing) = selector.run(query, scored, limit);
    let seated: HashSet<UserId, RandomState> = slate.iter().map(|s| s.pair.candidate.user()).collect();
    let standing = everybody.into_iter().filter(|(user, _)| !seated.contains(user));
    removed.extend(standing.map(|(user, capped)| {
        let (filter, why) = if capped { (FilterName::EnoughToday, enough) } else { (FilterName::NotSelected, refusal) };
        Removed::new(user, filter, why)
    }));
    (slate, timing)
}

#[cfg(test)]
mod tests;
