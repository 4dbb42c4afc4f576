//! Query hydration: what is known of the request before anybody is looked for.
//!
//! [`Query::begin`] reads the viewer; then the hydrators add, in order: [`place`](place::Place), [`memory`](memory::Memory),
//! [`pool`](pool::InReach).

mod memory;
mod place;
mod pool;

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::{Position, Profile};
use features::vector::QVector;
use index::ledger::Ledger;
use index::table::{Columns, VectorColumn};
use roaring::RoaringBitmap;

pub use self::pool::Pool;
pub(crate) use self::pool::birth_days;
use crate::config::{Effective, RankerConfig};
use crate::error::RankError;
use crate::measure::{StageTiming, Watch};
use crate::recommend::Parts;
use crate::warm::Rates;

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct DeckRequest {
    /// Who looks.
    pub viewer: UserId,
    /// A name for the deck.
    pub deck_id: String,
    /// The seed of every draw.
    pub seed: u64,
    /// The time at which everything is read.
    pub now: DateTime<Utc>,
    /// Where the viewer is; without it the profile's place counts. Snapped before anything else sees it.
    pub position: Option<Position>,
    /// How many people at most; the configured deck size bounds it.
    pub limit: usize,
}

/// A request with what is known of the viewer. Owns what it knows, because sources may wait.
#[derive(Debug, Clone)]
pub struct Query {
    /// Who looks.
    pub viewer: UserId,
    /// The seed of every draw.
    pub seed: u64,
    /// The time at which everything is read.
    pub now: DateTime<Utc>,
    /// The viewer's profile.
    pub profile: Arc<Profile>,
    /// Who the viewer is.
    pub content: Option<QVector>,
    /// Whom the viewer likes.
    pub taste: Option<QVector>,
    /// Where the viewer is, snapped.
    pub position: Option<Position>,
    /// What holds in the viewer's region.
    pub effective: Arc<Effective>,
    /// Shown lately, liked, followed or passed; [`Query::knows`] adds those who are passed meanwhile.
    pub known: HashSet<UserId>,
    /// Among whom sources look.
    pub pool: Pool,
    /// What is usual among people of everybody's segment.
    pub rates: Arc<Rates>,
}

impl Query {
    /// Reads the viewer's portrait.
    ///
    /// # Errors
    /// When there is none.
    pub fn begin(request: &DeckRequest, parts: &Parts, effective: impl Fn(Option<&str>) -> Arc<Effective>) -> Result<Self, RankError> {
        let table = parts.table.read();
        let row = table.row_of(request.viewer).ok_or(RankError::UnknownViewer(request.viewer))?;
        let profile = table.profile(row);
        let effective = effective(profile.city.as_deref());
        let vector = |column| table.vector(column, row).map(|v| v.to_owned());
        Ok(Self {
            viewer: request.viewer,
            seed: request.seed,
            now: request.now,
            content: vector(VectorColumn::Content),
            taste: vector(VectorColumn::Taste),
            position: request.position.or(profile.position),
            profile,
            effective,
            known: HashSet::new(),
            pool: Pool::default(),
            rates: parts.rates.get(),
        })
    }

    /// The configuration that holds.
    pub fn config(&self) -> &RankerConfig {
        &self.effective.config
    }

    /// The viewer's region.
    pub fn region(&self) -> Option<&str> {
        self.profile.city.as_deref()
    }

    /// Genders the viewer looks for, as bits; 0 means all.
    pub fn genders(&self) -> u8 {
        self.profile.preferences.genders.iter().fold(0, |bits, gender| bits | gender.bit())
    }

    /// Whether it would be in vain to look for somebody: the viewer, whom the viewer was shown within the exposure window, and whom
    /// the viewer likes, follows or has passed, however long ago.
    pub fn knows(&self, ledger: &Ledger, user: UserId) -> bool {
        user == self.viewer || self.known.contains(&user) || ledger.passed(self.viewer, user)
    }

    /// The rows of those whom the viewer knows already, and of the viewer.
    pub fn known_rows(&self, table: &Columns) -> RoaringBitmap {
        self.known.iter().chain([&self.viewer]).filter_map(|user| table.row_of(*user)).collect()
    }

    /// Takes from a source's ranking until `limit` fresh people are together. People known already who stand between them are
    /// taken along, at most `limit`, so that the filters can say why they are not shown.
    pub fn take_fresh(&self, ledger: &Ledger, ranking: impl IntoIterator<Item = UserId>, limit: usize) -> Vec<UserId> {
        let (mut taken, mut fresh) = (Vec::new(), 0);
        for user in ranking {
            if fresh == limit {
                break;
            }
            if !self.knows(ledger, user) {
                fresh += 1;
                taken.push(user);
            } else if taken.len() - fresh < limit {
                taken.push(user);
            }
        }
        taken
    }
}

/// Adds to a query what is known.
pub trait Hydrator: Send + Sync {
    /// Its name in metrics.
    fn name(&self) -> &'static str;

    /// Adds it.
    ///
    /// # Errors
    /// When the request cannot be answered.
    fn hydrate(&self, query: &mut Query, parts: &Parts) -> Result<(), RankError>;

    /// [`Self::hydrate`], measured.
    ///
    /// # Errors
    /// Those of [`Self::hydrate`].
    fn run(&self, query: &mut Query, parts: &Parts) -> Result<StageTiming, RankError> {
        let watch = Watch::start("query", self.name(), 1);
        self.hydrate(query, parts)?;
        Ok(watch.stop(1))
    }
}

/// Every hydrator, in order.
pub(crate) fn hydrators() -> Vec<Box<dyn Hydrator>> {
    vec![Box::new(place::Place), Box::new(memory::Memory), Box::new(pool::InReach)]
}

/// The hydrators that a page needs, which looks for nobody.
pub(crate) fn page_hydrators() -> Vec<Box<dyn Hydrator>> {
    vec![Box::new(place::Place)]
}
