//! Nearness: `2^(−km / distance_half_km)`, with the middle of the bucket for the kilometres, so that no score tells more about a place
//! than the bucket beside it. Not known without both places.

use index::geo::Bucket;

use super::{Between, Scorer, halving};
use crate::config::Curves;
use crate::face::Face;
use crate::names::TermName;

pub(super) struct Distance;

/// Nearness of a bucket, 0 to 1; nothing when a place is not known.
pub(crate) fn nearness(bucket: Bucket, curves: &Curves) -> Option<f32> {
    let middle = match bucket {
        Bucket::Under5 => 2.5,
        Bucket::Under10 => 7.5,
        Bucket::Under20 => 15.0,
        Bucket::Under50 => 35.0,
        Bucket::Under100 => 75.0,
        Bucket::Farther => 150.0,
        Bucket::Unknown => return None,
    };
    Some(halving(middle, curves.distance_half_km))
}

impl Scorer for Distance {
    fn name(&self) -> TermName {
        TermName::Distance
    }

    fn value(&self, _judge: &Face<'_>, _other: &Face<'_>, between: &Between<'_>) -> Option<f32> {
        nearness(between.bucket, between.curves)
    }

    fn mutual(&self) -> bool {
        true
    }
}
