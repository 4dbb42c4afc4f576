//! Qdrant Edge: the store inside the process. The only file that knows the crate.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeConfigBuilder, EdgeShard, EdgeVectorParamsBuilder, FieldIndexOperations, Filter,
    NamedQuery, PayloadFieldSchema, PayloadSchemaType, PointId, PointInsertOperations, PointOperations, PointStruct, QueryEnum,
    ScalarQuantizationConfig, ScalarType, SearchRequest, UpdateOperation, VectorInternal, Vectors,
};

use super::filter::{Field, MOMENT_FIELDS, USER_FIELDS, filter, payload};
use super::{Collection, Hit, VectorIndex, VectorPoint, VectorQuery};
use crate::IndexError;

/// Both collections as shards in a folder.
pub struct EdgeVectors {
    users: Arc<Shard>,
    moments: Arc<Shard>,
}

/// A shard that closes without taking the process with it: the crate flushes when a shard is dropped, and panics where it cannot
/// (a full disk, a folder that is gone). What was not flushed is read from the topics again.
struct Shard(Option<EdgeShard>);

impl Drop for Shard {
    fn drop(&mut self) {
        let shard = self.0.take();
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(shard))).is_err() {
            tracing::error!("a vector collection could not be written when it was closed; it is filled from the topics at the next start");
        }
    }
}

fn failed(error: impl ToString) -> IndexError {
    IndexError::Vectors(error.to_string())
}

fn config(collection: Collection, dim: usize) -> EdgeConfig {
    let mut builder = EdgeConfigBuilder::new();
    for name in collection.vectors() {
        let quantised = ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile: Some(0.99), always_ram: Some(true) };
        builder =
            builder.vector(name.name(), EdgeVectorParamsBuilder::new(dim, Distance::Cosine).quantization_config(quantised.into()).build());
    }
    builder.build()
}

fn create(path: &Path, collection: Collection, dim: usize) -> Result<EdgeShard, IndexError> {
    std::fs::create_dir_all(path).map_err(IndexError::io(path))?;
    let shard = EdgeShard::new(path, config(collection, dim)).map_err(failed)?;
    let fields: &[(&str, Field)] = if collection == Collection::Users { &USER_FIELDS } else { &MOMENT_FIELDS };
    for (name, field) in fields {
        let schema = match field {
            Field::Keyword => PayloadSchemaType::Keyword,
            Field::Integer => PayloadSchemaType::Integer,
            Field::Geo => PayloadSchemaType::Geo,
            Field::Bool => PayloadSchemaType::Bool,
        };
        let field_name = name.parse().map_err(|()| failed(format!("field name {name}")))?;
        let index = CreateIndex { field_name, field_schema: Some(PayloadFieldSchema::FieldType(schema)) };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index))).map_err(failed)?;
    }
    shard.flush();
    Ok(shard)
}

impl EdgeVectors {
    /// Opens the collections in `folder`, or makes them. They belong to one model: when `model` or `dim` differ from what the folder
    /// was made with, it starts empty, because vectors of two models cannot be compared; the
    /// caller then reads the topics from the start.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, dim: usize, model: &str) -> Result<Self, IndexError> {
        let marker = folder.join("model");
        let wanted = format!("{model} {dim}\n");
        if std::fs::read_to_string(&marker).ok().as_deref() != Some(&wanted) {
            if folder.exists() {
                std::fs::remove_dir_all(folder).map_err(IndexError::io(folder))?;
            }
            for collection in Collection::ALL {
                create(&folder.join(collection.name()), collection, dim)?;
            }
            std::fs::write(&marker, &wanted).map_err(IndexError::io(&marker))?;
        }
        let load = |c: Collection| EdgeShard::load(&folder.join(c.name()), None).map(|shard| Arc::new(Shard(Some(shard)))).map_err(failed);
        Ok(Self { users: load(Collection::Users)?, moments: load(Collection::Moments)? })
    }

    /// Where the collections of a data folder lie.
    pub fn folder(data: &Path) -> PathBuf {
        data.join("vectors")
    }

    async fn run<T: Send + 'static>(
        &self,
        collection: Collection,
        work: impl FnOnce(&EdgeShard) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let shard = Arc::clone(if collection == Collection::Users { &self.users } else { &self.moments });
        let work = move || shard.0.as_ref().map_or_else(|| Err(failed("the collection is closed")), work);
        tokio::task::spawn_blocking(work).await.map_err(|e| IndexError::Worker(e.to_string()))?
    }
}

#[async_trait]
impl VectorIndex for EdgeVectors {
    async fn upsert(&self, collection: Collection, points: Vec<VectorPoint>) -> Result<(), IndexError> {
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(|p| {
            let vectors = Vectors::new_named(p.vectors.into_iter().map(|(name, vector)| (name.name(), vector)));
            PointStruct::new(p.id, vectors, payload(&p.payload)).into()
        });
        let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(PointInsertOperations::PointsList(points.collect())));
        self.run(collection, |shard| shard.update(operation).map_err(failed)).await
    }

    async fn delete(&self, collection: Collection, ids: Vec<u64>) -> Result<(), IndexError> {
        let ids = ids.into_iter().map(PointId::NumId).collect();
        self.run(collection, |shard| shard.update(UpdateOperation::PointOperation(PointOperations::DeletePoints { ids })).map_err(failed))
            .await
    }

    async fn search(&self, collection: Collection, query: VectorQuery) -> Result<Vec<Hit>, IndexError> {
        let filter: Filter = serde_json::from_value(filter(&query.filter)).map_err(failed)?;
        let request = SearchRequest {
            query: QueryEnum::Nearest(NamedQuery::new(VectorInternal::Dense(query.vector), query.name.name())),
            filter: Some(filter),
            params: None,
            limit: query.limit,
            offset: 0,
            with_payload: None,
            with_vector: None,
            score_threshold: None,
        };
        let found = self.run(collection, |shard| shard.search(request).map_err(failed)).await?;
        let hit = |p: &qdrant_edge::ScoredPoint| match p.id {
            PointId::NumId(id) => Some(Hit { id, score: p.score }),
            PointId::Uuid(_) => None,
        };
        Ok(found.iter().filter_map(hit).collect())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        for collection in Collection::ALL {
            self.run(collection, |shard| {
                shard.flush();
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        for collection in Collection::ALL {
            self.run(collection, |shard| shard.optimize().map(|_| ()).map_err(failed)).await?;
        }
        Ok(())
    }

    async fn len(&self, collection: Collection) -> Result<u64, IndexError> {
        let count = self.run(collection, |shard| shard.count(CountRequest { filter: None, exact: true }).map_err(failed)).await?;
        Ok(count as u64)
    }
}
