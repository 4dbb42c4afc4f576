//! How statements begin: names are those of the code, values are bound.

use sea_query::{Alias, DeleteStatement, Expr, InsertStatement, Query, SelectStatement, UpdateStatement, Value};

/// A column.
pub fn col(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

/// A new row.
pub fn insert<const N: usize>(table: &'static str, columns: [&'static str; N], values: [Value; N]) -> InsertStatement {
    let mut insert = Query::insert();
    insert.into_table(Alias::new(table)).columns(columns.map(Alias::new)).values_panic(values.map(Expr::val::<Value>));
    insert
}

/// Columns of a table.
pub fn select<const N: usize>(table: &'static str, columns: [&'static str; N]) -> SelectStatement {
    let mut select = Query::select();
    select.columns(columns.map(Alias::new)).from(Alias::new(table));
    select
}

/// A change of rows.
pub fn update(table: &'static str) -> UpdateStatement {
    let mut update = Query::update();
    update.table(Alias::new(table));
    update
}

/// Rows go.
pub fn delete(table: &'static str) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(Alias::new(table));
    delete
}
