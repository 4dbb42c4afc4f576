//! Whom the viewer knows already: sources need not look for them.

use chrono::TimeDelta;

use super::{Hydrator, Query};
use crate::error::RankError;
use crate::recommend::Parts;

pub(super) struct Memory;

impl Hydrator for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn hydrate(&self, query: &mut Query, parts: &Parts) -> Result<(), RankError> {
        let window = TimeDelta::days(i64::from(query.config().deck.exposure_window_days));
        query.known = parts.ledger.shown_set(query.viewer, query.now, window);
        query.known.extend(parts.ledger.liked_by(query.viewer));
        query.known.extend(parts.ledger.passed_by(query.viewer));
        Ok(())
    }
}
