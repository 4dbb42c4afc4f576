//! The schemas.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use features::topic::Topic;

fn must(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn may(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(may("item", of)))
}

fn record(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

const TEXT: DataType = DataType::Utf8;

fn position() -> DataType {
    record(vec![must("lat", DataType::Float64), must("lon", DataType::Float64)])
}

/// The columns that every event begins with.
fn event(rest: Vec<Field>) -> Vec<Field> {
    let head = vec![must("event_id", TEXT), must("event_time", time()), must("kind", TEXT), may("request_id", TEXT)];
    head.into_iter().chain(rest).collect()
}

fn interactions() -> Vec<Field> {
    event(vec![
        must("actor_id", TEXT),
        must("target_id", TEXT),
        may("moment_id", TEXT),
        may("text", TEXT),
        may("tags", list(TEXT)),
        may("deck_id", TEXT),
        may("position", DataType::Int64),
        may("experiments", list(TEXT)),
        may("propensity", DataType::Float64),
    ])
}

fn presence() -> Vec<Field> {
    event(vec![must("user_id", TEXT), may("position", position())])
}

fn messages() -> Vec<Field> {
    event(vec![must("conversation_id", TEXT), must("sender_id", TEXT), must("receiver_id", TEXT), must("chars", DataType::Int64)])
}

fn moments() -> Vec<Field> {
    let answer = record(vec![must("question", TEXT), must("answer", TEXT)]);
    let media = record(vec![must("kind", TEXT), must("object", TEXT), may("seconds", DataType::Float32)]);
    event(vec![
        must("moment_id", TEXT),
        must("author_id", TEXT),
        must("published_at", time()),
        may("title", TEXT),
        may("text", TEXT),
        may("answers", list(answer)),
        may("tags", list(TEXT)),
        may("media", list(media)),
        must("text_chars", DataType::Int64),
        must("answer_chars", DataType::Int64),
        must("media_count", DataType::Int64),
    ])
}

fn profiles() -> Vec<Field> {
    let preferences = record(vec![
        may("genders", list(TEXT)),
        may("min_age", DataType::Int32),
        may("max_age", DataType::Int32),
        may("max_distance_km", DataType::Int64),
    ]);
    let profile = record(vec![
        must("nickname", TEXT),
        must("gender", TEXT),
        must("birth_date", DataType::Date32),
        may("height_cm", DataType::Int32),
        may("education", TEXT),
        may("occupation", TEXT),
        may("city", TEXT),
        may("position", position()),
        may("languages", list(TEXT)),
        may("tags", list(TEXT)),
        may("bio", TEXT),
        may("photos", DataType::Int32),
        may("preferences", preferences),
        may("hidden", DataType::Boolean),
        may("banned", DataType::Boolean),
        may("virtual", DataType::Boolean),
        must("created_at", time()),
        may("extend_data", TEXT),
        may("visibility", TEXT),
        may("verified", DataType::Boolean),
        may("album", list(TEXT)),
        may("revision", DataType::Int64),
    ]);
    event(vec![must("user_id", TEXT), may("profile", profile)])
}

fn decks() -> Vec<Field> {
    event(vec![
        must("deck_id", TEXT),
        must("viewer_id", TEXT),
        must("made_at", time()),
        must("seed", TEXT),
        must("config_version", TEXT),
        may("region", TEXT),
        must("strategy", TEXT),
        may("experiments", list(TEXT)),
        may("degraded", list(TEXT)),
        must("scored", DataType::Int64),
        must("size", DataType::Int64),
        must("program", TEXT),
        must("record", TEXT),
    ])
}

fn pages() -> Vec<Field> {
    let item = record(vec![
        must("user_id", TEXT),
        must("position", DataType::Int64),
        must("score", DataType::Float32),
        must("worth", DataType::Float32),
        must("propensity", DataType::Float32),
        may("sources", list(TEXT)),
        may("reasons", list(TEXT)),
        must("generation", DataType::Int64),
        must("version", DataType::Int64),
        may("profile", TEXT),
    ]);
    let removed = record(vec![must("user_id", TEXT), must("filter", TEXT)]);
    event(vec![
        must("deck_id", TEXT),
        must("viewer_id", TEXT),
        must("first", DataType::Int64),
        must("next", DataType::Int64),
        must("language", TEXT),
        may("items", list(item)),
        may("removed", list(removed)),
        must("body_sha256", TEXT),
        must("body_bytes", DataType::Int64),
    ])
}

/// Not shaped like the JSON: see [`super::portraits`].
fn portraits() -> Vec<Field> {
    vec![
        must("user_id", TEXT),
        must("generation", DataType::Int64),
        must("version", DataType::Int64),
        must("assembled_at", time()),
        must("updated_at", time()),
        may("model", TEXT),
        must("portrait", TEXT),
    ]
}

/// Not shaped like the JSON: see [`super::embeddings`].
fn embeddings() -> Vec<Field> {
    vec![
        must("event_time", time()),
        must("user_id", TEXT),
        must("subject", TEXT),
        may("moment_id", TEXT),
        must("model", TEXT),
        must("scale", DataType::Float32),
        must("codes", list(DataType::Int8)),
    ]
}

/// No topic: made of `portraits` once a day, see `lake::portrait_days`.
fn portrait_days() -> Vec<Field> {
    let tag = || list(record(vec![must("tag", TEXT), must("weight", DataType::Float32)]));
    let signals = [
        "activity",
        "likes",
        "impressions",
        "like_rate",
        "richness",
        "completeness",
        "likes_given",
        "looked",
        "likes_received",
        "looked_at",
        "replies",
        "comments",
    ];
    let mut fields = vec![
        must("user_id", TEXT),
        must("generation", DataType::Int64),
        must("version", DataType::Int64),
        must("updated_at", time()),
        must("nickname", TEXT),
        must("gender", TEXT),
        must("birth_date", DataType::Date32),
        must("age", DataType::Int32),
        may("height_cm", DataType::Int32),
        may("education", TEXT),
        may("occupation", TEXT),
        may("city", TEXT),
        may("lat", DataType::Float64),
        may("lon", DataType::Float64),
        may("languages", list(TEXT)),
        may("bio", TEXT),
        must("photos", DataType::Int32),
        may("wanted_genders", list(TEXT)),
        must("wanted_min_age", DataType::Int32),
        must("wanted_max_age", DataType::Int32),
        may("wanted_max_km", DataType::Int64),
        must("hidden", DataType::Boolean),
        must("banned", DataType::Boolean),
        must("virtual", DataType::Boolean),
        must("created_at", time()),
    ];
    fields.extend(signals.map(|name| must(name, DataType::Float32)));
    fields.extend([
        must("tags", tag()),
        must("liked_tags", tag()),
        must("counters", list(record(vec![must("name", TEXT), must("sum", DataType::Float64)]))),
        must("moment_ids", list(TEXT)),
        may("model", TEXT),
        may("content", list(DataType::Float32)),
        may("taste", list(DataType::Float32)),
    ]);
    fields
}

fn dead_letters() -> Vec<Field> {
    vec![
        must("refused_at", time()),
        must("job", TEXT),
        must("reason", TEXT),
        must("topic", TEXT),
        must("partition", DataType::Int32),
        must("offset", DataType::Int64),
        may("key", TEXT),
        must("raw", TEXT),
    ]
}

/// The schema of a topic's table; none for topics without one.
pub fn schema(topic: Topic) -> Option<SchemaRef> {
    static SCHEMAS: OnceLock<[SchemaRef; 10]> = OnceLock::new();
    let all = SCHEMAS.get_or_init(|| {
        let tables =
            [profiles(), moments(), interactions(), presence(), messages(), decks(), pages(), embeddings(), portraits(), dead_letters()];
        tables.map(|fields| Arc::new(Schema::new(fields)))
    });
    super::TABLES.iter().position(|table| *table == topic).map(|at| Arc::clone(&all[at]))
}

/// The name of the table of everybody's portrait at the end of each day.
pub const PORTRAIT_DAYS: &str = "portrait_days";

/// The schema of [`PORTRAIT_DAYS`].
pub fn portrait_days_schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| Arc::new(Schema::new(portrait_days()))))
}

/// Every table of the lake with its schema: those of topics, and what is made of them.
pub fn lake_tables() -> Vec<(&'static str, SchemaRef)> {
    let of_topics = super::TABLES.into_iter().filter_map(|topic| schema(topic).map(|schema| (topic.name(), schema)));
    of_topics.chain([(PORTRAIT_DAYS, portrait_days_schema())]).collect()
}

/// The column that tells which day a row belongs to.
pub fn time_column(topic: Topic) -> &'static str {
    match topic {
        Topic::DeadLetters => "refused_at",
        Topic::Portraits => "assembled_at",
        _ => "event_time",
    }
}

/// Columns that hold ids: people look rows up by them.
pub fn id_columns(topic: Topic) -> Vec<String> {
    let fields = schema(topic).map_or_else(Vec::new, |schema| schema.fields().iter().map(|f| f.name().clone()).collect());
    fields.into_iter().filter(|name| name.ends_with("_id") && name != "request_id").collect()
}

/// Columns of long texts that are all different: no dictionary helps them, and nobody looks for their bounds.
pub fn long_columns(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Decks => &["record"],
        Topic::Portraits => &["portrait"],
        _ => &[],
    }
}
