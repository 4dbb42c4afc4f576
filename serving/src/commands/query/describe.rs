//! What there is to ask: `\d`, `\d TABLE`, `\df`.

use datafusion::prelude::SessionContext;
use indicatif::{HumanBytes, HumanCount};
use pipelines::query::{FUNCTIONS, TableFacts, columns, facts, names};
use serde::Serialize;

use crate::commands::report::{Format, render};

/// A line of `\d`.
#[derive(Debug, Serialize)]
pub(super) struct TableRow {
    table: String,
    rows: String,
    size: String,
    days: String,
    holds: String,
}

fn days(facts: &TableFacts) -> String {
    match (&facts.first_day, &facts.last_day) {
        (Some(first), Some(last)) => format!("{first} – {last}"),
        _ => String::new(),
    }
}

/// Every table with how much is in it.
pub(super) async fn tables(session: &SessionContext) -> anyhow::Result<Vec<TableRow>> {
    let mut found = Vec::new();
    for name in names(session) {
        let facts = facts(session, &name).await?;
        let count = |number: Option<u64>| number.map_or_else(String::new, |n| HumanCount(n).to_string());
        let size = facts.bytes.map_or_else(String::new, |bytes| HumanBytes(bytes).to_string());
        found.push(TableRow { days: days(&facts), rows: count(facts.rows), size, table: name, holds: facts.holds });
    }
    Ok(found)
}

/// One table: its columns, then how much is in it.
pub(super) async fn table(session: &SessionContext, name: &str) -> anyhow::Result<String> {
    let name = name.trim_matches('"');
    let facts = facts(session, name).await?;
    let mut told = render(&columns(session, name).await?, Format::Table)?;
    if !facts.holds.is_empty() {
        told = format!("{name}: {}\n{told}", facts.holds);
    }
    if let (Some(files), Some(bytes), Some(rows), Some(of_days)) = (facts.files, facts.bytes, facts.rows, facts.days) {
        let (rows, files) = (HumanCount(rows), HumanCount(files));
        told = format!("{told}\n{rows} rows in {files} files, {}; {of_days} days {}", HumanBytes(bytes), days(&facts));
    }
    Ok(told)
}

#[derive(Serialize)]
struct FunctionRow {
    function: &'static str,
    gives: &'static str,
}

/// Functions of ours.
pub(super) fn functions() -> String {
    let rows: Vec<FunctionRow> = FUNCTIONS.iter().map(|(function, gives)| FunctionRow { function, gives }).collect();
    render(&rows, Format::Table).unwrap_or_default()
}
