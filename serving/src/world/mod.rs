//! The ranker's world as it stood at a moment, out of the lake, and what it thought of two people then.
//!
//! Everything with an `event_time` strictly before the moment is known, nothing else: what the lake holds of later times moves no score. The world
//! moves forward in time and costs what happens in between ([`pipelines::past`]).

mod pairs;
mod table;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::embed::TextEncoder;
use features::ids::UserId;
use index::hot::HotPool;
use index::vectors::ExactVectors;
use pipelines::past::{Past, PastError};
use ranker::{ConfigError, DeckItem, DeckRequest, FilterName, Parts, RankError, RankerConfig, Recommender};

use crate::config::Config;

pub use self::pairs::{Pair, Pairs, read_pairs};
pub use self::table::{Judged, write_file, write_text};

/// What is usual in everybody's segment is computed at every whole hour, so that it is the same whatever steps led to a moment; a running platform does it
/// more often.
const RATES_EVERY: TimeDelta = TimeDelta::hours(1);

/// The world at a moment.
pub struct World {
    past: Past,
    rates_at: Option<DateTime<Utc>>,
    parts: Parts,
    /// As pages judge.
    strict: Recommender,
    /// The same without filters: it scores whom the other refuses.
    lenient: Recommender,
    hot_size: usize,
}

/// Why somebody would not have been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was known of the viewer.
    UnknownViewer,
    /// A filter refused, with its reason; `no_portrait` when nothing was known of the candidate.
    Filter(FilterName, String),
}

impl Refusal {
    /// Its name: `unknown_viewer`, or that of the filter.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownViewer => "unknown_viewer",
            Self::Filter(filter, _) => filter.name(),
        }
    }

    /// Its reason, for a person to read.
    pub fn reason(&self) -> &str {
        match self {
            Self::UnknownViewer => "unknown viewer: no profile was known then",
            Self::Filter(_, reason) => reason,
        }
    }
}

/// What the world thought of a candidate for a viewer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Score and terms, also of somebody whom a filter refuses; none when one of the two was not known.
    pub item: Option<DeckItem>,
    /// Who or what refused; none when the candidate could have been shown.
    pub refusal: Option<Refusal>,
}

impl World {
    /// The lake of the configuration's data folder before anything happened. Without an encoder nobody has vectors and the terms that rest
    /// on them are not known.
    ///
    /// # Errors
    /// When the lake cannot be used or the ranker's configuration does not make sense.
    pub async fn begin(config: &Config, encoder: Option<Arc<dyn TextEncoder>>) -> anyhow::Result<Self> {
        let keep = TimeDelta::days(config.ledger.keep_days.into());
        let past = Past::begin(&config.lake_place(), encoder, keep).await?;
        Self::over(past, &config.ranker, config.indexer.hot_size)
    }

    fn over(past: Past, ranker: &RankerConfig, hot_size: usize) -> anyhow::Result<Self> {
        let table = Arc::clone(past.table());
        let parts = Parts {
            vectors: Arc::new(ExactVectors::new(Arc::clone(&table))),
            table,
            ledger: Arc::clone(past.ledger()),
            hot: Arc::new(HotPool::default()),
            rates: Arc::default(),
        };
        let strict = Recommender::new(parts.clone(), ranker)?;
        let lenient = Recommender::new(parts.clone(), ranker)?.with_filters(Vec::new());
        Ok(Self { past, rates_at: None, parts, strict, lenient, hot_size })
    }

    /// The world of the configuration's lake as it stood at `moment`, with its hot pool.
    ///
    /// # Errors
    /// Those of [`Self::begin`], and when the lake or the encoder fails.
    pub async fn as_of(config: &Config, encoder: Option<Arc<dyn TextEncoder>>, moment: DateTime<Utc>) -> anyhow::Result<Self> {
        let mut world = Self::begin(config, encoder).await?;
        world.advance(moment).await?;
        world.refresh_hot();
        Ok(world)
    }

    /// Lets everything happen that lies strictly before `moment`; the number of events. The hot pool stays as it was.
    ///
    /// # Errors
    /// When `moment` lies before the one that was reached, or the lake or the encoder fails.
    pub async fn advance(&mut self, moment: DateTime<Utc>) -> Result<usize, PastError> {
        Ok(self.advance_to_the_hour(moment).await? + self.past.advance(moment).await?)
    }

