//! Flushes as commits: the files of a flush and the positions behind them count together or not at all, whoever else writes.
//!
//! Files are staged where no reader looks, under `_staging/<owner>/`. `_positions/<number>.json` names them with the positions; it is made only
//! where there is none of that number, and with it the flush counts. Then its files are moved to where readers look; a start moves those
//! that a crash left behind. A start makes a commit of its own first, so that a process that was cut off and has not noticed cannot commit
//! any more: it is told so, and what it staged is removed.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};

use super::files::{FileName, Files, LakeError};
use crate::bus::Offsets;

const COMMITS: &str = "_positions";
const STAGING: &str = "_staging";
/// Positions as they were kept before there were commits.
const FORMER: &str = "_positions.json";

/// So many earlier commits are left, for those who are just reading one.
const KEPT: u64 = 8;

/// One commit as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Commit {
    /// Whose staging folder the files are in, if they are not moved yet.
    owner: u64,
    pub(super) positions: BTreeMap<String, i64>,
    pub(super) files: Vec<String>,
}

/// The right to commit, and where it stands.
pub(super) struct Commits {
    files: Files,
    owner: u64,
    last: u64,
}

fn object(number: u64) -> Path {
    Path::from(format!("{COMMITS}/{number:020}.json"))
}

fn staged(owner: u64, path: &str) -> Path {
    Path::from(format!("{STAGING}/{owner:020}/{path}.part"))
}

impl Commits {
    /// Takes the right to commit from whoever had it, ends what that one had committed, and tells up to where each partition is in
    /// the lake.
    pub(super) async fn claim(files: Files) -> Result<(Self, Offsets), LakeError> {
        loop {
            let (number, newest) = newest(&files).await?;
            if !create(&files, number + 1, &newest).await? || !is_newest(&files, number + 1).await? {
                continue;
            }
            let commits = Self { files, owner: number + 1, last: number + 1 };
            let positions = Offsets::from_named(&newest.positions);
            commits.publish(newest.owner, &newest.files).await?;
            commits.clear().await?;
            if number == 0 {
                commits.files.remove_unfinished(&positions).await?;
            }
            return Ok((commits, positions));
        }
    }

    /// Writes a file of the next commit; nobody sees it yet.
    pub(super) fn stage(&self) -> Stage {
        Stage { files: self.files.clone(), owner: self.owner }
    }

    /// From here on the staged `files` are in the lake, up to `positions`.
    ///
    /// # Errors
    /// [`LakeError::Superseded`] when another process has claimed the lake; then nothing of this counts.
    pub(super) async fn commit(&mut self, positions: &Offsets, files: &[FileName]) -> Result<(), LakeError> {
        let paths: Vec<String> = files.iter().map(FileName::path).collect();
        let commit = Commit { owner: self.owner, positions: positions.to_named(), files: paths };
        let number = self.last + 1;
        let made = create(&self.files, number, &commit).await?;
        if !made || !is_newest(&self.files, number).await? {
            self.forget(&commit.files).await;
            return Err(LakeError::Superseded);
        }
        self.last = number;
        self.publish(self.owner, &commit.files).await?;
        for old in numbers(&self.files).await?.into_iter().filter(|old| old + KEPT < number) {
            self.files.remove(&object(old)).await?;
        }
        Ok(())
    }

    /// Moves staged files to where readers look. What is not there has been moved before.
    async fn publish(&self, owner: u64, paths: &[String]) -> Result<(), LakeError> {
        for path in paths {
            match self.files.store.rename(&staged(owner, path), &Path::from(path.as_str())).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(LakeError::Store { what: "move in", name: path.clone(), source }),
            }
        }
        Ok(())
    }

    async fn forget(&self, paths: &[String]) {
        for path in paths {
            if let Err(error) = self.files.remove(&staged(self.owner, path)).await {
                tracing::warn!(%error, "the next start removes it");
            }
        }
    }

    /// Removes what is staged and belongs to no commit.
    async fn clear(&self) -> Result<(), LakeError> {
        let refused = |source| LakeError::Store { what: "list", name: STAGING.to_owned(), source };
        let left: Vec<object_store::ObjectMeta> = self.files.store.list(Some(&Path::from(STAGING))).try_collect().await.map_err(refused)?;
        for object in &left {
            self.files.remove(&object.location).await?;
        }
        if !left.is_empty() {
            tracing::info!(removed = left.len(), "removed files of an unfinished flush; they are written again");
        }
        Ok(())
    }
}

/// Where files of the next commit are written.
#[derive(Clone)]
pub(super) struct Stage {
    files: Files,
    owner: u64,
}

impl Stage {
    pub(super) async fn put(&self, name: &FileName, bytes: Vec<u8>) -> Result<(), LakeError> {
        let path = name.path();
        let done = self.files.store.put(&staged(self.owner, &path), bytes.into()).await;
        done.map(drop).map_err(|source| LakeError::Store { what: "write", name: path, source })
    }
}

async fn numbers(files: &Files) -> Result<Vec<u64>, LakeError> {
    let refused = |source| LakeError::Store { what: "list", name: COMMITS.to_owned(), source };
    let found: Vec<object_store::ObjectMeta> = files.store.list(Some(&Path::from(COMMITS))).try_collect().await.map_err(refused)?;
    Ok(found.iter().filter_map(|meta| meta.location.filename()?.strip_suffix(".json")?.parse().ok()).collect())
}

/// Earlier commits are removed by and by, so a number may be free and yet long past.
async fn is_newest(files: &Files, number: u64) -> Result<bool, LakeError> {
    Ok(numbers(files).await?.iter().all(|other| *other <= number))
}

