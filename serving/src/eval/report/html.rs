//! The page.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use ranker::eval::Row;

use super::axis::{escaped, told};
use super::plot::Plot;
use super::words::meaning;
use super::{RELIABILITY, curves, dots};

const STYLE: &str = include_str!("style.css");

/// Writes the page: the pictures, the rows as a table, and what the metrics mean in English and Chinese.
///
/// # Errors
/// When the file cannot be written.
pub fn write_html(path: &Path, title: &str, rows: &[Row], plots: &[Plot]) -> anyhow::Result<()> {
    std::fs::write(path, page(title, rows, plots)).with_context(|| format!("{} cannot be written", path.display()))
}

/// The page as text.
pub(super) fn page(title: &str, rows: &[Row], plots: &[Plot]) -> String {
    let title = escaped(title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n<h1>{title}</h1>\n"
    );
    for plot in plots {
        let (heading, svg) = match plot {
            Plot::Dots(plot) => (&plot.title, dots::draw(plot)),
            Plot::Curves(plot) => (&plot.title, curves::draw(plot)),
        };
        let _ = writeln!(out, "<section><h2>{}</h2>\n{svg}\n</section>", escaped(heading));
    }
    let (tables, measures): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.metric.starts_with(RELIABILITY));
    let _ = writeln!(out, "<section><h2>All rows 全部数据</h2>\n{}</section>", table(&measures));
    if !tables.is_empty() {
        let _ = writeln!(out, "<section><details><summary>Reliability table 校准表</summary>\n{}</details></section>", table(&tables));
    }
    out.push_str(&glossary(rows));
    out + "</main></body>\n</html>\n"
}

fn table(rows: &[&Row]) -> String {
    let mut out = String::from(
        "<table><thead><tr><th>strategy 策略</th><th>slice 切片</th><th>metric 指标</th><th class=\"n\">value 值</th>\
         <th class=\"n\">low 下限</th><th class=\"n\">high 上限</th></tr></thead>\n<tbody>\n",
    );
    for row in rows {
        let end = |end: Option<f64>| end.map_or_else(String::new, told);
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&row.strategy),
            escaped(&row.slice),
            escaped(&row.metric),
            told(row.value),
            end(row.low),
            end(row.high)
        );
    }
    out + "</tbody></table>\n"
}

/// What the metrics of the rows mean; nothing when none of them is known.
fn glossary(rows: &[Row]) -> String {
    let mut metrics: Vec<&str> = rows.iter().map(|row| row.metric.as_str()).collect();
    metrics.sort_unstable();
    metrics.dedup();
    let said: String = metrics
        .iter()
        .filter_map(|metric| meaning(metric).map(|(english, chinese)| (metric, english, chinese)))
        .map(|(metric, english, chinese)| format!("<dt>{}</dt><dd>{english}<br>{chinese}</dd>\n", escaped(metric)))
        .collect();
    if said.is_empty() { said } else { format!("<section><h2>How to read it 怎么读</h2>\n<dl>\n{said}</dl></section>\n") }
}
