//! Where the viewer is: the request's word, else the profile's, snapped to the centre of its cell.

use super::{Hydrator, Query};
use crate::error::RankError;
use crate::recommend::Parts;

pub(super) struct Place;

impl Hydrator for Place {
    fn name(&self) -> &'static str {
        "place"
    }

    fn hydrate(&self, query: &mut Query, _parts: &Parts) -> Result<(), RankError> {
        if let Some(exact) = query.position {
            query.position = Some(index::geo::snap(exact).ok_or(RankError::Position)?);
        }
        Ok(())
    }
}
