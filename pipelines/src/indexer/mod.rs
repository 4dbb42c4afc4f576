//! The indexer: portraits, Moments and their vectors into everything that finds people.
//!
//! - `portraits` → portrait table at once; Qdrant `users` and the text index where something they hold changed.
//! - `moments` → text index; `embeddings` of Moments → Qdrant `moments`.
//! - Tombstones of `portraits` take a person out everywhere.
//!
//! Apply, flush or commit each index, only then commit the offsets. The table is restored from its own snapshot; reading starts at the
//! older of the snapshot's offsets and those that lie beside the indexes, since repeats do no harm. Nothing of this is shared: every
//! serving node has indexes, and offsets, of its own.

mod apply;
mod job;
mod rebuild;
mod stand;

pub use job::{Indexer, IndexerConfig, Indexes, NAME};
pub use rebuild::rebuild;
