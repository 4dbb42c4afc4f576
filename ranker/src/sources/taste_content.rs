//! People whose `content` the viewer's `taste` likes.

use async_trait::async_trait;
use features::ids::UserId;
use index::table::VectorColumn;

use super::{Source, similar};
use crate::error::SourceError;
use crate::names::SourceName;
use crate::query::Query;
use crate::recommend::Parts;

pub(super) struct TasteContent;

#[async_trait]
impl Source for TasteContent {
    fn name(&self) -> SourceName {
        SourceName::TasteContent
    }

    async fn find(&self, query: &Query, parts: &Parts, limit: usize) -> Result<Vec<UserId>, SourceError> {
        match &query.taste {
            Some(vector) => similar::closest(query, parts, VectorColumn::Content, vector, limit).await,
            None => Ok(Vec::new()),
        }
    }
}
