//! People whose `taste` the viewer's `content` suits.

use async_trait::async_trait;
use features::ids::UserId;
use index::table::VectorColumn;

use super::{Source, similar};
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct ContentTaste;

#[async_trait]
impl Source for ContentTaste {
    fn name(&self) -> SourceName {
        SourceName::ContentTaste
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        match &query.content {
            Some(vector) => similar::closest(query, parts, VectorColumn::Taste, vector, limit).await,
            None => Ok(Vec::new()),
        }
    }
}
