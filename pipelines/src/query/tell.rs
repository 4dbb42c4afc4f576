//! What there is to ask: tables, their columns with meanings, and how much is in them.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::prelude::SessionContext;
use features::decay::column_half_life;
use features::docs::{carries, meanings, portrait_meanings};
use features::sets::{FeatureSet, feature_set};
use features::topic::Topic;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::Serialize;

use super::error::QueryError;
use super::table::{DAY, is_of_the_lake};
use super::{CATALOG, FEATURES, LAKE, STORE};
use crate::tables::{PORTRAIT_DAYS, table_of};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnFacts {
    /// Its name.
    pub column: String,
    /// Its Arrow type, in SQL's words where there are some.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means; empty where nobody has said.
    pub meaning: String,
}

/// A table, and how much is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableFacts {
    /// Its name.
    pub table: String,
    /// What it holds.
    pub holds: String,
    /// Files; none for views.
    pub files: Option<u64>,
    /// Bytes of the files.
    pub bytes: Option<u64>,
    /// Rows.
    pub rows: Option<u64>,
    /// Days that have files.
    pub days: Option<u64>,
    /// The first of them.
    pub first_day: Option<String>,
    /// The last of them.
    pub last_day: Option<String>,
}

/// Names of everything that can be asked: the lake's tables and views of the session, then feature sets as `features.<set>`.
pub fn names(session: &SessionContext) -> Vec<String> {
    let of = |schema: &str| {
        let found = session.catalog(CATALOG).and_then(|catalog| catalog.schema(schema));
        let mut names = found.map_or_else(Vec::new, |schema| schema.table_names());
        names.sort();
        names
    };
    let sets = of(FEATURES).into_iter().map(|name| format!("{FEATURES}.{name}"));
    of(LAKE).into_iter().chain(sets).collect()
}

/// What a table holds, in a line; empty for views of the session.
pub fn meaning(table: &str) -> String {
    if let Some(set) = set_of(table) {
        return format!("feature set over `{}`, computed while you ask", set.source.name());
    }
    if table == PORTRAIT_DAYS {
        return "everybody's portrait as it stood at the midnight that ends the day `dt` (UTC)".to_owned();
    }
    table_of(table).map_or_else(String::new, |topic| carries(topic).to_owned())
}

fn set_of(table: &str) -> Option<&'static FeatureSet> {
    table.strip_prefix(FEATURES).and_then(|rest| rest.strip_prefix('.')).and_then(feature_set)
}

async fn provider(session: &SessionContext, table: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
    let found = session.table_provider(TableReference::parse_str(table)).await;
    found.map_err(|_| QueryError::NoTable { name: table.to_owned(), tables: names(session).join(", ") })
}

/// The columns of a table, in order.
///
/// # Errors
/// When there is no such table.
pub async fn columns(session: &SessionContext, table: &str) -> Result<Vec<ColumnFacts>, QueryError> {
    let provider = provider(session, table).await?;
    let known = if table == PORTRAIT_DAYS { portrait_meanings() } else { table_of(table).map_or_else(Vec::new, meanings) };
    let meaning = |name: &str| {
        let told = known.iter().find(|(field, _)| field == name).map(|(_, meaning)| meaning.clone());
        told.or_else(|| lake_column(table, name)).or_else(|| set_of(table).map(|set| feature_column(set, name))).unwrap_or_default()
    };
    let schema = provider.schema();
    let facts = schema.fields().iter().map(|field| ColumnFacts {
        column: field.name().clone(),
        kind: field.data_type().to_string(),
        meaning: meaning(field.name()),
    });
    Ok(facts.collect())
}

/// Columns that only the lake has.
fn lake_column(table: &str, column: &str) -> Option<String> {
    if table == PORTRAIT_DAYS {
        return portrait_day_column(column);
    }
    let topic = table_of(table)?;
    let text = match (topic, column) {
        (_, DAY) => "The day of the row (UTC), which is the folder of its file.",
        (Topic::Portraits, "assembled_at") => "When this version was assembled.",
        (Topic::Portraits, "portrait") => "The whole portrait as JSON: json_text(portrait, '/profile/city'), vector(portrait, 'content').",
        (Topic::Embeddings, "moment_id") => "The Moment the vector stands for; none for a profile's.",
        (Topic::Embeddings, "codes") => "The vector in 8 bits a dimension: `codes * scale`, unit length.",
        (Topic::Embeddings, "scale") => "What a code of 1 is worth.",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Columns that only the days of portraits have.
fn portrait_day_column(column: &str) -> Option<String> {
    let text = match column {
        DAY => "The day (UTC) at whose end somebody was as the row says.",
        "age" => "Years at that midnight.",
        "lat" | "lon" => "The position that was last told, in degrees, as it came in: not to leave the company.",
        "wanted_genders" => "Genders somebody wants to meet; empty: all.",
        "wanted_min_age" | "wanted_max_age" => "Ages somebody wants to meet, in years.",
        "wanted_max_km" => "How far away others may be, in km; none: anywhere.",
        "virtual" => "Whether an agent writes for the account.",
        "moment_ids" => "The Moments that stood then.",
        _ => return None,
    };
    Some(text.to_owned())
}

fn feature_column(set: &FeatureSet, column: &str) -> String {
    match column_half_life(column) {
        Some(days) => format!("Forward-decayed sum: decay({column}, landmark(), INTERVAL '{days} days') is its value now."),
        None if column == "version" => "How many events went in.".to_owned(),
        None if set.key_columns.iter().any(|key| key == column) => "Part of the key.".to_owned(),
        None => "A count, or a sum without decay.".to_owned(),
    }
}

/// How much is in a table. Rows are told by the footers of the files; those of views are not counted.
///
/// # Errors
/// When there is no such table or the lake cannot be read.
pub async fn facts(session: &SessionContext, table: &str) -> Result<TableFacts, QueryError> {
    let failed = |e| QueryError::of(e, session);
    let provider = provider(session, table).await?;
    let mut facts = TableFacts {
        table: table.to_owned(),
        holds: meaning(table),
        files: None,
        bytes: None,
        rows: None,
        days: None,
        first_day: None,
        last_day: None,
    };
    if !is_of_the_lake(provider.as_ref()) {
        return Ok(facts);
    }
    let name = table.rsplit('.').next().unwrap_or(table);
    let store = ObjectStoreUrl::parse(STORE).and_then(|url| session.runtime_env().object_store(url)).map_err(failed)?;
    let listed: Vec<object_store::ObjectMeta> = store.list(Some(&Path::from(name))).try_collect().await.map_err(|e| failed(e.into()))?;
    let files: Vec<_> = listed.iter().filter(|file| file.location.extension() == Some("parquet")).collect();
    let day =
        |file: &&object_store::ObjectMeta| file.location.parts().find_map(|part| part.as_ref().strip_prefix("dt=").map(str::to_owned));
    let days: std::collections::BTreeSet<String> = files.iter().filter_map(day).collect();
    facts.files = Some(files.len() as u64);
    facts.bytes = Some(files.iter().map(|file| file.size).sum());
    facts.days = Some(days.len() as u64);
    (facts.first_day, facts.last_day) = (days.first().cloned(), days.last().cloned());
    let rows = session.table(TableReference::parse_str(table)).await.map_err(failed)?.count().await.map_err(failed)?;
    facts.rows = Some(rows as u64);
    Ok(facts)
}
