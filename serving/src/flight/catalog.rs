//! What drivers ask before anybody asks for data: catalogs, tables, types, and what this server can do.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{CommandGetTables, Nullable, Searchable, SqlInfo, XdbcDataType};
use datafusion::common::TableReference;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use pipelines::query::{CATALOG, FEATURES, LAKE, names};
use tonic::Status;

/// Kinds of tables.
pub(super) const TABLE_TYPES: [&str; 2] = ["TABLE", "VIEW"];

/// Schemas of the one catalog.
pub(super) const SCHEMAS: [&str; 2] = [FEATURES, LAKE];

/// Every table that fits the patterns of the command.
pub(super) async fn tables(session: &SessionContext, command: CommandGetTables) -> Result<RecordBatch, Status> {
    let mut builder = command.into_builder();
    for name in names(session) {
        let (schema, table) = name.split_once('.').unwrap_or((LAKE, &name));
        let provider = session.table_provider(TableReference::partial(schema, table)).await;
        let provider = provider.map_err(|e| Status::internal(e.strip_backtrace()))?;
        let kind = if provider.table_type() == TableType::View { "VIEW" } else { "TABLE" };
        builder.append(CATALOG, schema, table, kind, &provider.schema())?;
    }
    Ok(builder.build()?)
}

/// What the server is and can do.
pub(super) fn sql_info() -> Result<&'static SqlInfoData, Status> {
    static INFO: OnceLock<SqlInfoData> = OnceLock::new();
    if let Some(info) = INFO.get() {
        return Ok(info);
    }
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "hongniang");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.3"); // of the format
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    builder.append(SqlInfo::FlightSqlServerTransaction, 0i32);
    builder.append(SqlInfo::FlightSqlServerCancel, false);
    builder.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    builder.append(SqlInfo::SqlDdlCatalog, false);
    builder.append(SqlInfo::SqlDdlSchema, false);
    builder.append(SqlInfo::SqlDdlTable, false);
    let built = builder.build()?;
    Ok(INFO.get_or_init(|| built))
}

/// SQL types as JDBC knows them: name, code, size, prefix and suffix of literals.
const TYPES: [(&str, XdbcDataType, i32, Option<&str>); 11] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, 1, None),
    ("TINYINT", XdbcDataType::XdbcTinyint, 8, None),
    ("SMALLINT", XdbcDataType::XdbcSmallint, 16, None),
    ("INTEGER", XdbcDataType::XdbcInteger, 32, None),
    ("BIGINT", XdbcDataType::XdbcBigint, 64, None),
    ("REAL", XdbcDataType::XdbcReal, 24, None),
    ("DOUBLE", XdbcDataType::XdbcDouble, 53, None),
    ("DECIMAL", XdbcDataType::XdbcDecimal, 38, None),
    ("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX, Some("'")),
    ("DATE", XdbcDataType::XdbcDate, 10, Some("'")),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, 32, Some("'")),
];

/// The types of results.
pub(super) fn types() -> Result<&'static XdbcTypeInfoData, Status> {
    static TYPES_INFO: OnceLock<XdbcTypeInfoData> = OnceLock::new();
    if let Some(info) = TYPES_INFO.get() {
        return Ok(info);
    }
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, code, size, quote) in TYPES {
        let number = quote.is_none() && name != "BOOLEAN";
        builder.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: code,
            column_size: Some(size),
            literal_prefix: quote.map(str::to_owned),
            literal_suffix: quote.map(str::to_owned),
            create_params: None,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: name == "VARCHAR",
            searchable: Searchable::Full,
            unsigned_attribute: number.then_some(false),
            fixed_prec_scale: false,
            auto_increment: Some(false),
            local_type_name: Some(name.to_owned()),
            minimum_scale: None,
            maximum_scale: None,
            sql_data_type: code,
            datetime_subcode: None,
            num_prec_radix: number.then_some(if name == "DECIMAL" { 10 } else { 2 }),
            interval_precision: None,
        });
    }
    let built = builder.build()?;
    Ok(TYPES_INFO.get_or_init(|| built))
}

/// Keys: the lake has none, and says so in this form.
pub(super) fn primary_keys() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name", true),
    ]))
}

/// References from key to key, of which there are none.
pub(super) fn foreign_keys() -> SchemaRef {
    let text = |name: String, nullable| Field::new(name, DataType::Utf8, nullable);
    let side = |side: &str| {
        let name = |part: &str| format!("{side}_{part}");
        [
            text(name("catalog_name"), true),
            text(name("db_schema_name"), true),
            text(name("table_name"), false),
            text(name("column_name"), false),
        ]
    };
    let rest = [
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name".to_owned(), true),
        text("pk_key_name".to_owned(), true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ];
    Arc::new(Schema::new(side("pk").into_iter().chain(side("fk")).chain(rest).collect::<Vec<_>>()))
}
