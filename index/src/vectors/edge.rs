//! Qdrant Edge: the store inside the process. The only file that knows the crate.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeConfigBuilder, EdgeShard, EdgeVectorParamsBuilder, FieldIndexOperations, Filter,
    NamedQuery, PayloadFieldSchema, PayloadSchemaType, PointId, PointInsertOperations, PointOperations, PointStruct, PointStructPersisted,
    QueryEnum, ScalarQuantizationConfig, ScalarType, ScrollRequest, SearchRequest, UpdateOperation, VectorInternal, Vectors, WithVector,
};

use super::filter::{Field, MOMENT_FIELDS, USER_FIELDS, filter, payload};
use super::{Collection, Hit, VectorIndex, VectorPoint, VectorQuery};
use crate::IndexError;
use features::ids::UserId;

/// Points that are copied together.
const TOGETHER: usize = 1_000;
/// For so long a purge waits for the searches that began before it.
const LAST_SEARCHES: Duration = Duration::from_secs(60);

/// Both collections as shards in a folder.
pub struct EdgeVectors {
    folder: PathBuf,
    dim: usize,
    users: RwLock<Arc<Shard>>,
    moments: RwLock<Arc<Shard>>,
}

/// A shard that closes without taking the process with it: the crate flushes when a shard is dropped, and panics where it cannot
/// (a full disk, a folder that is gone). What was not flushed is read from the topics again.
struct Shard {
    shard: Option<EdgeShard>,
    path: PathBuf,
    /// Another one has taken its place: its files go with it.
    replaced: AtomicBool,
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, IndexError> {
        Ok(Self { shard: Some(EdgeShard::load(&path, None).map_err(failed)?), path, replaced: AtomicBool::new(false) })
    }

    fn get(&self) -> Result<&EdgeShard, IndexError> {
        self.shard.as_ref().ok_or_else(|| failed("the collection is closed"))
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let shard = self.shard.take();
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(shard))).is_err() {
            tracing::error!("a vector collection could not be written when it was closed; it is filled from the topics at the next start");
        }
        if self.replaced.load(Ordering::Acquire)
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a replaced vector collection stays until the next start");
        }
    }
}

/// Which folder of a collection counts: `<collection>.at` has its number; without it the first.
fn number(folder: &Path, collection: Collection) -> u64 {
    let at = std::fs::read_to_string(folder.join(format!("{}.at", collection.name())));
    at.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn place(folder: &Path, collection: Collection, number: u64) -> PathBuf {
    folder.join(if number == 0 { collection.name().to_owned() } else { format!("{}-{number}", collection.name()) })
}

/// Removes the folders of a collection that do not count: what a purge left that was killed.
fn clear(folder: &Path, collection: Collection) -> std::io::Result<()> {
    let counts = place(folder, collection, number(folder, collection));
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of_it = name == collection.name() || name.strip_prefix(collection.name()).is_some_and(|rest| rest.starts_with('-'));
        if of_it && path != counts && path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
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
        let load = |c: Collection| -> Result<_, IndexError> {
            clear(folder, c).map_err(IndexError::io(folder))?;
            Ok(RwLock::new(Arc::new(Shard::open(place(folder, c, number(folder, c)))?)))
        };
        Ok(Self { folder: folder.to_path_buf(), dim, users: load(Collection::Users)?, moments: load(Collection::Moments)? })
    }

    fn shard(&self, collection: Collection) -> &RwLock<Arc<Shard>> {
        if collection == Collection::Users { &self.users } else { &self.moments }
    }

    fn current(&self, collection: Collection) -> Arc<Shard> {
        Arc::clone(&self.shard(collection).read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Copies what is left of a collection into a new folder, which then counts, and removes the old one: its files and its write-ahead log
    /// have what was deleted. Nobody may write meanwhile.
    async fn renew(&self, collection: Collection) -> Result<(), IndexError> {
        let old = self.current(collection);
        let (folder, dim, from) = (self.folder.clone(), self.dim, Arc::clone(&old));
        let copied = tokio::task::spawn_blocking(move || copy(&folder, dim, collection, &from));
        let new = copied.await.map_err(|e| IndexError::Worker(e.to_string()))??;
        *self.shard(collection).write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        old.replaced.store(true, Ordering::Release);
        let gone = Arc::downgrade(&old);
        drop(old);
        let mut waited = Duration::ZERO;
        while gone.strong_count() > 0 && waited < LAST_SEARCHES {
            tokio::time::sleep(Duration::from_millis(20)).await;
            waited += Duration::from_millis(20);
        }
        Ok(())
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
        let shard = self.current(collection);
        let work = move || shard.get().and_then(work);
        tokio::task::spawn_blocking(work).await.map_err(|e| IndexError::Worker(e.to_string()))?
    }
}

/// Every point of a shard in a new one, which counts from now on for whoever opens the folder.
fn copy(folder: &Path, dim: usize, collection: Collection, from: &Shard) -> Result<Shard, IndexError> {
    clear(folder, collection).map_err(IndexError::io(folder))?;
    let next = number(folder, collection) + 1;
    let path = place(folder, collection, next);
    let (old, new) = (from.get()?, create(&path, collection, dim)?);
    let mut offset = None;
    loop {
        let some = ScrollRequest { offset, limit: Some(TOGETHER), with_vector: WithVector::Bool(true), ..ScrollRequest::default() };
        let (records, rest) = old.scroll(some).map_err(failed)?;
        let points: Vec<PointStructPersisted> =
            records.into_iter().map(TryInto::try_into).collect::<Result<_, String>>().map_err(failed)?;
        if !points.is_empty() {
            let insert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            new.update(UpdateOperation::PointOperation(insert)).map_err(failed)?;
        }
        offset = rest;
        if offset.is_none() {
            break;
        }
    }
    new.flush();
    drop(new);
    let shard = Shard::open(path)?;
    let (at, beside) = (folder.join(format!("{}.at", collection.name())), folder.join(format!("{}.at.tmp", collection.name())));
    std::fs::write(&beside, next.to_string()).and_then(|()| std::fs::rename(&beside, &at)).map_err(IndexError::io(&at))?;
    Ok(shard)
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

    async fn delete_of(&self, authors: Vec<UserId>) -> Result<(), IndexError> {
        let any: Vec<String> = authors.iter().map(ToString::to_string).collect();
        let theirs = serde_json::json!({"must": [{"key": "author", "match": {"any": any}}]});
        let theirs: Filter = serde_json::from_value(theirs).map_err(failed)?;
        let operation = UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(theirs));
        self.run(Collection::Moments, |shard| shard.update(operation).map_err(failed)).await
    }

    async fn purge(&self) -> Result<(), IndexError> {
        for collection in Collection::ALL {
            self.renew(collection).await?;
        }
        Ok(())
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
