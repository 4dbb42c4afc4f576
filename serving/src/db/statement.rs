//! How statements begin: names are those of the code, values are bound.

use sea_query::{Alias, DeleteStatement, Expr, ExprTrait, InsertStatement, Query, SelectStatement, UpdateStatement, Value};

/// How many rows or values a statement over a set has.
const FORMS: [usize; 5] = [256, 64, 16, 4, 1];

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

/// New rows, in as few statements as there may be of few forms: each form is prepared once.
pub fn insert_all<const N: usize>(table: &'static str, columns: [&'static str; N], rows: Vec<[Value; N]>) -> Vec<InsertStatement> {
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    while rows.len() > 0 {
        let some = FORMS.into_iter().find(|some| *some <= rows.len()).unwrap_or(1);
        let mut insert = Query::insert();
        insert.into_table(Alias::new(table)).columns(columns.map(Alias::new));
        for row in rows.by_ref().take(some) {
            insert.values_panic(row.map(Expr::val::<Value>));
        }
        statements.push(insert);
    }
    statements
}

/// Whether a column has one of some values, at most [`FORMS`]' largest number; likewise in few forms. Of none it is false.
pub fn one_of<V: Into<Value> + Clone>(column: &'static str, values: impl IntoIterator<Item = V>) -> Expr {
    let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
    let form = FORMS.into_iter().rev().find(|form| *form >= values.len()).unwrap_or(values.len());
    if let Some(last) = values.last().cloned() {
        values.resize(form, last);
    }
    col(column).is_in(values)
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
