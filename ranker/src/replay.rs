//! Decks made again from their traces, by the stages that made them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use features::ids::UserId;
use features::portrait::Portrait;
use features::profile::Profile;
use index::table::{PortraitTable, VectorColumn};
use index::vectors::ExactVectors;

use crate::deck::{Deck, PortraitVersion};
use crate::error::{ConfigError, RankError};
use crate::query::{Pool, Query};
use crate::recommend::{Found, Parts, Recommender};
use crate::sources::Candidate;
use crate::strategy::Strategies;
use crate::trace::{Seen, Trace};

/// A deck could not be made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Portraits that the deck was made of are not at hand.
    #[error("{} of the portraits that the deck was made of are missing, first that of user {} in generation {}, version {}",
        .0.len(), .0[0].0, .0[0].1.generation, .0[0].1.version)]
    Missing(Vec<(UserId, PortraitVersion)>),
    /// A profile that the trace must bring is not in it.
    #[error("the profile of user {0} was newer than the portrait, and is not in the record")]
    NoOverlay(UserId),
    /// The portrait has no vector where the deck had one.
    #[error("the portrait of user {0} has not the vectors that the deck was made with: it is another portrait of the same version")]
    Vectors(UserId),
    /// The configuration of the deck cannot be used by this program.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The deck cannot be ranked.
    #[error(transparent)]
    Rank(#[from] RankError),
}

/// Makes a deck again; `portrait` finds portraits by user and version. What is not logged is not in it: candidates that were refused before
/// they were scored, and timings.
///
/// # Errors
/// When a portrait is missing or is not what it was, or the configuration cannot be used.
pub fn replay(
    trace: &Trace,
    strategies: Strategies,
    portrait: impl Fn(UserId, PortraitVersion) -> Option<Portrait>,
) -> Result<Deck, ReplayError> {
    let table = Arc::new(table(trace, portrait)?);
    let vectors = Arc::new(ExactVectors::new(Arc::clone(&table)));
    let parts = Parts { vectors, table, ledger: Arc::default(), hot: Arc::default(), rates: Arc::default() };
    Recommender::with_strategies(parts, &trace.effective.config, strategies)?.replay(trace)
}

/// Everybody of the trace as they stood.
fn table(trace: &Trace, portrait: impl Fn(UserId, PortraitVersion) -> Option<Portrait>) -> Result<PortraitTable, ReplayError> {
    let overlays: HashMap<UserId, &Arc<Profile>> = trace.overlays.iter().map(|(user, profile)| (*user, profile)).collect();
    let table = PortraitTable::default();
    let (mut missing, mut done) = (Vec::new(), HashSet::new());
    for seen in trace.people().filter(|seen| done.insert(seen.user)) {
        // Without a version there was no portrait: the profile alone made the row.
        if seen.portrait.version > 0 {
            match portrait(seen.user, seen.portrait) {
                Some(found) => drop(table.apply(&trimmed(seen, found)?)),
                None => missing.push((seen.user, seen.portrait)),
            }
        }
        if seen.overlaid {
            table.overlay(seen.user, overlays.get(&seen.user).ok_or(ReplayError::NoOverlay(seen.user))?);
        }
    }
    if missing.is_empty() { Ok(table) } else { Err(ReplayError::Missing(missing)) }
}

/// The portrait with the vectors that the table had of it.
fn trimmed(seen: &Seen, mut portrait: Portrait) -> Result<Portrait, ReplayError> {
    for (had, vector) in [(seen.content, &mut portrait.content), (seen.taste, &mut portrait.taste)] {
        if !had {
            *vector = None;
        } else if vector.as_ref().is_none_or(features::vector::QVector::is_zero) {
            return Err(ReplayError::Vectors(seen.user));
        }
    }
    Ok(portrait)
}

impl Recommender {
    /// Makes a deck again over a table that holds everybody of the trace as they stood, and a ledger that knows nothing: whom relations and
    /// exposures refused is not in the trace.
    ///
    /// # Errors
    /// When somebody is missing from the table.
    pub fn replay(&self, trace: &Trace) -> Result<Deck, ReplayError> {
        let request = &trace.request;
        let query = {
            let table = self.parts().table.read();
            let row = table.row_of(request.viewer).ok_or(RankError::UnknownViewer(request.viewer))?;
            let vector = |column| table.vector(column, row).map(|v| v.to_owned());
            Query {
                viewer: request.viewer,
                seed: request.seed,
                now: request.now,
                profile: Arc::new(Profile { city: trace.region.clone(), ..(*table.profile(row)).clone() }),
                content: vector(VectorColumn::Content),
                taste: vector(VectorColumn::Taste),
                position: request.position,
                effective: Arc::clone(&trace.effective),
                known: HashSet::new(),
                pool: Pool::default(),
                rates: Arc::new(trace.rates.clone().unwrap_or_default()),
            }
        };
        let found = trace.entrants.iter().enumerate();
        let candidates = found.map(|(rank, (seen, sources))| Candidate { user: seen.user, sources: sources.clone(), rank }).collect();
        let scored = trace.entrants.iter().map(|(seen, _)| seen.user);
        let standings = Some(scored.zip(trace.standings.iter().copied()).collect());
        let found = Found { candidates, degraded: trace.degraded.clone(), timings: Vec::new(), standings };
        let (deck, again) = self.rank(request, &query, found)?;
        match again.people().zip(trace.people()).find(|(here, there)| here != there) {
            // The portraits have the right versions, so only what the slabs of vectors made of them can differ.
            Some((here, _)) if again.entrants.len() == trace.entrants.len() => Err(ReplayError::Vectors(here.user)),
            _ => Ok(deck),
        }
    }
}
