//! Reading the lake with SQL.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::prelude::{SessionConfig, SessionContext};
use features::row::FeatureRow;
use features::sets::FeatureSet;

use crate::runner::KeyedState;
use crate::snapshots::open_store;
use crate::tables::{TABLES, schema};

/// A session in which every table of the lake at `place` (a folder or a URL) can be queried. Besides the columns of the events each table
/// has `dt`, the day; a condition on it reads only the files of those days. New files are seen by every new query.
///
/// # Errors
/// When the place cannot be used.
pub async fn session(place: &str) -> Result<SessionContext> {
    let config = SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    let store = open_store(place).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let url = ObjectStoreUrl::parse("lake://hongniang")?;
    context.runtime_env().register_object_store(url.as_ref(), store);
    for topic in TABLES {
        let Some(schema) = schema(topic) else { continue };
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
            .with_file_extension(".parquet")
            .with_table_partition_cols(vec![("dt".to_owned(), DataType::Date32)]);
        let path = ListingTableUrl::parse(format!("lake://hongniang/{}/", topic.name()))?;
        let table = ListingTable::try_new(ListingTableConfig::new(path).with_listing_options(options).with_schema(schema))?;
        context.register_table(topic.name(), Arc::new(table))?;
    }
    Ok(context)
}

/// What a feature set gives when it is computed over the whole lake: one row per key, of generation 0.
///
/// # Errors
/// When the lake cannot be read.
pub async fn batch_features(place: &str, set: &FeatureSet) -> Result<Vec<FeatureRow>> {
    Ok(batch_state(place, set).await?.all_rows(set, 0))
}

/// The same, compactly.
pub(crate) async fn batch_state(place: &str, set: &FeatureSet) -> Result<KeyedState> {
    let batches = session(place).await?.sql(&set.sql).await?.collect().await?;
    let mut state = KeyedState::new(set);
    state.add(set, &batches)?;
    Ok(state)
}