async fn create(files: &Files, number: u64, commit: &Commit) -> Result<bool, LakeError> {
    let json = serde_json::to_vec_pretty(commit).map_err(|e| LakeError::Positions(e.to_string()))?;
    match files.store.put_opts(&object(number), json.into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(source) => Err(LakeError::Store { what: "write", name: object(number).to_string(), source }),
    }
}

/// The newest commit and its number; 0 before the first one.
pub(super) async fn newest(files: &Files) -> Result<(u64, Commit), LakeError> {
    loop {
        let Some(number) = numbers(files).await?.into_iter().max() else { break };
        // Another process may just have removed it, after one of its own.
        if let Some(bytes) = files.get(&object(number)).await? {
            return Ok((number, serde_json::from_slice(&bytes).map_err(|e| LakeError::Positions(e.to_string()))?));
        }
    }
    let former = files.get(&Path::from(FORMER)).await?;
    let positions = former.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(|e| LakeError::Positions(e.to_string()))?;
    Ok((0, Commit { positions: positions.unwrap_or_default(), ..Commit::default() }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::snapshots::open_store;

    fn name(first: i64, last: i64) -> FileName {
        FileName { topic: "dead_letters".to_owned(), day: "2026-11-24".parse().unwrap(), partition: 3, first, last }
    }

    fn at(next: i64) -> Offsets {
        let mut offsets = Offsets::default();
        offsets.set("dead_letters", 3, next);
        offsets
    }

    fn lake() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(open_store(dir.path().to_str().unwrap()).unwrap());
        (dir, files)
    }

    async fn flush(commits: &mut Commits, file: &FileName) -> Result<(), LakeError> {
        commits.stage().put(file, vec![1]).await.unwrap();
        commits.commit(&at(file.last + 1), std::slice::from_ref(file)).await
    }

    #[tokio::test]
    async fn a_file_is_seen_with_its_commit_and_not_before() {
        let (_dir, files) = lake();
        let (mut commits, positions) = Commits::claim(files.clone()).await.unwrap();
        assert!(positions.0.is_empty());
        commits.stage().put(&name(0, 9), vec![1]).await.unwrap();
        assert!(files.of_table("dead_letters").await.unwrap().is_empty());
        commits.commit(&at(10), &[name(0, 9)]).await.unwrap();
        assert_eq!(files.of_table("dead_letters").await.unwrap(), [name(0, 9)]);
        commits.stage().put(&name(10, 19), vec![1]).await.unwrap();
        let (_, positions) = Commits::claim(files.clone()).await.unwrap();
        assert_eq!(positions, at(10));
        assert_eq!(files.of_table("dead_letters").await.unwrap(), [name(0, 9)], "an unfinished flush leaves nothing");
    }

    #[tokio::test]
    async fn a_writer_that_was_cut_off_cannot_commit_and_leaves_nothing() {
        let (dir, files) = lake();
        let (mut cut_off, _) = Commits::claim(files.clone()).await.unwrap();
        flush(&mut cut_off, &name(0, 9)).await.unwrap();
        cut_off.stage().put(&name(10, 14), vec![1]).await.unwrap();
        let (mut owner, positions) = Commits::claim(files.clone()).await.unwrap();
        assert_eq!(positions, at(10));
        // So many commits that the number which the other one would use is free again.
        let all: Vec<FileName> = (0..20).map(|n| name(n * 10, n * 10 + 9)).collect();
        for file in &all[1..] {
            flush(&mut owner, file).await.unwrap();
        }
        assert!(!numbers(&files).await.unwrap().contains(&(cut_off.last + 1)));
        let told = flush(&mut cut_off, &name(10, 17)).await.unwrap_err();
        assert!(matches!(told, LakeError::Superseded), "{told}");
        let mut there = files.of_table("dead_letters").await.unwrap();
        there.sort_by_key(|file| file.first);
        assert_eq!(there, all);
        flush(&mut owner, &name(200, 209)).await.unwrap();
        let (_, positions) = Commits::claim(files.clone()).await.unwrap();
        assert_eq!(positions, at(210));
        assert_eq!(walk(&dir.path().join(STAGING)), 0, "nothing stays staged");
    }

    fn walk(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
        entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { 1 }).sum()
    }

    #[tokio::test]
    async fn what_a_crash_left_between_commit_and_move_is_moved_by_the_next_start() {
        let (dir, files) = lake();
        let (mut commits, _) = Commits::claim(files.clone()).await.unwrap();
        // A file where a folder must be: the move fails after the commit.
        std::fs::write(dir.path().join("dead_letters"), b"").unwrap();
        let failed = flush(&mut commits, &name(0, 9)).await.unwrap_err();
        assert!(matches!(failed, LakeError::Store { what: "move in", .. }), "{failed}");
        std::fs::remove_file(dir.path().join("dead_letters")).unwrap();
        let (_, positions) = Commits::claim(files.clone()).await.unwrap();
        assert_eq!(positions, at(10));
        assert_eq!(files.of_table("dead_letters").await.unwrap(), [name(0, 9)]);
    }

    #[tokio::test]
    async fn a_lake_of_before_there_were_commits_goes_on_at_its_positions() {
        let (dir, files) = lake();
        files.put(&name(0, 9), vec![1]).await.unwrap();
        files.put(&name(10, 19), vec![1]).await.unwrap();
        std::fs::write(dir.path().join(FORMER), serde_json::to_vec(&at(10).to_named()).unwrap()).unwrap();
        let (_, positions) = Commits::claim(files.clone()).await.unwrap();
        assert_eq!(positions, at(10));
        assert_eq!(files.of_table("dead_letters").await.unwrap(), [name(0, 9)], "what lies behind them is written again");
    }
}
