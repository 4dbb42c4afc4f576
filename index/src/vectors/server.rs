//! A Qdrant server or cluster, over gRPC.

use async_trait::async_trait;
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, Distance, FieldType,
    Filter, GeoPoint, GeoRadius, NamedVectors, PointStruct, PointsIdsList, Range, ScalarQuantizationBuilder, SearchPointsBuilder,
    UpsertPointsBuilder, Vector, VectorParamsBuilder, VectorsConfigBuilder, point_id::PointIdOptions,
};
use qdrant_client::{Payload as QdrantPayload, Qdrant, QdrantError};

use super::filter::{Field, MOMENT_FIELDS, USER_FIELDS, payload};
use super::{Collection, Hit, VectorFilter, VectorIndex, VectorPoint, VectorQuery};
use crate::IndexError;
use features::ids::UserId;
use features::profile::Gender;

/// Both collections on a server. Collection names carry a hash of the model, so that a new model fills new
/// collections beside the old ones.
pub struct ServerVectors {
    client: Qdrant,
    suffix: String,
}

fn failed(error: QdrantError) -> IndexError {
    IndexError::Vectors(error.to_string())
}

impl ServerVectors {
    /// Connects and makes the collections and payload indexes that lack.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn connect(url: &str, dim: usize, model: &str) -> Result<Self, IndexError> {
        let client = Qdrant::from_url(url).build().map_err(failed)?;
        let index = Self { client, suffix: format!("{:08x}", crc32c::crc32c(format!("{model} {dim}").as_bytes())) };
        for collection in Collection::ALL {
            index.ensure(collection, dim as u64).await?;
        }
        Ok(index)
    }

    fn name(&self, collection: Collection) -> String {
        format!("hongniang_{}_{}", collection.name(), self.suffix)
    }

    /// Makes what lacks of a collection. Whoever made it before, another node or a node that was killed half-way, does not matter.
    async fn ensure(&self, collection: Collection, dim: u64) -> Result<(), IndexError> {
        let name = self.name(collection);
        if !self.client.collection_exists(&name).await.map_err(failed)? {
            self.create(collection, dim, &name).await?;
        }
        let fields: &[(&str, Field)] = if collection == Collection::Users { &USER_FIELDS } else { &MOMENT_FIELDS };
        for (field, kind) in fields {
            let kind = match kind {
                Field::Keyword => FieldType::Keyword,
                Field::Integer => FieldType::Integer,
                Field::Geo => FieldType::Geo,
                Field::Bool => FieldType::Bool,
            };
            // The server keeps an index that is there already.
            self.client.create_field_index(CreateFieldIndexCollectionBuilder::new(&name, *field, kind).wait(true)).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn create(&self, collection: Collection, dim: u64, name: &str) -> Result<(), IndexError> {
        let mut vectors = VectorsConfigBuilder::default();
        for vector in collection.vectors() {
            vectors.add_named_vector_params(vector.name(), VectorParamsBuilder::new(dim, Distance::Cosine));
        }
        let quantised = ScalarQuantizationBuilder::default().always_ram(true);
        let request = CreateCollectionBuilder::new(name).vectors_config(vectors).quantization_config(quantised);
        match self.client.create_collection(request).await {
            Ok(_) => Ok(()),
            // Two nodes that start at the same time both find nothing and both create.
            Err(_) if self.client.collection_exists(name).await.map_err(failed)? => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes both collections.
    #[cfg(test)]
    pub(super) async fn drop_collections(&self) -> Result<(), IndexError> {
        for collection in Collection::ALL {
            self.client.delete_collection(self.name(collection)).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn conditions(f: &VectorFilter) -> Filter {
    let mut must = Vec::new();
    if f.genders != 0 {
        let names = ["female", "male", "other"];
        let any: Vec<String> =
            Gender::ALL.iter().zip(names).filter(|(g, _)| f.genders & g.bit() != 0).map(|(_, name)| name.to_owned()).collect();
        must.push(Condition::matches("gender", any));
    }
    if let Some(days) = &f.birth_days {
        must.push(Condition::range(
            "birth_days",
            Range { gte: Some(f64::from(*days.start())), lte: Some(f64::from(*days.end())), ..Range::default() },
        ));
    }
    if let Some((at, km)) = f.near {
        #[expect(clippy::cast_possible_truncation, reason = "metres on the Earth")]
        let radius = (km * 1000.0) as f32;
        must.push(Condition::geo_radius("position", GeoRadius { center: Some(GeoPoint { lat: at.lat, lon: at.lon }), radius }));
    }
    if f.visible_only {
        must.push(Condition::matches("visible", true));
    }
    if let Some(author) = f.author {
        must.push(Condition::matches("author", author.to_string()));
    }
    Filter::must(must)
}

fn point(point: VectorPoint) -> Result<PointStruct, IndexError> {
    let fields = QdrantPayload::try_from(payload(&point.payload)).map_err(failed)?;
    let vectors =
        point.vectors.into_iter().fold(NamedVectors::default(), |all, (name, vector)| all.add_vector(name.name(), Vector::from(vector)));
    Ok(PointStruct::new(point.id, vectors, fields))
}

#[async_trait]
impl VectorIndex for ServerVectors {
    async fn upsert(&self, collection: Collection, points: Vec<VectorPoint>) -> Result<(), IndexError> {
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(point).collect::<Result<Vec<_>, _>>()?;
        self.client.upsert_points(UpsertPointsBuilder::new(self.name(collection), points).wait(true)).await.map_err(failed)?;
        Ok(())
    }

    async fn delete(&self, collection: Collection, ids: Vec<u64>) -> Result<(), IndexError> {
        let ids = PointsIdsList { ids: ids.into_iter().map(Into::into).collect() };
        self.client.delete_points(DeletePointsBuilder::new(self.name(collection)).points(ids).wait(true)).await.map_err(failed)?;
        Ok(())
    }

    async fn delete_of(&self, authors: Vec<UserId>) -> Result<(), IndexError> {
        let any: Vec<String> = authors.iter().map(ToString::to_string).collect();
        let theirs = Filter::must([Condition::matches("author", any)]);
        self.client
            .delete_points(DeletePointsBuilder::new(self.name(Collection::Moments)).points(theirs).wait(true))
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn search(&self, collection: Collection, query: VectorQuery) -> Result<Vec<Hit>, IndexError> {
        let request = SearchPointsBuilder::new(self.name(collection), query.vector, query.limit as u64)
            .vector_name(query.name.name())
            .filter(conditions(&query.filter));
        let found = self.client.search_points(request).await.map_err(failed)?.result;
        let hit = |p: qdrant_client::qdrant::ScoredPoint| match p.id.and_then(|id| id.point_id_options) {
            Some(PointIdOptions::Num(id)) => Some(Hit { id, score: p.score }),
            _ => None,
        };
        Ok(found.into_iter().filter_map(hit).collect())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(()) // writes wait for the server's log
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(()) // the server decides when
    }

    async fn len(&self, collection: Collection) -> Result<u64, IndexError> {
        let count = self.client.count(CountPointsBuilder::new(self.name(collection)).exact(true)).await.map_err(failed)?;
        Ok(count.result.map_or(0, |r| r.count))
    }
}
