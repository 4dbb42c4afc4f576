//! The recommender: the stages in a row.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::Position;
use index::hot::HotPool;
use index::ledger::{Ledger, Standing};
use index::table::PortraitTable;
use index::vectors::VectorIndex;

use crate::config::RankerConfig;
use crate::deck::{Deck, DeckItem, Removed};
use crate::error::{ConfigError, RankError};
use crate::experiments::Plans;
use crate::explain;
use crate::face::Face;
use crate::filters::{self, Entrant, Filter, Scene};
use crate::measure::{StageTiming, Watch, failed};
use crate::names::{SourceName, TermName};
use crate::query::{self, DeckRequest, Hydrator, Query};
use crate::scorers::{self, Column, Scorer};
use crate::selector::{self, Diverse, Scored, Selector};
use crate::sources::{self, Candidate, Fetched, Source};
use crate::strategy::{Case, Strategies, Strategy};
use crate::trace::Trace;
use crate::warm::LiveRates;

/// What the ranker looks into.
#[derive(Clone)]
pub struct Parts {
    /// Every portrait.
    pub table: Arc<PortraitTable>,
    /// Nearest neighbours when there are too many to look at each.
    pub vectors: Arc<dyn VectorIndex>,
    /// Relations and exposures.
    pub ledger: Arc<Ledger>,
    /// Ready-made lists.
    pub hot: Arc<HotPool>,
    /// What is usual among people of everybody's segment.
    pub rates: Arc<LiveRates>,
}

/// What a page checks again.
#[derive(Debug, Clone)]
pub struct Recheck {
    /// Who looks.
    pub viewer: UserId,
    /// The time of the page.
    pub now: DateTime<Utc>,
    /// The position the deck was asked with.
    pub position: Option<Position>,
    /// People whom this very deck has shown, for a page that is asked for again: having been shown does not remove them.
    pub shown_by_deck: HashSet<UserId>,
}

/// Makes decks.
pub struct Recommender {
    parts: Parts,
    plans: Plans,
    strategies: Strategies,
    hydrators: Vec<Box<dyn Hydrator>>,
    page_hydrators: Vec<Box<dyn Hydrator>>,
    sources: Vec<Box<dyn Source>>,
    filters: Vec<Box<dyn Filter>>,
    scorers: Vec<Box<dyn Scorer>>,
    selector: Box<dyn Selector>,
}

/// What the second half of a deck works with.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) degraded: Vec<String>,
    pub(crate) timings: Vec<StageTiming>,
    /// How people stood with exposure, if that is known already; else the ledger is asked.
    pub(crate) standings: Option<HashMap<UserId, Standing>>,
}

impl Recommender {
    /// A recommender with the stages and strategies of the house.
    ///
    /// # Errors
    /// When the configuration does not make sense.
    pub fn new(parts: Parts, config: &RankerConfig) -> Result<Self, ConfigError> {
        Self::with_strategies(parts, config, Strategies::default())
    }

    /// The same with strategies of your own, which the configuration may name.
    ///
    /// # Errors
    /// When the configuration does not make sense or names a strategy that is not among them.
    pub fn with_strategies(parts: Parts, config: &RankerConfig, strategies: Strategies) -> Result<Self, ConfigError> {
        Ok(Self {
            parts,
            plans: Plans::new(config, &strategies)?,
            strategies,
            hydrators: query::hydrators(),
            page_hydrators: query::page_hydrators(),
            sources: sources::sources(),
            filters: filters::filters(),
            scorers: scorers::scorers(),
            selector: Box::new(Diverse),
        })
    }

    /// The same with other sources.
    #[must_use]
    pub fn with_sources(self, sources: Vec<Box<dyn Source>>) -> Self {
        Self { sources, ..self }
    }

    /// What holds for whom.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The same with other filters. Without any, [`Self::judge`] scores whoever is known: for evaluation, never to show anybody.
    #[must_use]
    pub fn with_filters(self, filters: Vec<Box<dyn Filter>>) -> Self {
        Self { filters, ..self }
    }

    /// Makes a deck. Equal requests over equal parts give equal decks, but for the timings.
    ///
    /// # Errors
    /// When the viewer is unknown or the position is not on the Earth.
    pub async fn deck(&self, request: &DeckRequest) -> Result<Deck, RankError> {
        Ok(self.traced(request).await?.0)
    }

