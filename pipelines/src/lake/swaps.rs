//! Files in the place of others: a merged file for many small ones, or nothing for what is past its time. It happens at once, or not at all.
//!
//! A merged file is staged where no reader looks, under `_merging/<owner>/`. `_swaps/<number>.json` names it with the files it replaces; it is made
//! only where there is none of that number, and with it the merged file counts and the others do not ([`super::reading`] goes by it). Then the
//! merged file is moved in and the others out, to `_replaced/`, where a reader that has begun finds them for some hours; then
//! `_swaps/<number>.done` is made. A start makes a swap of its own first (of nothing), so that a process that was cut off cannot go on, and ends what
//! was left half done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use super::files::{Files, LakeError};
use super::manifest;
use super::numbered::Numbered;

const SWAPS: &str = "_swaps";
const MERGING: &str = "_merging";
const REPLACED: &str = "_replaced";

/// One swap as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Swap {
    /// Whose staging folder the merged file is in, if it is not moved yet.
    pub(super) owner: u64,
    /// When it was decided.
    pub(super) at: DateTime<Utc>,
    /// The merged file; none where files are only taken away.
    pub(super) output: Option<String>,
    /// Its rows.
    pub(super) rows: u64,
    /// What no longer counts.
    pub(super) inputs: Vec<String>,
}

/// The swaps of a lake.
pub(super) fn log(files: &Files) -> Numbered {
    Numbered::new(files, SWAPS)
}

/// Where a merged file waits for its swap.
pub(super) fn staged(owner: u64, path: &str) -> Path {
    Path::from(format!("{MERGING}/{owner:020}/{path}.part"))
}

/// Where a file lies that was replaced.
pub(super) fn replaced(path: &str) -> Path {
    Path::from(format!("{REPLACED}/{path}"))
}

fn done(number: u64) -> Path {
    Path::from(format!("{SWAPS}/{number:020}.done"))
}

/// What is noted about swaps at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    numbers: BTreeSet<u64>,
    done: BTreeSet<u64>,
}

impl Noted {
    /// Swaps are done one after the other, so what lies before one that is done is no swap: somebody who was cut off for so long that the number
    /// was free again has made it.
    fn open(&self) -> impl Iterator<Item = u64> {
        let last_done = self.done.last().copied().unwrap_or(0);
        self.numbers.iter().copied().filter(move |number| *number > last_done)
    }
}

/// Which swaps there are, and which of them are done.
pub(super) async fn noted(files: &Files) -> Result<Noted, LakeError> {
    let (mut numbers, mut done) = (BTreeSet::new(), BTreeSet::new());
    for meta in files.list(SWAPS).await? {
        let Some((number, kind)) = meta.location.filename().and_then(|name| name.split_once('.')) else { continue };
        let Ok(number) = number.parse() else { continue };
        match kind {
            "json" => numbers.insert(number),
            "done" => done.insert(number),
            _ => false,
        };
    }
    Ok(Noted { numbers, done })
}

/// The swaps that are decided and not done.
pub(super) async fn open(files: &Files, noted: &Noted) -> Result<BTreeMap<u64, Swap>, LakeError> {
    let mut open = BTreeMap::new();
    for number in noted.open() {
        if let Some(swap) = log(files).read(number).await? {
            open.insert(number, swap);
        }
    }
    Ok(open)
}

/// The right to swap.
pub(super) struct Swaps {
    pub(super) files: Files,
    pub(super) owner: u64,
    last: u64,
}

impl Swaps {
    /// Takes the right to swap from whoever had it, and ends what that one had decided.
    pub(super) async fn claim(files: &Files, now: DateTime<Utc>) -> Result<Self, LakeError> {
        let log = log(files);
        loop {
            let number = log.numbers().await?.last().map_or(1, |newest| newest + 1);
            let claim = Swap { owner: number, at: now, output: None, rows: 0, inputs: Vec::new() };
            if !log.create(number, &claim).await? || !log.is_newest(number).await? {
                continue;
            }
            log.refuses_twice(number, &claim).await?;
            let swaps = Self { files: files.clone(), owner: number, last: number };
            for (number, swap) in open(files, &noted(files).await?).await? {
                swaps.settle(number, &swap).await?;
            }
            swaps.clear().await?;
            return Ok(swaps);
        }
    }

    /// From here on `output`, which is staged and has `rows`, counts in the place of `inputs`.
    ///
    /// # Errors
    /// [`LakeError::Overtaken`] when another process has claimed; then nothing of this counts.
    pub(super) async fn swap(&mut self, now: DateTime<Utc>, output: Option<(String, u64)>, inputs: Vec<String>) -> Result<(), LakeError> {
        let (output, rows) = output.map_or((None, 0), |(path, rows)| (Some(path), rows));
        let swap = Swap { owner: self.owner, at: now, output, rows, inputs };
        let (number, log) = (self.last + 1, log(&self.files));
        let made = log.create(number, &swap).await?;
        if !made || !log.is_newest(number).await? {
            return Err(LakeError::Overtaken);
        }
        self.last = number;
        self.settle(number, &swap).await
    }

    /// Moves the merged file in and the others out. What is not there has been moved before.
    async fn settle(&self, number: u64, swap: &Swap) -> Result<(), LakeError> {
        if let Some(output) = &swap.output {
            self.files.rename(&staged(swap.owner, output), &Path::from(output.as_str())).await?;
        }
        for input in &swap.inputs {
            self.files.rename(&Path::from(input.as_str()), &replaced(input)).await?;
        }
        let put = self.files.store.put(&done(number), PutPayload::new()).await;
        put.map(drop).map_err(|source| LakeError::Store { what: "write", name: done(number).to_string(), source })
    }

    /// Removes what is staged and belongs to no swap.
    async fn clear(&self) -> Result<(), LakeError> {
        let own = staged(self.owner, "");
        let own = own.parts().nth(1).map(|part| part.as_ref().to_owned()).unwrap_or_default();
        for left in self.files.list(MERGING).await? {
            if left.location.parts().nth(1).is_none_or(|owner| owner.as_ref() < own.as_str()) {
                self.files.remove(&left.location).await?;
            }
        }
        Ok(())
    }

    /// Removes for good everything that was replaced; how many files.
    pub(super) async fn remove_replaced(&self) -> Result<usize, LakeError> {
        let replaced = self.files.list(REPLACED).await?;
        for file in &replaced {
            self.files.remove(&file.location).await?;
        }
        Ok(replaced.len())
    }

    /// Removes for good what was replaced before a moment, and the swaps that a manifest has summed up; how many files.
    pub(super) async fn forget_before(&self, moment: DateTime<Utc>) -> Result<usize, LakeError> {
        let (folded, log) = (manifest::swaps_folded(&self.files).await?, log(&self.files));
        let mut removed = 0;
        for number in log.numbers().await?.into_iter().filter(|number| *number <= folded && *number < self.last) {
            let Some(swap) = log.read::<Swap>(number).await? else { continue };
            if swap.at >= moment {
                continue;
            }
            for input in &swap.inputs {
                self.files.remove(&replaced(input)).await?;
                removed += 1;
            }
            log.remove(number).await?;
            self.files.remove(&done(number)).await?;
        }
        Ok(removed)
    }
}
