//! Each must be of a gender that the other looks for.

use features::profile::Profile;

use super::{Filter, Refusal, Scene};
use crate::face::Pair;
use crate::names::FilterName;

pub(super) struct Gender;

impl Filter for Gender {
    fn name(&self) -> FilterName {
        FilterName::Gender
    }

    fn refuse(&self, _scene: &Scene<'_>, pair: &Pair<'_>) -> Option<Refusal> {
        let (viewer, candidate) = (pair.viewer.profile(), pair.candidate.profile());
        let wants = |who: &Profile, whom: &Profile| who.preferences.genders.is_empty() || who.preferences.genders.contains(&whom.gender);
        if !wants(viewer, candidate) {
            return Some(Refusal { en: "not a gender the viewer looks for", zh: "性别不符合查看者的期望" });
        }
        (!wants(candidate, viewer)).then_some(Refusal { en: "looks for another gender", zh: "查看者的性别不符合对方的期望" })
    }
}
