//! People in the cells around the viewer, nearest rings first.
//!
//! Only the first `near_scan` are looked at, however dense the city; among them the deck's seed draws, so that it is not always the
//! same people who stand first in their cell.

use async_trait::async_trait;
use features::ids::UserId;

use super::Source;
use crate::chance::sample;
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct NearMe;

#[async_trait]
impl Source for NearMe {
    fn name(&self) -> SourceName {
        SourceName::NearMe
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        let Some(position) = query.position else { return Ok(Vec::new()) };
        let config = &query.config().sources;
        let wanted = query.profile.preferences.max_distance_km.map_or(config.near_radius_km, f64::from);
        let table = parts.table.read();
        let rows = query.pool.rows(&table, query);
        let around = table.near(position, wanted.min(config.near_radius_km), config.near_scan);
        let people: Vec<UserId> = around.into_iter().filter(|row| rows.contains(*row)).map(|row| table.user(row)).collect();
        let (known, fresh): (Vec<_>, Vec<_>) = people.into_iter().partition(|user| query.knows(&parts.ledger, *user));
        let drawn = sample(query.seed, fresh, limit);
        Ok(drawn.into_iter().chain(known.into_iter().take(limit)).collect())
    }
}
