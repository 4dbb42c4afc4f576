//! Which files the lake should have, with how many rows: what `verify` compares with what is there.
//!
//! `_manifest/<number>.json` sums up the commits and swaps up to a number each; those after it are added when it is read. Folding makes the
//! next manifest, only where there is none of that number, and removes the commits it has summed up. Nobody reads the lake by it: files count by
//! their names and the open swaps alone ([`super::reading`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::commits::{self, Commit};
use super::files::{FileName, Files, LakeError};
use super::numbered::Numbered;
use super::reading::uncovered;
use super::swaps;
use crate::tables::TABLES;

const MANIFEST: &str = "_manifest";

/// So many earlier ones are left, of commits and manifests, for those who are just reading one.
const KEPT: u64 = 8;

/// The files of a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The last commit in it.
    commits: u64,
    /// The last swap in it.
    swaps: u64,
    /// Rows by path; unknown for files that are older than manifests.
    pub(super) files: BTreeMap<String, Option<u64>>,
}

fn log(files: &Files) -> Numbered {
    Numbered::new(files, MANIFEST)
}

/// What was there before anything was noted: nothing, where every commit since the first one counts its rows.
async fn adopt(files: &Files) -> Result<Manifest, LakeError> {
    let commits = commits::log(files);
    let numbers = commits.numbers().await?;
    let mut noted = numbers.first() == Some(&1) && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    for number in &numbers {
        let commit = commits.read::<Commit>(*number).await?;
        // The first one is a claim: of nothing, in a new lake.
        noted &= commit.is_some_and(|commit| commit.counted && (*number > 1 || commit.positions.is_empty()));
    }
    if noted {
        return Ok(Manifest::default());
    }
    let mut found = Vec::new();
    for topic in TABLES {
        found.extend(files.of_table(topic.name()).await?);
    }
    let unknown = uncovered(found).into_iter().map(|name: FileName| (name.path(), None)).collect();
    Ok(Manifest { files: unknown, ..Manifest::default() })
}

/// The files that count now, and the number of the manifest it begins with.
pub(super) async fn current(files: &Files) -> Result<(u64, Manifest), LakeError> {
    'again: loop {
        let (number, mut manifest) = match log(files).newest::<Manifest>().await? {
            Some(found) => found,
            None => (0, adopt(files).await?),
        };
        // Swaps before commits: what a swap replaces was committed before.
        let (swaps, commits) = (swaps::log(files), commits::log(files));
        let swapped: Vec<u64> = swaps.numbers().await?.into_iter().filter(|n| *n > manifest.swaps).collect();
        for n in commits.numbers().await?.into_iter().filter(|n| *n > manifest.commits).collect::<Vec<_>>() {
            // It was folded and removed meanwhile.
            let Some(commit) = commits.read::<Commit>(n).await? else { continue 'again };
            manifest.files.extend(commit.rows.into_iter().map(|(path, rows)| (path, Some(rows))));
            manifest.commits = n;
        }
        for n in swapped {
            let Some(swap) = swaps.read::<swaps::Swap>(n).await? else { continue 'again };
            for input in &swap.inputs {
                manifest.files.remove(input);
            }
            manifest.files.extend(swap.output.map(|output| (output, Some(swap.rows))));
            manifest.swaps = n;
        }
        return Ok((number, manifest));
    }
}

/// Sums up what has come since the last manifest, and removes the commits that are no longer needed; how many.
pub(super) async fn fold(files: &Files) -> Result<usize, LakeError> {
    let (number, manifest) = current(files).await?;
    if !log(files).create(number + 1, &manifest).await? {
        // Somebody else has just done it.
        return Ok(0);
    }
    for old in log(files).numbers().await?.into_iter().filter(|old| old + KEPT < number + 1) {
        log(files).remove(old).await?;
    }
    let commits = commits::log(files);
    let all = commits.numbers().await?;
    let newest = all.last().copied().unwrap_or(0);
    let old: Vec<u64> = all.into_iter().filter(|old| *old <= manifest.commits && old + KEPT < newest).collect();
    for number in &old {
        commits.remove(*number).await?;
    }
    Ok(old.len())
}

/// The last swap that a manifest has summed up: those up to it may be forgotten.
pub(super) async fn swaps_folded(files: &Files) -> Result<u64, LakeError> {
    Ok(log(files).newest::<Manifest>().await?.map_or(0, |(_, manifest)| manifest.swaps))
}
