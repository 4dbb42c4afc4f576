//! Nearest neighbours of a vector: an exact int8 scan over those in reach when they are few, and when they are many over the nearest of
//! them or, if so configured, by the vector index, whose graph spans everybody.

use features::ids::UserId;
use features::vector::QVector;
use index::table::VectorColumn;
use index::vectors::{Collection, VectorFilter, VectorName, VectorQuery};

use crate::error::SourceError;
use crate::query::{Query, birth_days};
use crate::recommend::Parts;

/// How many times as many people are asked for when those asked for first are nearly all known already.
const DEEPER: usize = 4;

/// People whose `column` lies closest to `vector`, best first.
pub(super) async fn closest(
    query: &Query,
    parts: &Parts,
    column: VectorColumn,
    vector: &QVector,
    limit: usize,
) -> Result<Vec<UserId>, SourceError> {
    if let Some(found) = scan(query, parts, column, vector, limit) {
        return Ok(found);
    }
    let name = match column {
        VectorColumn::Content => VectorName::Content,
        VectorColumn::Taste => VectorName::Taste,
    };
    let filter = filter(query);
    let ask = async |most| {
        let asked = VectorQuery { name, vector: vector.to_f32(), filter: filter.clone(), limit: most };
        let hits = parts.vectors.search(Collection::Users, asked).await?;
        Ok::<Vec<UserId>, SourceError>(hits.into_iter().map(|hit| UserId(hit.id)).collect())
    };
    // People known already crowd the top of the ranking: ask for as many more, within reason, and deeper if that was not enough.
    let most = limit + query.known.len().min(2 * limit);
    let mut people = ask(most).await?;
    let fresh = people.iter().filter(|user| !query.knows(&parts.ledger, **user)).count();
    if fresh < limit && people.len() >= most {
        people = ask(most * DEEPER).await?;
    }
    Ok(query.take_fresh(&parts.ledger, people, limit))
}

fn scan(query: &Query, parts: &Parts, column: VectorColumn, vector: &QVector, limit: usize) -> Option<Vec<UserId>> {
    let table = parts.table.read();
    let mut rows = query.pool.few(&table, query)?;
    rows -= query.known_rows(&table);
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
