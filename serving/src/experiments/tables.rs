//! A report as tables on a terminal.

use serde::Serialize;

use super::report::ReportRow;
use crate::commands::report::{Format, render};

/// How users fell into the arms.
#[derive(Serialize)]
struct SplitCells<'a> {
    experiment: &'a str,
    arm: &'a str,
    users: u64,
    expected: f64,
    impressions: f64,
    likes: f64,
    matches: f64,
    split_p: String,
}

/// What the arms say.
#[derive(Serialize)]
struct ResultCells<'a> {
    experiment: &'a str,
    metric: &'a str,
    arm: &'a str,
    value: String,
    #[serde(rename = "difference, one planned look")]
    fixed: String,
    #[serde(rename = "difference, at any time")]
    always: String,
    conclusion: &'a str,
}

/// The rows for people: the split, then each metric with both intervals.
///
/// # Errors
/// When a table cannot be drawn.
pub fn tables(rows: &[ReportRow], alpha: f64) -> anyhow::Result<String> {
    let first = |row: &&ReportRow| rows.iter().find(|r| r.experiment == row.experiment).is_some_and(|r| r.metric == row.metric);
    let splits = rows.iter().filter(first).map(|row| SplitCells {
        experiment: &row.experiment,
        arm: &row.arm,
        users: row.users,
        expected: row.users_expected,
        impressions: row.impressions,
        likes: row.likes,
        matches: row.matches,
        split_p: row.split_p.map_or_else(|| "too few to say".to_owned(), |p| format!("{p:.3}")),
    });
    let splits = render(&splits.collect::<Vec<_>>(), Format::Table)?;
    let shown = |value: Option<f64>, low: Option<f64>, high: Option<f64>| match (value, low, high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.4} ({low:.4} to {high:.4})"),
        _ => String::new(),
    };
    let results = rows.iter().map(|row| ResultCells {
        experiment: &row.experiment,
        metric: row.metric,
        arm: &row.arm,
        value: shown(row.value, row.low, row.high),
        fixed: shown(row.difference, row.difference_low, row.difference_high),
        always: shown(row.difference, row.always_low, row.always_high),
        conclusion: &row.conclusion,
    });
    let results = render(&results.collect::<Vec<_>>(), Format::Table)?;
    let level = 100.0 * (1.0 - alpha);
    Ok(format!("{splits}\n{results}\nIntervals at {level} %; differences are against the control, the level shared among several arms."))
}
