//! Filters: hard rules. Where both people have a say, both must agree; what is not known counts as a no.
//!
//! They run in the order of cost. The first that refuses a candidate is named, with a reason that gives away neither places nor the
//! other's limits.

mod age;
mod blocked;
mod distance;
mod friends;
mod gender;
mod hidden;
mod known;
mod myself;
mod shown;

use features::ids::UserId;
use index::ledger::Ledger;

use crate::deck::Removed;
use crate::face::{Face, Pair};
use crate::measure::{StageTiming, Watch};
use crate::names::{FilterName, SourceName};
use crate::query::Query;
use crate::sources::Candidate;

/// Why somebody is refused, in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// What filters may ask.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The request.
    pub query: &'a Query,
    /// Relations and exposures, as they are now.
    pub ledger: &'a Ledger,
}

/// A candidate that is known, with where they came from.
#[derive(Debug)]
pub struct Entrant<'a> {
    /// The two people.
    pub pair: Pair<'a>,
    /// Where the candidate came from.
    pub sources: Vec<SourceName>,
    /// Best place in any source's ranking.
    pub rank: usize,
}

/// A hard rule.
pub trait Filter: Send + Sync {
    /// Its name.
    fn name(&self) -> FilterName;

    /// Why the candidate may not be shown; nothing if they may.
    fn refuse(&self, scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal>;

    /// Takes the refused out of `entrants` and records them, measured.
    fn run(&self, scene: &Scene<'_>, entrants: &mut Vec<Entrant<'_>>, removed: &mut Vec<Removed>) -> StageTiming {
        let watch = Watch::start("filter", self.name().name(), entrants.len());
        entrants.retain(|entrant| match self.refuse(scene, &entrant.pair) {
            None => true,
            Some(refusal) => {
                removed.push(Removed::new(entrant.pair.candidate.user(), self.name(), refusal));
                false
            }
        });
        watch.stop(entrants.len())
    }
}

/// Every filter, cheap ones first.
pub(crate) fn filters() -> Vec<Box<dyn Filter>> {
    vec![
        Box::new(myself::Myself),
        Box::new(hidden::Hidden),
        Box::new(blocked::Blocked),
        Box::new(shown::AlreadyShown),
        Box::new(friends::AlreadyFriends),
        Box::new(known::AlreadyAnswered),
        Box::new(gender::Gender),
        Box::new(age::Age),
        Box::new(distance::Distance),
    ]
}

/// Leaves the `most` best by rank in any source, for the cost of a deck is bounded, and records the others.
pub(crate) fn bound(entrants: &mut Vec<Entrant<'_>>, most: usize, removed: &mut Vec<Removed>) {
    let refusal = Refusal {
        en: "more candidates than are scored; stood low in every source",
        zh: "候选人过多，此人在各来源中排名靠后，未参与打分",
    };
    entrants.sort_by_key(|entrant| (entrant.rank, entrant.pair.candidate.user()));
    let low = entrants.drain(most.min(entrants.len())..);
    removed.extend(low.map(|entrant| Removed::new(entrant.pair.candidate.user(), FilterName::NotScored, refusal)));
}

/// Meets candidates with the viewer; those of whom nothing is known are refused.
pub(crate) fn enter<'a>(
    viewer: &'a Face<'a>,
    candidates: Vec<Candidate>,
    removed: &mut Vec<Removed>,
    face: impl Fn(UserId) -> Option<Face<'a>>,
) -> Vec<Entrant<'a>> {
    let mut entrants = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match face(candidate.user) {
            Some(face) => entrants.push(Entrant { pair: Pair::new(viewer, face), sources: candidate.sources, rank: candidate.rank }),
            None => {
                let refusal = Refusal {
                    en: "nothing is known of this person (yet, or any more)",
                    zh: "没有此人的画像（尚未建立或已删除）",
                };
                removed.push(Removed::new(candidate.user, FilterName::NoPortrait, refusal));
            }
        }
    }
    entrants
}

#[cfg(test)]
mod tests;
