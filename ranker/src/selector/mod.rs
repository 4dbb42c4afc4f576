//! Selectors: who of the scored comes into the deck, and in which order.

mod diverse;
mod draw;

use std::collections::HashSet;

use features::ids::UserId;

use crate::deck::{Draw, Removed, Sides, Term};
use crate::face::Pair;
use crate::filters::{Entrant, Refusal};
use crate::measure::{StageTiming, Watch};
use crate::names::{FilterName, SourceName, TermName};
use crate::query::Query;
use crate::scorers::{Column, harmonic, side_terms};

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
    /// `match · popularity^exponent · exposure^exponent`.
    pub score: f32,
    /// The drawn key.
    pub draw: Draw,
    /// Whether the candidate joined lately.
    pub newcomer: bool,
}

impl<'a> Scored<'a> {
    /// Sums up the terms of one entrant (row `at` of the columns) and draws their key.
    pub fn new(entrant: Entrant<'a>, columns: &[(TermName, Column)], at: usize, query: &Query) -> Self {
        let config = query.config();
        let values = |side: usize| columns.iter().map(|(name, column)| (*name, column[at][side])).collect::<Vec<_>>();
        let (mut terms, viewer) = side_terms(crate::deck::Side::Viewer, &values(0), &config.weights);
        let (theirs, candidate) = side_terms(crate::deck::Side::Candidate, &values(1), &config.weights);
        terms.extend(theirs);
        let mutual = harmonic(viewer, candidate);
        let (draw, score) = draw::draw(mutual, entrant.pair.candidate.signals(), entrant.pair.candidate.user(), query);
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let sides = Sides { viewer: viewer as f32, candidate: candidate as f32, mutual: mutual as f32 };
        let newcomer = entrant.pair.candidate.joined_within(config.sources.newcomer_days);
        Self { pair: entrant.pair, sources: entrant.sources, sides, terms, score, draw, newcomer }
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
    let everybody: Vec<UserId> = scored.iter().map(|s| s.pair.candidate.user()).collect();
    let (slate, timing) = selector.run(query, scored, limit);
    let seated: HashSet<UserId> = slate.iter().map(|s| s.pair.candidate.user()).collect();
    let standing = everybody.into_iter().filter(|user| !seated.contains(user));
    removed.extend(standing.map(|user| Removed::new(user, FilterName::NotSelected, refusal)));
    (slate, timing)
}

#[cfg(test)]
mod tests;
