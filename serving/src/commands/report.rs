//! One way to report: a table for people, JSON or CSV for programs.

use std::io::Write;

use clap::{Args, ValueEnum};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::Value;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON array.
    Json,
    /// With a header line.
    Csv,
}

/// The flag of every command that reports.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

fn cell(value: &Value, format: Format) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if format == Format::Table => {
            number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), rounded)
        }
        other => other.to_string(),
    }
}

/// Three decimals, or as many digits where those would all be zero.
fn rounded(float: f64) -> String {
    if float != 0.0 && float.abs() < 5e-4 { format!("{float:.2e}") } else { format!("{float:.3}") }
}

/// Prints rows; every row is a flat struct with the same fields.
///
/// # Errors
/// When a row is not a flat struct or standard output is closed.
pub fn print<T: Serialize>(rows: &[T], format: Format) -> anyhow::Result<()> {
    say(render(rows, format)?)
}

/// Writes a line to standard output.
///
/// # Errors
/// When standard output is closed, as by `| head`; the program then ends quietly.
pub fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// The text that [`print`] prints.
///
/// # Errors
/// When a row is not a flat struct.
pub fn render<T: Serialize>(rows: &[T], format: Format) -> anyhow::Result<String> {
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(rows)?);
    }
    let mut fields: Vec<String> = Vec::new();
    let mut cells: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let Value::Object(columns) = serde_json::to_value(row)? else { anyhow::bail!("a row must be a struct") };
        if fields.is_empty() {
            fields = columns.keys().cloned().collect();
        }
        cells.push(fields.iter().map(|f| columns.get(f).map_or_else(String::new, |value| cell(value, format))).collect());
    }
    if format == Format::Csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&fields)?;
        for row in cells {
            writer.write_record(row)?;
        }
        return Ok(String::from_utf8(writer.into_inner()?)?.trim_end().to_owned());
    }
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(fields).add_rows(cells);
    Ok(table.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        p99_ms: f64,
    }

    #[test]
    fn the_same_rows_in_three_forms() {
        let rows = [Row { name: "页, page", p99_ms: 1.5 }];
        assert_eq!(render(&rows, Format::Csv).unwrap(), "name,p99_ms\n\"页, page\",1.5");
        assert!(render(&rows, Format::Table).unwrap().contains("页, page"));
        let small = [Row { name: "worst", p99_ms: 9.8e-15 }, Row { name: "none", p99_ms: 0.0 }];
        assert_eq!(render(&small, Format::Csv).unwrap(), "name,p99_ms\nworst,9.8e-15\nnone,0.0");
        let table = render(&small, Format::Table).unwrap();
        assert!(table.contains("9.80e-15") && table.contains("0.000"), "{table}");
        assert!(render(&rows, Format::Json).unwrap().contains("\"p99_ms\": 1.5"));
    }
}
