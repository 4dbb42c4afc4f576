//! What the lake holds up to a commit: the positions, and the files whose rows lie before them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use features::topic::Topic;

use super::commits;
use super::files::{FileName, Files, LakeError};
use super::reading::{SizedFile, counted};
use crate::bus::Offsets;
use crate::snapshots::open_store;

/// A file of the lake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredFile {
    /// Its name.
    pub name: FileName,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written.
    pub written: DateTime<Utc>,
}

/// What the lake holds at a moment, as one picture: exactly the records before its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The next offset of each partition that is not in the lake yet.
    pub positions: Offsets,
    /// The files, in the order of their names.
    pub files: Vec<StoredFile>,
}

/// How often the lake is looked at again while a flush is being moved in or files are being merged.
const LOOKS: u32 = 25;

impl Stock {
    /// Looks at some tables of the lake at `place` (a folder or a URL).
    ///
    /// # Errors
    /// When the lake cannot be read, or is no consistent picture for five seconds: a writer died between commit and move, or files overlap.
    pub async fn take(place: &str, topics: &[Topic]) -> Result<Self, LakeError> {
        let files = Files::new(open_store(place)?);
        let mut looked = 0;
        loop {
            let (_, commit) = commits::newest(&files).await?;
            let positions = Offsets::from_named(&commit.positions);
            let mut found = Vec::new();
            for topic in topics {
                found.extend(of_table(&files, *topic).await?);
            }
            match picture(positions, &commit.files, found, topics) {
                Ok(stock) => return Ok(stock),
                Err(reason) if looked == LOOKS => return Err(LakeError::data("read the lake as one picture", reason)),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
            looked += 1;
        }
    }
}

async fn of_table(files: &Files, topic: Topic) -> Result<Vec<StoredFile>, LakeError> {
    let found = counted(files, topic.name()).await?;
    Ok(found.into_iter().map(|SizedFile { name, bytes, written }| StoredFile { name, bytes, written }).collect())
}

/// The files before the positions.
///
/// # Errors
/// Why what was found is no picture of one moment.
fn picture(positions: Offsets, committed: &[String], found: Vec<StoredFile>, topics: &[Topic]) -> Result<Stock, String> {
    let next = |name: &FileName| positions.get(&name.topic, name.partition).unwrap_or(0);
    let mut found: Vec<StoredFile> = found.into_iter().filter(|file| file.name.first < next(&file.name)).collect();
    // Those that began at the same offset: the longest first.
    let place = |name: &FileName| (name.topic.clone(), name.day, name.partition, name.first, -name.last);
    found.sort_by_cached_key(|file| place(&file.name));
    let mut lanes: BTreeMap<(String, i32, chrono::NaiveDate), Vec<StoredFile>> = BTreeMap::new();
    for file in found {
        let FileName { topic, day, partition, first, last } = &file.name;
        if *last >= next(&file.name) {
            return Err(format!("`{}` reaches beyond the newest commit", file.name.path()));
        }
        let lane = lanes.entry((topic.clone(), *partition, *day)).or_default();
        match lane.last().map(|before| &before.name) {
            // Of files that were merged those count in which the others are.
            Some(before) if *last <= before.last => {}
            Some(before) if *first <= before.last => {
                return Err(format!("`{}` and `{}` overlap; `hongniang lake verify` tells more", before.path(), file.name.path()));
            }
            _ => lane.push(file),
        }
    }
    for name in committed.iter().filter_map(|path| FileName::parse(path)) {
        let asked = topics.iter().any(|topic| topic.name() == name.topic);
        let lane = lanes.get(&(name.topic.clone(), name.partition, name.day));
        let there = lane.is_some_and(|lane| lane.iter().any(|file| file.name.first <= name.first && name.last <= file.name.last));
        if asked && !there {
            return Err(format!("`{}` is committed and not there yet; start the lake writer, which moves it in", name.path()));
        }
    }
    let mut files: Vec<StoredFile> = lanes.into_values().flatten().collect();
    files.sort();
    Ok(Stock { positions, files })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(partition: i32, first: i64, last: i64) -> StoredFile {
        let name = FileName { topic: "moments".to_owned(), day: "2026-11-24".parse().unwrap(), partition, first, last };
        StoredFile { name, bytes: 1, written: DateTime::UNIX_EPOCH }
    }

    fn at(ends: &[(i32, i64)]) -> Offsets {
        let mut offsets = Offsets::default();
        ends.iter().for_each(|(partition, next)| offsets.set("moments", *partition, *next));
        offsets
    }

    #[test]
    fn what_lies_behind_the_positions_is_not_there_yet() {
        let found = vec![file(0, 0, 9), file(0, 10, 19), file(1, 0, 4), file(2, 0, 3)];
        let stock = picture(at(&[(0, 10), (1, 5)]), &[], found, &[Topic::Moments]).unwrap();
        assert_eq!(stock.files, [file(0, 0, 9), file(1, 0, 4)]);
    }

    #[test]
    fn a_picture_of_two_moments_is_none() {
        let picture = |committed: &[String], found: Vec<StoredFile>| picture(at(&[(0, 20)]), committed, found, &[Topic::Moments]);
        let beyond = picture(&[], vec![file(0, 10, 25)]).unwrap_err();
        assert!(beyond.contains("moments-0-10-25.parquet") && beyond.contains("beyond"), "{beyond}");
        let overlap = picture(&[], vec![file(0, 0, 9), file(0, 5, 19)]).unwrap_err();
        assert!(overlap.contains("overlap"), "{overlap}");
        let merged = picture(&[], vec![file(0, 0, 9), file(0, 0, 19), file(0, 10, 19)]).unwrap();
        assert_eq!(merged.files, [file(0, 0, 19)], "what was merged is not counted twice");
        let not_moved = picture(&[file(0, 10, 19).name.path()], vec![file(0, 0, 9)]).unwrap_err();
        assert!(not_moved.contains("moments-0-10-19.parquet") && not_moved.contains("not there yet"), "{not_moved}");
        // A merge has swallowed what the newest commit brought.
        assert_eq!(picture(&[file(0, 10, 19).name.path()], vec![file(0, 0, 19)]).unwrap().files.len(), 1);
        // Of other tables nothing was asked.
        assert!(picture(&["profiles/dt=2026-11-24/profiles-0-0-3.parquet".to_owned()], vec![]).is_ok());
    }
}
