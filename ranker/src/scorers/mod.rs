//! Scorers: what one person is worth to another, term by term, each between 0 and 1.
//!
//! A scorer judges in one direction; it is asked both ways, so that every term stands on the viewer's side and on the
//! candidate's. A side's score is the weighted mean of the terms that are known of it; the two sides become one by the harmonic
//! mean, which is high only when both are.

mod activity;
mod age;
mod combine;
mod completeness;
mod distance;
mod education;
mod height;
mod liked_tags;
mod popularity;
mod richness;
mod shared_tags;
mod taste;

use index::geo::Bucket;

pub use self::combine::{add_side_terms, harmonic, side_terms};
pub(crate) use self::distance::nearness;
pub use self::popularity::{exposure, popularity};
use crate::config::Curves;
use crate::face::Face;
use crate::filters::Entrant;
use crate::measure::{StageTiming, Watch};
use crate::names::TermName;

/// What scorers may ask beside the two people.
#[derive(Debug, Clone, Copy)]
pub struct Between<'a> {
    /// The distance as it may leave the platform: no term knows it better.
    pub bucket: Bucket,
    /// How differences become terms.
    pub curves: &'a Curves,
}

/// A term for both sides of every entrant, in their order: viewer's, candidate's.
pub type Column = Vec<[Option<f32>; 2]>;

/// One term of the score.
pub trait Scorer: Send + Sync {
    /// Its name.
    fn name(&self) -> TermName;

    /// What `other` is worth to `judge`, 0 to 1; nothing if it is not known.
    fn value(&self, judge: &Face<'_>, other: &Face<'_>, between: &Between<'_>) -> Option<f32>;

    /// Whether both sides always have the same value, so that it need be computed once only.
    fn mutual(&self) -> bool {
        false
    }

    /// Judges every entrant both ways, measured.
    fn run(&self, entrants: &[Entrant<'_>], curves: &Curves) -> (Column, StageTiming) {
        let watch = Watch::start("scorer", self.name().name(), entrants.len());
        let column: Column = entrants
            .iter()
            .map(|entrant| {
                let (viewer, candidate) = (entrant.pair.viewer, &entrant.pair.candidate);
                let between = Between { bucket: entrant.pair.bucket(), curves };
                let ours = self.value(viewer, candidate, &between);
                let theirs = if self.mutual() { ours } else { self.value(candidate, viewer, &between) };
                [ours, theirs].map(|value| value.map(|v| v.clamp(0.0, 1.0)))
            })
            .collect();
        let known = column.iter().filter(|sides| sides.iter().any(Option::is_some)).count();
        (column, watch.stop(known))
    }
}

/// Every scorer, in the order of [`TermName`].
pub(crate) fn scorers() -> Vec<Box<dyn Scorer>> {
    vec![
        Box::new(distance::Distance),
        Box::new(age::Age),
        Box::new(height::Height),
        Box::new(education::Education),
        Box::new(liked_tags::LikedTags),
        Box::new(shared_tags::SharedTags),
        Box::new(taste::Taste),
        Box::new(activity::Activity),
        Box::new(richness::Richness),
        Box::new(completeness::Completeness),
    ]
}

/// `2^(−x / half)`: 1 at 0, half at `half`.
fn halving(x: f64, half: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a term between 0 and 1")]
    let value = (-x.abs() / half).exp2() as f32;
    value
}

#[cfg(test)]
mod tests;
