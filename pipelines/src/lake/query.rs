//! Reading the lake with SQL.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use features::row::FeatureRow;
use features::sets::FeatureSet;

use super::reading::readable;
use crate::runner::KeyedState;
use crate::tables::lake_tables;

/// A session in which every table of the lake at `place` (a folder or a URL) can be queried. Besides the columns of the events each table
/// has `dt`, the day; a condition on it reads only the files of those days. New files are seen by every new query.
///
/// # Errors
/// When the place cannot be used.
pub async fn session(place: &str) -> Result<SessionContext> {
    let config = SessionConfig::new().with_information_schema(true);
    // Files come and go: every query lists them anew.
    let runtime = RuntimeEnvBuilder::new().with_object_list_cache_limit(0).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let store = readable(place).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let url = ObjectStoreUrl::parse("lake://hongniang")?;
    context.runtime_env().register_object_store(url.as_ref(), store);
    for (name, schema) in lake_tables() {
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
            .with_file_extension(".parquet")
            .with_table_partition_cols(vec![("dt".to_owned(), DataType::Date32)]);
        let path = ListingTableUrl::parse(format!("lake://hongniang/{name}/"))?;
        let table = ListingTable::try_new(ListingTableConfig::new(path).with_listing_options(options).with_schema(schema))?;
        context.register_table(name, Arc::new(table))?;
    }
    Ok(context)
}

/// What a feature set gives when it is computed over the whole lake: one row per key, of generation 0.
///
/// # Errors
/// When the lake cannot be read.
pub async fn batch_features(place: &str, set: &FeatureSet) -> Result<Vec<FeatureRow>> {
    let batches = session(place).await?.sql(&set.sql).await?.collect().await?;
    let mut state = KeyedState::new(set);
    state.add(set, &batches)?;
    Ok(state.all_rows(set, 0))
}
