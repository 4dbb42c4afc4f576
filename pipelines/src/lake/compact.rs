//! Many small files of a day into few large ones, and an end for what is past its time.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::config::{CompactConfig, RetentionConfig, hours};
use super::files::{FileName, Files, LakeError};
use super::manifest;
use super::merge::merge;
use super::reading::{SizedFile, counted};
use super::swaps::{Swaps, staged};
use crate::snapshots::open_store;
use crate::tables::{TABLES, table_of};

/// What to compact.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactPlan {
    /// These tables only; empty for all.
    pub tables: Vec<String>,
    /// Only days before this one: later ones still grow.
    pub before: NaiveDate,
    /// Sizes, memory, and for how long replaced files are kept.
    pub config: CompactConfig,
    /// For how long tables are kept, counted back from the day of `now`.
    pub retention: RetentionConfig,
    /// Tells what would be done, and does nothing.
    pub dry_run: bool,
}

/// What was done to files of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// `merged` or `dropped`; with `would be` before it in a dry run.
    pub what: &'static str,
    /// The table.
    pub table: String,
    /// The day.
    pub day: NaiveDate,
    /// The partition; -1 where all were dropped.
    pub partition: i32,
    /// How many files there were.
    pub files: usize,
    /// Their rows; 0 where nobody counted.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the one file in their place.
    pub bytes_after: u64,
}

/// Files that become one, or none.
struct Group {
    drop: bool,
    files: Vec<SizedFile>,
}

/// What the caller is told after every step: how many are done, of how many, and the last one.
pub type Step<'a> = &'a (dyn Fn(usize, usize, &Compacted) + Send + Sync);

/// Merges files of the lake at `place`, applies the retention, and removes what was replaced long enough ago. Safe beside a running lake writer
/// and beside readers; killed at any point, nothing is lost or doubled, and the next one goes on. `now` is the time.
///
/// # Errors
/// When the store fails, or [`LakeError::Overtaken`] when another process has begun to compact.
pub async fn compact(place: &str, plan: &CompactPlan, now: DateTime<Utc>, step: Step<'_>) -> Result<Vec<Compacted>, LakeError> {
    compact_in(&Files::new(open_store(place)?), plan, now, step).await
}

pub(super) async fn compact_in(files: &Files, plan: &CompactPlan, now: DateTime<Utc>, step: Step<'_>) -> Result<Vec<Compacted>, LakeError> {
    if plan.dry_run {
        let groups = groups(files, plan, now.date_naive()).await?;
        return Ok(groups.iter().map(|group| told(group, 0, 0, true)).collect());
    }
    let mut swaps = Swaps::claim(files, now).await?;
    let groups = groups(files, plan, now.date_naive()).await?;
    let (total, mut done) = (groups.len(), Vec::new());
    for group in groups {
        let one = swap(&mut swaps, &group, plan, now).await?;
        step(done.len() + 1, total, &one);
        done.push(one);
    }
    manifest::fold(files).await?;
    let removed = swaps.forget_before(now - hours(plan.config.keep_h)).await?;
    if removed > 0 {
        tracing::info!(removed, "replaced files are gone for good");
    }
    Ok(done)
}

fn told(group: &Group, rows: u64, bytes_after: u64, dry: bool) -> Compacted {
    let first = &group.files[0].name;
    Compacted {
        what: match (group.drop, dry) {
            (false, false) => "merged",
            (false, true) => "would be merged",
            (true, false) => "dropped",
            (true, true) => "would be dropped",
        },
        table: first.topic.clone(),
        day: first.day,
        partition: if group.drop { -1 } else { first.partition },
        files: group.files.len(),
        rows,
        bytes: group.files.iter().map(|file| file.bytes).sum(),
        bytes_after,
    }
}

