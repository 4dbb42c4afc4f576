//! Records as Arrow: one table per filed topic, the same schema on the stream and in the lake, shaped like the JSON.
//!
//! Ids are text, as in JSON, times are `Timestamp(µs, UTC)`, lists and objects are lists and structs. What a profile carries in
//! `extend_data` is kept as JSON text.

mod decode;
mod events;
mod portraits;
mod schema;

pub use decode::{Decoded, decode};
pub use events::events;
pub use schema::{id_columns, long_columns, schema, time_column};

use features::topic::Topic;

/// Topics that have a table: what the gate files, what it refuses, and the portraits.
pub const TABLES: [Topic; 9] = [
    Topic::Profiles,
    Topic::Moments,
    Topic::Interactions,
    Topic::Presence,
    Topic::Messages,
    Topic::Decks,
    Topic::Pages,
    Topic::Portraits,
    Topic::DeadLetters,
];

/// The table of a topic's name.
pub fn table_of(topic: &str) -> Option<Topic> {
    TABLES.into_iter().find(|table| table.name() == topic)
}
