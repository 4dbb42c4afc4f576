//! What a deck was made of: enough to make it again, to the last bit.
//!
//! A deck follows from its request, the configuration that held, and the portraits of the viewer and of everybody who was scored. Who was
//! scored is an input: sources look into indexes, and relations and exposures into a ledger, that nobody can bring back as they were. What
//! comes after is computed again: filters that look at portraits, terms, sides, strategy, draw, diversity, reasons.

use std::sync::Arc;

use features::ids::UserId;
use features::profile::Profile;
use index::ledger::Standing;
use index::table::VectorColumn;

use crate::config::Effective;
use crate::deck::PortraitVersion;
use crate::face::Face;
use crate::filters::Entrant;
use crate::names::SourceName;
use crate::query::{DeckRequest, Query};
use crate::strategy::Strategy;
use crate::warm::Rates;

/// What a deck was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The request; its position is the snapped one from which was ranked, its limit as it was asked.
    pub request: DeckRequest,
    /// The viewer's region.
    pub region: Option<String>,
    /// The configuration that held.
    pub effective: Arc<Effective>,
    /// The viewer.
    pub viewer: Seen,
    /// Everybody who was scored, best place in any source first, with the sources that found them.
    pub entrants: Vec<(Seen, Vec<SourceName>)>,
    /// Profiles that were newer than the portraits beside them.
    pub overlays: Vec<(UserId, Arc<Profile>)>,
    /// What was done without.
    pub degraded: Vec<String>,
    /// How everybody who was scored stood with exposure, in their order; empty where that did not count.
    pub standings: Vec<Standing>,
    /// What was usual in the segments of these people, if the strategy read it.
    pub rates: Option<Rates>,
}

/// Which portrait of somebody was read, and what of it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// The portrait; version 0 when there was a profile and no portrait yet.
    pub portrait: PortraitVersion,
    /// Whether the profile was newer than that portrait: then it is among the overlays.
    pub overlaid: bool,
    /// Whether the `content` vector could be compared: a table drops vectors of an earlier model.
    pub content: bool,
    /// Whether the `taste` vector could be compared.
    pub taste: bool,
}

impl Seen {
    /// What is read of a face.
    pub(crate) fn of(face: &Face<'_>) -> Self {
        let (generation, version) = face.version();
        Self {
            user: face.user(),
            portrait: PortraitVersion { generation, version },
            overlaid: face.overlaid(),
            content: face.vector(VectorColumn::Content).is_some(),
            taste: face.vector(VectorColumn::Taste).is_some(),
        }
    }
}

impl Trace {
    /// Takes down what is about to be scored.
    pub(crate) fn of(
        request: &DeckRequest,
        query: &Query,
        strategy: &dyn Strategy,
        viewer: &Face<'_>,
        entrants: &[Entrant<'_>],
        degraded: &[String],
        standings: &[Standing],
    ) -> Self {
        let faces = || std::iter::once(viewer).chain(entrants.iter().map(|entrant| &entrant.pair.candidate));
        let overlaid = faces().filter(|face| face.overlaid());
        Self {
            request: DeckRequest { position: query.position, ..request.clone() },
            region: query.region().map(str::to_owned),
            effective: Arc::clone(&query.effective),
            viewer: Seen::of(viewer),
            entrants: entrants.iter().map(|entrant| (Seen::of(&entrant.pair.candidate), entrant.sources.clone())).collect(),
            overlays: overlaid.map(|face| (face.user(), Arc::new(face.profile().clone()))).collect(),
            degraded: degraded.to_vec(),
            standings: standings.to_vec(),
            rates: strategy.reads_rates().then(|| query.rates.within(faces().filter_map(Face::city))),
        }
    }

    /// The viewer and everybody who was scored.
    pub fn people(&self) -> impl Iterator<Item = &Seen> {
        std::iter::once(&self.viewer).chain(self.entrants.iter().map(|(seen, _)| seen))
    }
}
