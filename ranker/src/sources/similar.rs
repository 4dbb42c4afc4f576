//! Nearest neighbours of a vector among those in reach: an exact int8 scan of the table when they are few, the vector index when
//! they are many (its graph then costs less than the scan).

use features::ids::UserId;
use features::vector::QVector;
use index::table::{Columns, VectorColumn};
use index::vectors::{Collection, VectorFilter, VectorName, VectorQuery};
use roaring::RoaringBitmap;

use crate::error::SourceError;
use crate::query::{Query, birth_days};
use crate::recommend::Parts;

/// People whose `column` lies closest to `vector`, best first.
pub(super) async fn closest(
    query: &Query,
    parts: &Parts,
    column: VectorColumn,
    vector: &QVector,
    limit: usize,
) -> Result<Vec<UserId>, SourceError> {
    if let Some(found) = scan(query, &parts.table.read(), column, vector, limit) {
        return Ok(found);
    }
    // People known already crowd the top of the ranking: ask for as many more, within reason.
    let more = query.known.len().min(2 * limit);
    let name = match column {
        VectorColumn::Content => VectorName::Content,
        VectorColumn::Taste => VectorName::Taste,
    };
    let asked = VectorQuery { name, vector: vector.to_f32(), filter: filter(query), limit: limit + more };
    let hits = parts.vectors.search(Collection::Users, asked).await?;
    Ok(query.take_fresh(hits.into_iter().map(|hit| UserId(hit.id)), limit))
}

fn scan(query: &Query, table: &Columns, column: VectorColumn, vector: &QVector, limit: usize) -> Option<Vec<UserId>> {
    let mut rows = query.pool.few(table, query)?;
    rows -= query.known.iter().filter_map(|user| table.row_of(*user)).collect::<RoaringBitmap>();
    let found = table.scan_cosine(column, vector, rows.iter(), limit);
    Some(found.into_iter().map(|(row, _)| table.user(row)).collect())
}

fn filter(query: &Query) -> VectorFilter {
    let preferences = &query.profile.preferences;
    VectorFilter {
        genders: query.genders(),
        birth_days: Some(birth_days(preferences, query.now)),
        near: query.position.zip(preferences.max_distance_km).map(|(at, limit)| (at, f64::from(limit))),
        visible_only: true,
        ..VectorFilter::default()
    }
}
