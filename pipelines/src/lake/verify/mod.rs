//! Whether the lake is whole: every file that should be there is, says what it should, and no row is there twice.
//!
//! What should be there is what the commits and swaps say ([`super::manifest`]). Offsets alone cannot tell it: markers of transactions, tombstones
//! and refused records take offsets and leave no row, so a hole between two files is no gap. What can be asserted of offsets: a file has at most as
//! many rows as its range has offsets, and the positions of the lake lie between the beginning and the end of the log. Where the log is whole its
//! records can be counted ([`count_against_log`]).

mod content;
mod log;

pub use self::log::count_against_log;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, stream};
use serde::Serialize;

use super::commits;
use super::files::{FileName, Files, LakeError};
use super::manifest::{self, Manifest};
use super::swaps;
use crate::bus::{Bus, BusError, Offsets};
use crate::snapshots::open_store;
use crate::tables::{TABLES, lake_tables};

/// Files that are read at the same time.
const AT_ONCE: usize = 4;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The kind: `missing`, `unlisted`, `left_over`, `overlap`, `unreadable`, `schema`, `outside_day`, `unsorted`, `row_count`, `too_many_rows`, `unfinished`, `beyond_log`, `lost`, `count`.
    pub what: &'static str,
    /// The table.
    pub table: String,
    /// The file, or the topic and partition.
    pub place: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files that were read.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
    /// Everything that is not as it should be, in the order of tables.
    pub findings: Vec<Finding>,
}

/// Where the log begins and ends, for the topics that the lake keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// The first offsets that are still there.
    pub begin: Offsets,
    /// The offsets that come next.
    pub end: Offsets,
}

impl LogBounds {
    /// Asks the event log.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(bus: &Bus) -> Result<Self, BusError> {
        let topics: Vec<String> = TABLES.iter().map(|topic| topic.name().to_owned()).collect();
        let (begin, end) = bus.bounds(&topics).await?;
        Ok(Self { begin, end })
    }
}

/// Looks at every file of the lake at `place`, of these tables only, or of all where none is named; `log` where the event log can be asked. `step` is
/// told how many files are done, of how many. May run beside writers: what comes or goes meanwhile is looked at as it was in the beginning.
///
/// # Errors
/// When the store fails. What is wrong with the lake is no error: it is found.
pub async fn verify(
    place: &str,
    tables: &[String],
    log: Option<&LogBounds>,
    step: &(dyn Fn(usize, usize) + Send + Sync),
) -> Result<Verified, LakeError> {
    let files = Files::new(open_store(place)?);
    let wanted = |table: &str| tables.is_empty() || tables.iter().any(|name| name == table);
    let look = Look::begin(&files).await?;
    let mut done = Verified::default();
    let mut to_read = Vec::new();
    for (table, schema) in lake_tables().into_iter().filter(|(table, _)| wanted(table)) {
        let there = files.of_table(table).await?;
        to_read.extend(look.names(table, &there, &mut done.findings).into_iter().map(|name| (name, schema.clone())));
    }
    still_so(&files, &mut done.findings).await?;
    look.missing(&files, &wanted, &mut done.findings).await?;
    let total = to_read.len();
    let read = stream::iter(to_read).map(|(name, schema)| {
        let (files, rows) = (&files, look.rows(&name));
        async move { (content::look(files, &name, schema, rows).await, name) }
    });
    let mut read = read.buffer_unordered(AT_ONCE);
    while let Some((content, name)) = read.next().await {
        done.files += 1;
        done.rows += content.rows;
        if !content.findings.is_empty() && !files.exists(&name.path()).await? {
            // It was replaced while it was read: what is in its place is looked at by the next one.
            continue;
        }
        done.findings.extend(content.findings);
        step(done.files, total);
    }
    if let Some(log) = log {
        done.findings.extend(offsets(&Offsets::from_named(&look.positions), log, &wanted));
    }
    done.findings.sort();
    Ok(done)
}

/// What is noted about the lake when the look begins.
struct Look {
    manifest: Manifest,
    /// What the open swaps replace.
    leaving: BTreeSet<String>,
    /// What waits to be moved in.
    coming: BTreeSet<String>,
    positions: BTreeMap<String, i64>,
}

impl Look {
    async fn begin(files: &Files) -> Result<Self, LakeError> {
        let (_, manifest) = manifest::current(files).await?;
        let noted = swaps::noted(files).await?;
        let open = swaps::open(files, &noted).await?;
        let (_, commit) = commits::newest(files).await?;
        let merged = open.values().filter_map(|swap| swap.output.as_ref().map(|path| (path, swaps::staged(swap.owner, path))));
        let flushed = commit.files.iter().map(|path| (path, commits::staged(commit.owner, path)));
        let mut coming = BTreeSet::new();
        for (path, staged) in merged.chain(flushed) {
            if files.exists(staged.as_ref()).await? {
                coming.insert(path.clone());
            }
        }
        Ok(Self {
            leaving: open.values().flat_map(|swap| swap.inputs.iter().cloned()).collect(),
            coming,
            manifest,
            positions: commit.positions,
        })
    }

    fn rows(&self, name: &FileName) -> Option<u64> {
        self.manifest.files.get(&name.path()).copied().flatten()
    }