    /// A deck and what it was made of.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub async fn traced(&self, request: &DeckRequest) -> Result<(Deck, Trace), RankError> {
        let watch = Watch::start("deck", "whole", 0);
        let (query, timings) = self.hydrate(request, &self.hydrators)?;
        let found = self.recall(&query, timings).await;
        let (mut deck, trace) = self.rank(request, &query, found)?;
        deck.timings.push(watch.stop(deck.items.len()));
        if !deck.degraded.is_empty() {
            failed("deck", "degraded");
        }
        Ok((deck, trace))
    }

    /// A deck out of the hot pool alone, for when there is no time for more or something is known to be down. Every filter still holds.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub fn fallback(&self, request: &DeckRequest, why: &str) -> Result<Deck, RankError> {
        Ok(self.traced_fallback(request, why)?.0)
    }

    /// [`Self::fallback`] and what it was made of.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub fn traced_fallback(&self, request: &DeckRequest, why: &str) -> Result<(Deck, Trace), RankError> {
        let (query, timings) = self.hydrate(request, &self.page_hydrators)?;
        let found = Found { candidates: self.hot(&query), degraded: vec![why.to_owned()], timings, standings: None };
        self.rank(request, &query, found)
    }

    /// A deck of one: why somebody would be shown, or the filter that refuses them, whether or not a source finds them.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub fn judge(&self, request: &DeckRequest, candidate: UserId) -> Result<Deck, RankError> {
        let (query, timings) = self.hydrate(request, &self.page_hydrators)?;
        let candidates = vec![Candidate { user: candidate, sources: Vec::new(), rank: 0 }];
        Ok(self.rank(request, &query, Found { candidates, timings, ..Found::default() })?.0)
    }

    /// Everybody a deck of this request would consider, with the sources that find them; those known already among them.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub async fn recalled(&self, request: &DeckRequest) -> Result<Vec<Candidate>, RankError> {
        let (query, timings) = self.hydrate(request, &self.hydrators)?;
        Ok(self.recall(&query, timings).await.candidates)
    }

    /// What each source comes back with, before anybody is refused or scored.
    ///
    /// # Errors
    /// Those of [`Self::deck`].
    pub async fn fetch(&self, request: &DeckRequest) -> Result<Vec<Fetched>, RankError> {
        let (query, _) = self.hydrate(request, &self.hydrators)?;
        Ok(sources::ask(&self.sources, &query, &self.parts).await)
    }

    fn hydrate(&self, request: &DeckRequest, hydrators: &[Box<dyn Hydrator>]) -> Result<(Query, Vec<StageTiming>), RankError> {
        let mut query = Query::begin(request, &self.parts, |region| self.plans.get(region, request.viewer, request.now))?;
        let timings = hydrators.iter().map(|hydrator| hydrator.run(&mut query, &self.parts)).collect::<Result<_, _>>()?;
        Ok((query, timings))
    }

    /// Asks the sources; the hot pool stands in when those that know the viewer have all failed, or some failed and the others
    /// found nobody new.
    async fn recall(&self, query: &Query, mut timings: Vec<StageTiming>) -> Found {
        let fetched = sources::ask(&self.sources, query, &self.parts).await;
        let mut degraded = Vec::new();
        let mut rankings: Vec<(SourceName, &[UserId])> = Vec::new();
        for one in &fetched {
            match &one.found {
                Ok(users) => rankings.push((one.source, users)),
                Err(error) => degraded.push(format!("source {}: {error}", one.source.name())),
            }
            timings.push(one.timing.clone());
        }
        let mut personal = fetched.iter().filter(|one| one.source != SourceName::Hot).peekable();
        let all_failed = personal.peek().is_some() && personal.all(|one| one.found.is_err());
        let mut candidates = sources::merge(rankings);
        let nobody = candidates.iter().all(|candidate| query.knows(&self.parts.ledger, candidate.user));
        if all_failed || (nobody && !degraded.is_empty()) {
            degraded.push("recall failed: the hot pool stands in".to_owned());
            candidates = self.hot(query);
        }
        Found { candidates, degraded, timings, standings: None }
    }

    fn hot(&self, query: &Query) -> Vec<Candidate> {
        let list = self.parts.hot.list(query.region(), query.config().deck.candidates_to_score * 4);
        sources::merge([(SourceName::Hot, list.as_slice())])
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Filters, scores, selects, explains: under one view of the table, without waiting.
    pub(crate) fn rank(&self, request: &DeckRequest, query: &Query, found: Found) -> Result<(Deck, Trace), RankError> {
        let Found { candidates, degraded, mut timings, standings } = found;
        let table = self.parts.table.read();
        let viewer = Face::of(&table, query.viewer, query.now).ok_or(RankError::UnknownViewer(query.viewer))?.at(query.position);
        let mut removed = Vec::new();
        let mut entrants = filters::enter(&viewer, candidates, &mut removed, |user| Face::of(&table, user, query.now));
        let scene = Scene { query, ledger: &self.parts.ledger };
        timings.extend(self.filters.iter().map(|filter| filter.run(&scene, &mut entrants, &mut removed)));
        filters::bound(&mut entrants, query.config().deck.candidates_to_score, &mut removed);
        let standings = match standings {
            Some(known) => entrants.iter().map(|e| known.get(&e.pair.candidate.user()).copied().unwrap_or_default()).collect(),
            None => selector::standings(query, &entrants, &self.parts.ledger),
        };
        let trace = Trace::of(request, query, self.strategy(query), &viewer, &entrants, &degraded, &standings);
        let scored = self.score(query, entrants, &standings, &mut timings);
        let limit = request.limit.min(query.config().deck.size);
        let (slate, timing) = selector::explained(self.selector.as_ref(), query, scored, limit, &mut removed);
        timings.push(timing);
        removed.sort_by_key(|r| (r.filter, r.user_id));
        let strategy = &query.config().strategy;
        let deck = Deck {
            deck_id: request.deck_id.clone(),
            viewer: request.viewer,
            made_at: request.now,
            seed: request.seed,
            config_version: query.effective.version.clone(),
            region: query.region().map(str::to_owned),
            strategy: strategy.clone(),
            experiments: query.effective.experiments.clone(),
            items: slate.into_iter().map(|scored| explain::item(scored, strategy, query.config().deck.reasons)).collect(),
            removed,
            degraded,
            timings,
        };
        Ok((deck, trace))
    }

    fn strategy(&self, query: &Query) -> &dyn Strategy {
        self.strategies.get(&query.config().strategy).expect("plans hold known strategies only").as_ref()
    }

    /// Terms and sides of every entrant, what the strategy makes of them, and their keys.
    fn score<'a>(
        &self,
        query: &Query,
        entrants: Vec<Entrant<'a>>,
        standings: &[Standing],
        timings: &mut Vec<StageTiming>,
    ) -> Vec<Scored<'a>> {
        let mut columns: Vec<(TermName, Column)> = Vec::with_capacity(self.scorers.len());
        for scorer in &self.scorers {
            let (column, timing) = scorer.run(&entrants, &query.config().curves);
            columns.push((scorer.name(), column));
            timings.push(timing);
        }
        let watch = Watch::start("scorer", "combine", entrants.len());
        let mut cases: Vec<Case<'_>> =
            entrants.into_iter().enumerate().map(|(at, entrant)| Case::new(entrant, &columns, at, query)).collect();
        timings.push(watch.stop(cases.len()));
        let strategy = self.strategy(query);
        let (worth, timing) = strategy.run(query, &mut cases);
        timings.push(timing);
        let spent = selector::spent(query, standings, cases.len());
        Scored::all(cases, &worth, &spent, query)
    }

    /// Checks people of a deck again before a page shows them: every filter, by what holds now. Keeps the order.
    ///
    /// # Errors
    /// When the viewer is unknown by now or the position is not on the Earth; then nobody may be shown.
    pub fn recheck(&self, page: &Recheck, items: Vec<DeckItem>) -> Result<(Vec<DeckItem>, Vec<Removed>), RankError> {
        let request = DeckRequest {
            viewer: page.viewer,
            deck_id: String::new(),
            seed: 0,
            now: page.now,
            position: page.position,
            limit: items.len(),
        };
        let (query, _) = self.hydrate(&request, &self.page_hydrators)?;
        let table = self.parts.table.read();
        let viewer = Face::of(&table, query.viewer, query.now).ok_or(RankError::UnknownViewer(query.viewer))?.at(query.position);
        let candidates = items.iter().enumerate().map(|(rank, item)| Candidate { user: item.user_id, sources: Vec::new(), rank });
        let mut removed = Vec::new();
        let mut entrants = filters::enter(&viewer, candidates.collect(), &mut removed, |user| Face::of(&table, user, query.now));
        let scene = Scene { query: &query, ledger: &self.parts.ledger };
        for filter in &self.filters {
            let exempt = |user: &UserId| filter.name() == crate::FilterName::AlreadyShown && page.shown_by_deck.contains(user);
            let (mut checked, passed): (Vec<_>, Vec<_>) = entrants.into_iter().partition(|e| !exempt(&e.pair.candidate.user()));
            filter.run(&scene, &mut checked, &mut removed);
            checked.extend(passed);
            entrants = checked;
        }
        let kept: HashSet<UserId> = entrants.iter().map(|e| e.pair.candidate.user()).collect();
        let items = items.into_iter().filter(|item| kept.contains(&item.user_id)).collect();
        removed.sort_by_key(|r| (r.filter, r.user_id));
        Ok((items, removed))
    }
}
