//! The indexer: portraits, Moments and their vectors into everything that finds people.
//!
//! - `portraits` → portrait table at once; Qdrant `users` and the text index where something they hold changed.
//! - `moments` → text index; `embeddings` of Moments → Qdrant `moments`.
//! - Tombstones of `portraits` take a person out everywhere.
//!
//! Apply, flush or commit each index, only then commit the offsets. The table is restored from its own snapshot; reading starts at the
//! older of the snapshot's and the group's offsets, since repeats do no harm.

mod apply;
mod job;

pub use job::{Indexer, IndexerConfig, Indexes, NAME};