    /// What names alone tell of the files of a table; the files that count come back.
    fn names(&self, table: &str, there: &[FileName], findings: &mut Vec<Finding>) -> Vec<FileName> {
        let mut counts = Vec::new();
        let mut parts: HashMap<_, Vec<&FileName>> = HashMap::new();
        for name in there.iter().filter(|name| !self.leaving.contains(&name.path())) {
            parts.entry((name.day, name.partition)).or_default().push(name);
        }
        let derived = !TABLES.iter().any(|topic| topic.name() == table);
        for names in parts.into_values() {
            for (at, name) in names.iter().enumerate() {
                if let Some(wide) = names.iter().find(|other| other.covers(name)) {
                    let detail = format!("its rows are in {}, too; `hongniang query` leaves it out, readers by glob do not", wide.path());
                    findings.push(finding("left_over", name, detail, "run `hongniang lake compact`, or remove the file"));
                    continue;
                }
                let cuts = |other: &&&FileName| other.first <= name.last && name.first <= other.last && !name.covers(other);
                if let Some(other) = names[..at].iter().find(cuts) {
                    let detail = format!("its offsets overlap with those of {}: rows may be there twice", other.path());
                    findings.push(finding(
                        "overlap",
                        name,
                        detail,
                        "compare `event_id` in both and remove the file that was not written by the lake writer",
                    ));
                }
                if !derived && !self.manifest.files.contains_key(&name.path()) {
                    let detail = "no commit names it".to_owned();
                    findings.push(finding(
                        "unlisted",
                        name,
                        detail,
                        "it was not written by the lake writer, or was put back from a backup: remove it, unless you know whose it is",
                    ));
                }
                counts.push((*name).clone());
            }
        }
        counts.sort();
        counts
    }

    /// Files that should be there and are not.
    async fn missing(&self, files: &Files, wanted: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) -> Result<(), LakeError> {
        let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, rows) in &self.manifest.files {
            let Some(name) = FileName::parse(path).filter(|name| wanted(&name.topic)) else { continue };
            if !there.contains_key(&name.topic) {
                let found = files.of_table(&name.topic).await?.iter().map(FileName::path).collect();
                there.insert(name.topic.clone(), found);
            }
            if there.get(&name.topic).is_some_and(|there| there.contains(path)) {
                continue;
            }
            // Either it was swapped since the look began, or it waits to be moved in.
            if !manifest::current(files).await?.1.files.contains_key(path) {
                continue;
            }
            if self.coming.contains(path) {
                let detail = "it is committed and not moved in yet".to_owned();
                findings.push(finding(
                    "unfinished",
                    &name,
                    detail,
                    "the next start of the lake writer, or `hongniang lake compact`, moves it in",
                ));
                continue;
            }
            let rows = rows.map_or_else(|| "its rows".to_owned(), |rows| format!("{rows} rows"));
            let detail = format!("it is committed and not there: {rows} of offsets {}..={} are gone", name.first, name.last);
            findings.push(finding("missing", &name, detail, "put it back from a backup of the lake (or from `_replaced`); where the log still has these offsets, a new lake can be written from it"));
        }
        Ok(())
    }
}

/// Leaves out what names told only because files came and went while they were listed.
async fn still_so(files: &Files, findings: &mut Vec<Finding>) -> Result<(), LakeError> {
    if findings.is_empty() {
        return Ok(());
    }
    let now = Look::begin(files).await?;
    let mut so = Vec::new();
    for found in findings.drain(..) {
        let explained = now.leaving.contains(&found.place) || (found.what == "unlisted" && now.manifest.files.contains_key(&found.place));
        if !explained && files.exists(&found.place).await? {
            so.push(found);
        }
    }
    *findings = so;
    Ok(())
}

fn finding(what: &'static str, name: &FileName, detail: String, remedy: &'static str) -> Finding {
    Finding { what, table: name.topic.clone(), place: name.path(), detail, remedy }
}

/// The positions of the lake against the log.
fn offsets(positions: &Offsets, log: &LogBounds, wanted: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((topic, partition), end) in log.end.0.iter().filter(|((topic, _), _)| wanted(topic)) {
        let begin = log.begin.get(topic, *partition).unwrap_or(0);
        let mut found = |what, detail, remedy| {
            findings.push(Finding { what, table: topic.clone(), place: format!("{topic}/{partition}"), detail, remedy });
        };
        match positions.get(topic, *partition) {
            Some(at) if at > *end => found(
                "beyond_log",
                format!("the lake is at offset {at}, and the log ends at {end}: it was emptied or exchanged"),
                "point `lake.place` at a new folder, or restore the log",
            ),
            Some(at) if at < begin => found(
                "lost",
                format!(
                    "the lake is at offset {at}, and the log begins at {begin}: {} offsets were removed before they came into the lake",
                    begin - at
                ),
                "keep the log longer (`kafka.retention_ms`, `kafka.served_retention_ms`) than the lake writer may rest; what is lost is lost",
            ),
            None if begin > 0 => found(
                "lost",
                format!("the lake has nothing of it, and the log begins at {begin}"),
                "start the lake writer, and keep the log longer than it may rest",
            ),
            _ => {}
        }
    }
    for (topic, partition) in positions.0.keys().filter(|(topic, _)| wanted(topic)) {
        if log.end.get(topic, *partition).is_none() {
            findings.push(Finding {
                what: "beyond_log",
                table: topic.clone(),
                place: format!("{topic}/{partition}"),
                detail: "the lake has rows of this partition, and the log has no such partition".to_owned(),
                remedy: "this is the lake of another log: look at `lake.place` and `kafka.brokers`",
            });
        }
    }
    findings
}
