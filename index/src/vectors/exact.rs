//! Vectors of people straight out of a portrait table: exact, nothing to keep up to date, as slow as the table is long. For evaluation and
//! for small towns; Moments are not in it.

use std::sync::Arc;

use async_trait::async_trait;
use features::ids::UserId;
use features::vector::QVector;

use super::{Collection, Hit, VectorFilter, VectorIndex, VectorName, VectorPoint, VectorQuery};
use crate::IndexError;
use crate::geo::{km, snap};
use crate::table::{Columns, PortraitTable, VectorColumn};

/// A view of a table as a vector index. What the table takes over is found at once; upserts and deletions are left to it.
#[derive(Debug, Clone)]
pub struct ExactVectors {
    table: Arc<PortraitTable>,
}

impl ExactVectors {
    /// The vectors of a table.
    pub const fn new(table: Arc<PortraitTable>) -> Self {
        Self { table }
    }
}

fn fits(table: &Columns, row: u32, filter: &VectorFilter) -> bool {
    let gender = filter.genders == 0 || filter.genders & table.limits(row).gender.bit() != 0;
    let born = filter.birth_days.as_ref().is_none_or(|days| days.contains(&table.birth_days(row)));
    let shown = !filter.visible_only || table.visible(row);
    let near = filter.near.is_none_or(|(at, limit)| {
        let here = snap(at).unwrap_or(at);
        table.position(row).is_some_and(|there| km(here, there) <= limit)
    });
    gender && born && shown && near
}

#[async_trait]
impl VectorIndex for ExactVectors {
    async fn upsert(&self, _: Collection, _: Vec<VectorPoint>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn delete(&self, _: Collection, _: Vec<u64>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn delete_of(&self, _: Vec<UserId>) -> Result<(), IndexError> {
        Ok(())
    }

    async fn search(&self, collection: Collection, query: VectorQuery) -> Result<Vec<Hit>, IndexError> {
        if collection == Collection::Moments {
            return Err(IndexError::Vectors("a portrait table has no vectors of Moments".to_owned()));
        }
        let column = match query.name {
            VectorName::Content => VectorColumn::Content,
            VectorName::Taste => VectorColumn::Taste,
        };
        let table = self.table.read();
        let rows = table.rows().filter(|row| fits(&table, *row, &query.filter));
        let found = table.scan_cosine(column, &QVector::from_f32(&query.vector), rows, query.limit);
        Ok(found.into_iter().map(|(row, score)| Hit { id: table.user(row).0, score }).collect())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn len(&self, collection: Collection) -> Result<u64, IndexError> {
        Ok(if collection == Collection::Users { self.table.len() as u64 } else { 0 })
    }
}
