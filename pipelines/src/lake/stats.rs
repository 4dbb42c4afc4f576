//! What the lake weighs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::files::{Files, LakeError};
use super::footer::footer;
use super::manifest;
use super::reading::counted;
use crate::snapshots::open_store;
use crate::tables::lake_tables;

/// A table in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableStats {
    /// Its name; `all` for the sum.
    pub table: String,
    /// Files that count.
    pub files: usize,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Days on which it has rows.
    pub days: usize,
    /// The first of them; empty when there is none.
    pub first_day: String,
    /// The last of them.
    pub last_day: String,
    /// Bytes of a million rows; 0 without rows.
    pub bytes_per_million: u64,
}

/// Every table of the lake at `place`, and their sum. Rows are those noted in the manifest, or else the file's own footer is asked.
///
/// # Errors
/// When the store fails or a file cannot be read.
pub async fn stats(place: &str) -> Result<Vec<TableStats>, LakeError> {
    let files = Files::new(open_store(place)?);
    let (_, noted) = manifest::current(&files).await?;
    let (mut all, mut every_day) = (Vec::new(), BTreeSet::new());
    for (table, _) in lake_tables() {
        let (mut rows, mut bytes, mut days) = (0, 0, BTreeSet::new());
        let found = counted(&files, table).await?;
        for file in &found {
            let path = file.name.path();
            rows += match noted.files.get(&path).copied().flatten() {
                Some(rows) => rows,
                None => footer(&files, &path).await?.rows,
            };
            bytes += file.bytes;
            days.insert(file.name.day);
        }
        every_day.extend(days.iter().copied());
        all.push(row(table, found.len(), rows, bytes, &days));
    }
    let sum = |of: fn(&TableStats) -> u64| all.iter().map(of).sum::<u64>();
    let total = row("all", all.iter().map(|t| t.files).sum(), sum(|t| t.rows), sum(|t| t.bytes), &every_day);
    all.push(total);
    Ok(all)
}

fn row(table: &str, files: usize, rows: u64, bytes: u64, days: &BTreeSet<chrono::NaiveDate>) -> TableStats {
    let told = |day: Option<&chrono::NaiveDate>| day.map_or_else(String::new, ToString::to_string);
    let per_million = u128::from(bytes) * 1_000_000 / u128::from(rows.max(1));
    TableStats {
        table: table.to_owned(),
        files,
        rows,
        bytes,
        days: days.len(),
        first_day: told(days.first()),
        last_day: told(days.last()),
        bytes_per_million: if rows == 0 { 0 } else { u64::try_from(per_million).unwrap_or(u64::MAX) },
    }
}
