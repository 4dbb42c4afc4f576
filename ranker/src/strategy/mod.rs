//! Strategies: what a candidate is worth to a viewer, once filters have spoken and both sides are known.
//!
//! A strategy gives every candidate a *worth* between 0 and 1. Everything around it is the same for all strategies: recall, filters, the
//! draw (`sharpness·ln(worth)`, popularity, exposure, chance), diversity, caps and places for newcomers. Which one holds is a key of the
//! configuration, `ranker.strategy`, and can differ by region and by arm of an experiment.
//!
//! | name | worth | draw |
//! | --- | --- | --- |
//! | `formula` | the two sides combined: what there is to know | as configured |
//! | `warm` | the chances that each likes the other, by what people did so far, combined | `warm.sharpness`, popularity not apart |
//! | `one_sided` | what the candidate is worth to the viewer, whatever the candidate would say | as configured |
//! | `popularity` | the smoothed rate of likes received | sharp, nothing else counts |
//! | `distance` | nearness | sharp, nothing else counts |
//! | `random` | the same for all | nothing but chance |
//!
//! The last three are baselines for evaluations and holdouts: they set the draw themselves. A strategy of your own implements [`Strategy`]
//! and is registered before the recommender is made:
//!
//! ```
//! use std::sync::Arc;
//! use ranker::query::Query;
//! use ranker::strategy::{Case, Strategies, Strategy};
//!
//! struct Active;
//!
//! impl Strategy for Active {
//!     fn name(&self) -> &str {
//!         "active"
//!     }
//!
//!     fn worth(&self, _query: &Query, cases: &[Case<'_>]) -> Vec<f64> {
//!         cases.iter().map(|case| f64::from(case.pair.candidate.signals().activity)).collect()
//!     }
//! }
//!
//! let strategies = Strategies::default().with(Arc::new(Active));
//! assert!(strategies.names().contains(&"active"));
//! ```
//!
//! Then `Recommender::with_strategies(parts, &config, strategies)`, where `config.strategy` or an arm names `active`.

mod distance;
mod formula;
mod one_sided;
mod popularity;
mod random;
mod warm;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::RankerConfig;
use crate::deck::{Side, Sides, Term};
use crate::error::ConfigError;
use crate::face::Pair;
use crate::filters::Entrant;
use crate::measure::{StageTiming, Watch};
use crate::names::{SourceName, TermName};
use crate::query::Query;
use crate::scorers::{Column, add_side_terms, harmonic};

/// The strategy of the house, and the default of `ranker.strategy`.
pub const FORMULA: &str = "formula";
/// The strategy that goes by what people did so far.
pub const WARM: &str = "warm";

/// A candidate whom every filter lets through, with what each of the two is worth to the other.
#[derive(Debug)]
pub struct Case<'a> {
    /// The two people.
    pub pair: Pair<'a>,
    /// Where the candidate came from.
    pub sources: Vec<SourceName>,
    /// What each is worth to the other.
    pub sides: Sides,
    /// The terms of both sides.
    pub terms: Vec<Term>,
}

impl<'a> Case<'a> {
    /// Sums up the terms of one entrant (row `at` of the columns).
    pub fn new(entrant: Entrant<'a>, columns: &[(TermName, Column)], at: usize, query: &Query) -> Self {
        let weights = &query.config().weights;
        let values = |side: usize| columns.iter().map(move |(name, column)| (*name, column[at][side]));
        let mut terms = Vec::with_capacity(2 * columns.len());
        let viewer = add_side_terms(Side::Viewer, values(0), weights, &mut terms);
        let candidate = add_side_terms(Side::Candidate, values(1), weights, &mut terms);
        #[expect(clippy::cast_possible_truncation, reason = "written with 24 bits")]
        let sides = Sides { viewer: viewer as f32, candidate: candidate as f32, mutual: harmonic(viewer, candidate) as f32 };
        Self { pair: entrant.pair, sources: entrant.sources, sides, terms }
    }
}

/// A way to say what a candidate is worth.
pub trait Strategy: Send + Sync {
    /// Its name, as the configuration and answers know it: lower-case letters, digits, `_` and `-`.
    fn name(&self) -> &str;

    /// What each is worth to the other, and the terms that say so, before [`Self::worth`]; they stay those of the formula unless a strategy knows
    /// better. Must depend on nothing but its arguments.
    fn sides(&self, _query: &Query, _cases: &mut [Case<'_>]) {}

    /// Whether it reads [`Query::rates`]: then the deck's trace keeps them.
    fn reads_rates(&self) -> bool {
        false
    }

    /// What every case is worth, 0 to 1, one number a case in their order. What is not a number or lies outside counts as the nearest
    /// within, and what is missing as 0. Must depend on nothing but its arguments: the same query and cases give the same numbers.
    fn worth(&self, query: &Query, cases: &[Case<'_>]) -> Vec<f64>;

    /// What the strategy demands of the configuration; applied last, to every configuration in which it holds. Doing it twice must change
    /// nothing, because a configuration that was written down has it done already.
    fn adapt(&self, _config: &mut RankerConfig) {}

    /// [`Self::sides`], then [`Self::worth`], complete, within its range, and measured.
    fn run(&self, query: &Query, cases: &mut [Case<'_>]) -> (Vec<f64>, StageTiming) {
        let watch = Watch::start("strategy", "worth", cases.len());
        self.sides(query, cases);
        let mut worth = self.worth(query, cases);
        worth.resize(cases.len(), 0.0);
        worth.iter_mut().for_each(|w| *w = if w.is_nan() { 0.0 } else { w.clamp(0.0, 1.0) });
        let timing = watch.stop(worth.len());
        (worth, timing)
    }
}

/// Strategies by name.
#[derive(Clone)]
pub struct Strategies(BTreeMap<String, Arc<dyn Strategy>>);

impl Default for Strategies {
    /// Those of the house.
    fn default() -> Self {
        let house: [Arc<dyn Strategy>; 6] = [
            Arc::new(formula::Formula),
            Arc::new(one_sided::OneSided),
            Arc::new(popularity::Popularity),
            Arc::new(distance::Distance),
            Arc::new(random::Random),
            Arc::new(warm::Warm),
        ];
        house.into_iter().fold(Self(BTreeMap::new()), Self::with)
    }
}

impl Strategies {
    /// The same and one more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, strategy: Arc<dyn Strategy>) -> Self {
        self.0.insert(strategy.name().to_owned(), strategy);
        self
    }

    /// Their names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The strategy of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Strategy>> {
        self.0.get(name)
    }

    /// A configuration with what its strategy demands.
    ///
    /// # Errors
    /// When nobody knows the strategy; `field` is where it was named.
    pub fn adapted(&self, mut config: RankerConfig, field: &str) -> Result<RankerConfig, ConfigError> {
        let Some(strategy) = self.get(&config.strategy) else {
            let problem = format!("there is no strategy `{}`, use one of {}", config.strategy, self.names().join(", "));
            return Err(ConfigError { field: field.to_owned(), problem });
        };
        strategy.adapt(&mut config);
        Ok(config)
    }
}

/// How a baseline is drawn: a worth one per mille higher comes first e times as often, so that the order is that of the worth, and equals
/// stand in an order by chance. Nothing but the worth counts.
fn sharp(config: &mut RankerConfig) {
    let draw = &mut config.draw;
    (draw.temperature, draw.sharpness) = (1.0, 1_000.0);
    (draw.popularity_exponent, draw.exposure_exponent) = (0.0, 0.0);
    (config.exposure.daily_budget, config.exposure.pile_up_cap) = (0, 0.0);
}

#[cfg(test)]
mod tests;
