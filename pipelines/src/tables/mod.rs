//! Records as Arrow: one table per filed topic, the same schema on the stream and in the lake, shaped like the JSON.
//!
//! Ids are text, as in JSON, times are `Timestamp(µs, UTC)`, lists and objects are lists and structs. What a profile carries in
//! `extend_data` is kept as JSON text.

mod decode;
mod embeddings;
mod events;
pub(crate) mod portrait_days;
mod portraits;
mod schema;

pub use decode::{Decoded, decode};
pub use events::events;
pub use schema::{PORTRAIT_DAYS, id_columns, lake_tables, long_columns, portrait_days_schema, schema, time_column};

use features::topic::Topic;

/// Topics that have a table: what the gate files, what it refuses, and what is computed and cannot be had again: vectors and portraits. What is
/// reported (`inbox`) is filed or refused, and features follow from their SQL.
pub const TABLES: [Topic; 10] = [
    Topic::Profiles,
    Topic::Moments,
    Topic::Interactions,
    Topic::Presence,
    Topic::Messages,
    Topic::Decks,
    Topic::Pages,
    Topic::Embeddings,
    Topic::Portraits,
    Topic::DeadLetters,
];

/// The table of a topic's name.
pub fn table_of(topic: &str) -> Option<Topic> {
    TABLES.into_iter().find(|table| table.name() == topic)
}
