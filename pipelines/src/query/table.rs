//! A table of the lake: Parquet files under `<table>/dt=<day>/`, of which only those are read whose days can have rows.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::STORE;
use super::days::Days;
use crate::tables::{table_of, time_column};

/// The column of the day.
pub(super) const DAY: &str = "dt";

/// Files of a table, by day.
#[derive(Debug)]
pub(super) struct LakeTable {
    files: ListingTable,
    /// The column whose day is the folder's; none where rows have no time of their own.
    time: Option<&'static str>,
}

impl LakeTable {
    /// The table of that name.
    pub(super) fn of(name: &str, schema: SchemaRef) -> Result<Self> {
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
            .with_file_extension(".parquet")
            .with_table_partition_cols(vec![(DAY.to_owned(), DataType::Date32)]);
        let path = ListingTableUrl::parse(format!("{STORE}/{name}/"))?;
        let files = ListingTable::try_new(ListingTableConfig::new(path).with_listing_options(options).with_schema(schema))?;
        Ok(Self { files, time: table_of(name).map(time_column) })
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.files.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let days = self.time.map_or_else(Days::default, |time| Days::of(filters, time));
        let filters: Vec<Expr> = filters.iter().cloned().chain(days.condition(DAY)).collect();
        self.files.scan(state, projection, &filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.files.supports_filters_pushdown(filters)
    }
}

/// Whether a provider is a table of the lake, not a view of the session.
pub(super) fn is_of_the_lake(table: &dyn TableProvider) -> bool {
    (table as &dyn Any).is::<LakeTable>()
}
