//! What there is to ask: `\d`, `\d TABLE`, `\df`.

use datafusion::prelude::SessionContext;
use indicatif::{HumanBytes, HumanCount};
use pipelines::query::{FUNCTIONS, TableFacts, columns, facts, names};

use super::cells::fitted;

fn days(facts: &TableFacts) -> String {
    match (&facts.first_day, &facts.last_day) {
        (Some(first), Some(last)) => format!("{first} – {last}"),
        _ => String::new(),
    }
}

/// Every table with how much is in it.
pub(super) async fn tables(session: &SessionContext) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for name in names(session) {
        let facts = facts(session, &name).await?;
        let count = facts.rows.map_or_else(String::new, |n| HumanCount(n).to_string());
        let size = facts.bytes.map_or_else(String::new, |bytes| HumanBytes(bytes).to_string());
        rows.push(vec![name, count, size, days(&facts), facts.holds]);
    }
    Ok(fitted(&["table", "rows", "size", "days", "holds"], rows, |column| column == 1 || column == 2))
}

/// One table: its columns, then how much is in it.
pub(super) async fn table(session: &SessionContext, name: &str) -> anyhow::Result<String> {
    let name = name.trim_matches('"');
    let facts = facts(session, name).await?;
    let rows = columns(session, name).await?.into_iter().map(|column| vec![column.column, column.kind, column.meaning]);
    let mut told = fitted(&["column", "type", "meaning"], rows.collect(), |_| false);
    if !facts.holds.is_empty() {
        told = format!("{name}: {}\n{told}", facts.holds);
    }
    if let (Some(files), Some(bytes), Some(rows), Some(of_days)) = (facts.files, facts.bytes, facts.rows, facts.days) {
        let (rows, files) = (HumanCount(rows), HumanCount(files));
        let span = if of_days > 0 { format!("; {of_days} days, {}", days(&facts)) } else { String::new() };
        told = format!("{told}\n{rows} rows in {files} files, {}{span}", HumanBytes(bytes));
    }
    Ok(told)
}

/// Functions of ours.
pub(super) fn functions() -> String {
    let rows = FUNCTIONS.iter().map(|(function, gives)| vec![(*function).to_owned(), (*gives).to_owned()]);
    fitted(&["function", "gives"], rows.collect(), |_| false)
}