    /// The same, but only the portraits of `users` are brought to the moment: for judging these, at a fraction of the cost.
    ///
    /// # Errors
    /// Those of [`Self::advance`].
    pub async fn advance_for(&mut self, moment: DateTime<Utc>, users: &[UserId]) -> Result<usize, PastError> {
        Ok(self.advance_to_the_hour(moment).await? + self.past.advance_for(moment, users).await?)
    }

    /// What is usual is of the last whole hour, when everybody stood as they stood then.
    async fn advance_to_the_hour(&mut self, moment: DateTime<Utc>) -> Result<usize, PastError> {
        let hour = stand(moment, RATES_EVERY);
        if self.rates_at.is_some_and(|at| at >= hour) || hour < self.past.reached() {
            return Ok(0);
        }
        let happened = self.past.advance(hour).await?;
        self.parts.rates.refresh(&self.parts.table, hour);
        self.rates_at = Some(hour);
        Ok(happened)
    }

    /// A recommender of the house by a strategy, on what is known here, without filters and without overrides of regions and arms: it scores whoever
    /// is known.
    ///
    /// # Errors
    /// When the configuration does not make sense.
    pub fn by(&self, strategy: &str, ranker: &RankerConfig) -> Result<Recommender, ConfigError> {
        let config = RankerConfig { strategy: strategy.to_owned(), ..ranker.alone() };
        Ok(Recommender::new(self.parts.clone(), &config)?.with_filters(Vec::new()))
    }

    /// Computes the hot pool at the moment that was reached.
    pub fn refresh_hot(&self) {
        self.parts.hot.refresh(&self.parts.table, self.past.reached(), self.hot_size);
    }

    /// What is known, as the ranker looks into it; moves with the world.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Where it comes from.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// What the world thinks of `candidate` for `viewer`; signals fade until `now`, which does not lie before the moment that was reached.
    pub fn judge(&self, viewer: UserId, candidate: UserId, now: DateTime<Utc>) -> Verdict {
        let request = DeckRequest { viewer, deck_id: String::new(), seed: 0, now, position: None, limit: 1 };
        let unknown = |error: &RankError| match error {
            RankError::UnknownViewer(_) => Refusal::UnknownViewer,
            // Positions of profiles passed the gate, so none is off the Earth.
            RankError::Position => Refusal::Filter(FilterName::Distance, error.to_string()),
        };
        let deck = match self.strict.judge(&request, candidate) {
            Ok(deck) => deck,
            Err(error) => return Verdict { item: None, refusal: Some(unknown(&error)) },
        };
        let Some(removed) = deck.removed.into_iter().next() else {
            return Verdict { item: deck.items.into_iter().next(), refusal: None };
        };
        let scored = self.lenient.judge(&request, candidate).ok().and_then(|deck| deck.items.into_iter().next());
        Verdict { item: scored, refusal: Some(Refusal::Filter(removed.filter, removed.reason.into_owned())) }
    }

    /// Judges every pair at its time, in the order of the pairs. The world moves forward with them: it is `step` or less behind the time of a pair
    /// (not at all when `step` is zero), so that many times close together cost one move. `told` hears how many are done.
    ///
    /// # Errors
    /// When a pair's time lies before the moment that was reached, or the lake or the encoder fails.
    pub async fn judge_all(&mut self, pairs: Vec<Pair>, step: TimeDelta, mut told: impl FnMut(usize)) -> Result<Vec<Judged>, PastError> {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by_key(|at| pairs[*at].time);
        let mut verdicts: Vec<Option<Verdict>> = vec![None; pairs.len()];
        for (done, at) in order.into_iter().enumerate() {
            let pair = &pairs[at];
            self.advance_for(stand(pair.time, step), &[pair.viewer, pair.candidate]).await?;
            verdicts[at] = Some(self.judge(pair.viewer, pair.candidate, pair.time));
            told(done + 1);
        }
        Ok(pairs.into_iter().zip(verdicts).filter_map(|(pair, verdict)| verdict.map(|verdict| Judged { pair, verdict })).collect())
    }
}

/// The moment at which the world stands for a pair of that time: the last whole step at or before it.
pub fn stand(time: DateTime<Utc>, step: TimeDelta) -> DateTime<Utc> {
    let (micros, step) = (time.timestamp_micros(), step.num_microseconds().unwrap_or(i64::MAX));
    if step <= 0 {
        return time;
    }
    DateTime::from_timestamp_micros(micros - micros.rem_euclid(step)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
