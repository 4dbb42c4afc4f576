//! Vectors: one trait over Qdrant Edge (in the process) and a Qdrant server.
//!
//! Two collections: `users` with the named vectors `content` and `taste`, and `moments` with `content`. Ids are the 64-bit ids
//! of users and Moments. What an `Ok` means: after [`VectorIndex::upsert`] the points are found by searches; after
//! [`VectorIndex::flush`] they also survive a kill. So: flush, then commit the offsets that led here; repeats are harmless.

mod edge;
mod exact;
mod filter;
mod server;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use features::ids::UserId;
use features::profile::{Gender, Position};

pub use self::edge::EdgeVectors;
pub use self::exact::ExactVectors;
pub use self::server::ServerVectors;
use crate::IndexError;

/// A collection of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// People: vectors `content` and `taste`.
    Users,
    /// Moments: vector `content`.
    Moments,
}

impl Collection {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Users, Self::Moments];

    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Moments => "moments",
        }
    }

    /// The named vectors it has.
    pub const fn vectors(self) -> &'static [VectorName] {
        match self {
            Self::Users => &[VectorName::Content, VectorName::Taste],
            Self::Moments => &[VectorName::Content],
        }
    }
}

/// Which vector of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VectorName {
    /// Who somebody is; what a Moment is about.
    Content,
    /// Whom somebody likes.
    Taste,
}

impl VectorName {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Taste => "taste",
        }
    }
}

/// What is known of a person beside the vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct UserPayload {
    /// Gender.
    pub gender: Gender,
    /// Birth date in days since 1970-01-01.
    pub birth_days: i32,
    /// Snapped position ([`crate::geo::snap`]).
    pub position: Option<Position>,
    /// Whether the person may be shown.
    pub visible: bool,
}

/// What is known of a Moment beside the vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MomentPayload {
    /// Who published it.
    pub author: UserId,
    /// When.
    pub published_at: DateTime<Utc>,
}

/// What is known of a point beside the vectors.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Of a person.
    User(UserPayload),
    /// Of a Moment.
    Moment(MomentPayload),
}

/// A point to store; replaces the one with the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorPoint {
    /// Id of the user or Moment.
    pub id: u64,
    /// Named vectors of the index's dimension; those not given are removed.
    pub vectors: Vec<(VectorName, Vec<f32>)>,
    /// What filters read.
    pub payload: Payload,
}

/// What a hit must fulfil. The default lets everything through.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorFilter {
    /// Genders as bits of [`Gender::bit`]; 0 means all.
    pub genders: u8,
    /// Birth dates in days since 1970-01-01.
    pub birth_days: Option<RangeInclusive<i32>>,
    /// Within so many kilometres of a place.
    pub near: Option<(Position, f64)>,
    /// Only people who may be shown.
    pub visible_only: bool,
    /// Only Moments of this author.
    pub author: Option<UserId>,
}

/// A nearest-neighbour query by cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorQuery {
    /// Which vector is compared.
    pub name: VectorName,
    /// With what; of the index's dimension.
    pub vector: Vec<f32>,
    /// Among whom.
    pub filter: VectorFilter,
    /// How many at most.
    pub limit: usize,
}

/// A found point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Id of the user or Moment.
    pub id: u64,
    /// Cosine, −1 to 1.
    pub score: f32,
}

/// A store of vectors. See the module for what an `Ok` means.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// Adds or replaces points.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached; some of the points may then be stored.
    async fn upsert(&self, collection: Collection, points: Vec<VectorPoint>) -> Result<(), IndexError>;

    /// Removes points; unknown ids are ignored.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    async fn delete(&self, collection: Collection, ids: Vec<u64>) -> Result<(), IndexError>;

    /// The closest points, best first.
    ///
    /// # Errors
    /// When the store refuses (a vector of another dimension) or cannot be reached.
    async fn search(&self, collection: Collection, query: VectorQuery) -> Result<Vec<Hit>, IndexError>;

    /// Makes everything upserted and deleted before durable.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn flush(&self) -> Result<(), IndexError>;

    /// Builds graphs over what was added since the last time; a burst of work in the process, nothing to do on a server.
    ///
    /// # Errors
    /// When the store fails.
    async fn optimize(&self) -> Result<(), IndexError>;

    /// Removes the Moments of some authors.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    async fn delete_of(&self, authors: Vec<UserId>) -> Result<(), IndexError>;

    /// Takes what was deleted out of the files, too, so that nobody reads it there. A server does that when its optimizer comes to it.
    ///
    /// # Errors
    /// When files cannot be read or written; what was there before counts still then.
    async fn purge(&self) -> Result<(), IndexError> {
        Ok(())
    }

    /// Number of points.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn len(&self, collection: Collection) -> Result<u64, IndexError>;
}

#[cfg(test)]
mod contract;
