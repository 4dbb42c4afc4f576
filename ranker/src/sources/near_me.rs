//! People in the cells around the viewer, nearest rings first.
//!
//! Only the first `near_scan` are looked at, however dense the city. Where to begin in a crowded cell, and whom to take of those looked at, the
//! deck's seed decides, so that it is not always the same people who stand first in their cell.

use async_trait::async_trait;
use features::ids::UserId;

use super::Source;
use crate::chance::{Purpose, bits, sample};
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
        let turn = bits(query.seed, Purpose::Sample, query.viewer);
        let around = table.near(position, wanted.min(config.near_radius_km), config.near_scan, turn);
        let known_rows = query.known_rows(&table);
        let around = around.into_iter().filter(|row| rows.contains(*row));
        let (known, fresh): (Vec<u32>, Vec<u32>) = around.partition(|row| known_rows.contains(*row));
        let drawn = sample(query.seed, fresh.into_iter().map(|row| table.user(row)), limit);
        Ok(drawn.into_iter().chain(known.into_iter().take(limit).map(|row| table.user(row))).collect())
    }
}