async fn swap(swaps: &mut Swaps, group: &Group, plan: &CompactPlan, now: DateTime<Utc>) -> Result<Compacted, LakeError> {
    let inputs: Vec<FileName> = group.files.iter().map(|file| file.name.clone()).collect();
    let paths: Vec<String> = inputs.iter().map(FileName::path).collect();
    if group.drop {
        swaps.swap(now, None, paths).await?;
        return Ok(told(group, 0, 0, false));
    }
    let output = FileName {
        first: inputs.iter().map(|name| name.first).min().unwrap_or(0),
        last: inputs.iter().map(|name| name.last).max().unwrap_or(0),
        ..inputs[0].clone()
    };
    let topic = table_of(&output.topic).ok_or_else(|| LakeError::data("merge files", format!("`{}` is no table", output.topic)))?;
    let to = staged(swaps.owner, &output.path());
    let rows = merge(&swaps.files, topic, &inputs, &to, plan.config.memory_mb.max(16) << 20).await?;
    let bytes = swaps.files.size(&to).await?;
    swaps.swap(now, Some((output.path(), rows)), paths).await?;
    Ok(told(group, rows, bytes, false))
}

/// What is to be done, in the order of tables and days.
async fn groups(files: &Files, plan: &CompactPlan, today: NaiveDate) -> Result<Vec<Group>, LakeError> {
    let wanted = |table: &str| plan.tables.is_empty() || plan.tables.iter().any(|name| name == table);
    let mut groups = Vec::new();
    let mut dropped_before = BTreeMap::new();
    for table in RetentionConfig::TABLES.into_iter().filter(|table| wanted(table)) {
        let Some(first) = plan.retention.of(table).and_then(|days| today.checked_sub_days(chrono::Days::new(days.into()))) else {
            continue;
        };
        dropped_before.insert(table, first);
        let mut days: BTreeMap<NaiveDate, Vec<SizedFile>> = BTreeMap::new();
        for file in counted(files, table).await?.into_iter().filter(|file| file.name.day < first) {
            days.entry(file.name.day).or_default().push(file);
        }
        groups.extend(days.into_values().map(|files| Group { drop: true, files }));
    }
    for table in TABLES.into_iter().map(|topic| topic.name()).filter(|table| wanted(table)) {
        let kept = dropped_before.get(table).copied().unwrap_or(NaiveDate::MIN);
        let mut parts: BTreeMap<(NaiveDate, i32), Vec<SizedFile>> = BTreeMap::new();
        for file in counted(files, table).await?.into_iter().filter(|file| file.name.day < plan.before && file.name.day >= kept) {
            parts.entry((file.name.day, file.name.partition)).or_default().push(file);
        }
        for files in parts.into_values() {
            groups.extend(neighbours(files, plan.config.target_mb.max(1) << 20).into_iter().map(|files| Group { drop: false, files }));
        }
    }
    Ok(groups)
}

/// Cuts the files of a partition's day, in the order of offsets, into runs of at least `target` bytes; those of one file stay as they are.
fn neighbours(mut files: Vec<SizedFile>, target: u64) -> Vec<Vec<SizedFile>> {
    files.sort_by_key(|file| file.name.first);
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    for file in files {
        bytes += file.bytes;
        run.push(file);
        if bytes >= target {
            runs.push(std::mem::take(&mut run));
            bytes = 0;
        }
    }
    runs.push(run);
    runs.retain(|run| run.len() > 1);
    runs
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(first: i64, bytes: u64) -> SizedFile {
        let name = FileName { topic: "moments".to_owned(), day: "2026-11-24".parse().unwrap(), partition: 0, first, last: first + 9 };
        SizedFile { name, bytes, written: DateTime::UNIX_EPOCH }
    }

    proptest! {
        #[test]
        fn runs_are_neighbours_and_large_enough(sizes in proptest::collection::vec(1u64..300, 0..40), target in 1u64..500) {
            let files: Vec<SizedFile> = sizes.iter().enumerate().map(|(n, bytes)| file(n as i64 * 10, *bytes)).collect();
            let runs = neighbours(files, target);
            let mut last = -1;
            for (n, run) in runs.iter().enumerate() {
                prop_assert!(run.len() > 1);
                for pair in run.windows(2) {
                    prop_assert_eq!(pair[0].name.last + 1, pair[1].name.first);
                }
                prop_assert!(run[0].name.first > last);
                last = run[run.len() - 1].name.last;
                let bytes: u64 = run.iter().map(|f| f.bytes).sum();
                prop_assert!(bytes >= target || n + 1 == runs.len());
            }
        }
    }
}
