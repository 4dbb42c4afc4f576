//! Within the distance limits of both, between snapped places. With a limit and a place missing, nobody can say so: refused.

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Distance;

impl Filter for Distance {
    fn name(&self) -> FilterName {
        FilterName::Distance
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let limits = [pair.viewer, &pair.candidate].map(|face| face.limits().max_distance_km);
        let limit = limits.into_iter().flatten().min()?;
        match pair.km {
            None => Some(Refusal {
                en: "one of the two has a distance limit and a place is not known",
                zh: "其中一方有距离限制，但位置未知",
            }),
            Some(km) => (km > f64::from(limit))
                .then_some(Refusal { en: "beyond the distance limit of one of the two", zh: "超出其中一方的距离限制" }),
        }
    }
}
