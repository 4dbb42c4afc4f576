//! The lake as its readers see it: every row once, also while files are being swapped.
//!
//! A listing is not a moment: files may come and go while it goes on. So the open swaps are read before it, and what is noted about swaps is looked
//! at again after it; where a swap was decided or done meanwhile, everything is read again. What an open swap replaces is left out, and what it
//! puts in its place is there, whether it was moved in yet or not. A reader that finds a file gone which it was told about reads it where it was
//! moved to.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use super::files::{FileName, Files, LakeError};
use super::swaps::{self, Swap};

/// A listing that is disturbed so often is given up.
const TRIES: usize = 60;

/// The store of a lake, as queries should see it.
///
/// # Errors
/// When the place cannot be used.
pub fn readable(place: &str) -> std::result::Result<Arc<dyn ObjectStore>, LakeError> {
    Ok(Arc::new(Readable { files: Files::new(crate::snapshots::open_store(place)?) }))
}

/// Only files that no other one covers, by name.
pub(super) fn uncovered(names: Vec<FileName>) -> Vec<FileName> {
    let mut groups: BTreeMap<(String, NaiveDate, i32), Vec<FileName>> = BTreeMap::new();
    for name in names {
        groups.entry((name.topic.clone(), name.day, name.partition)).or_default().push(name);
    }
    let mut kept = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|name| (name.first, std::cmp::Reverse(name.last)));
        let mut widest: Option<FileName> = None;
        for name in group {
            if widest.as_ref().is_some_and(|wide| wide.covers(&name)) {
                continue;
            }
            if widest.as_ref().is_none_or(|wide| wide.last < name.last) {
                widest = Some(name.clone());
            }
            kept.push(name);
        }
    }
    kept
}

/// A file with its size.
#[derive(Debug, Clone)]
pub(super) struct SizedFile {
    pub(super) name: FileName,
    pub(super) bytes: u64,
    pub(super) written: DateTime<Utc>,
}

/// The files of a table that count.
pub(super) async fn counted(files: &Files, table: &str) -> std::result::Result<Vec<SizedFile>, LakeError> {
    let refused = |source| LakeError::Store { what: "list", name: table.to_owned(), source };
    let found = Readable { files: files.clone() }.counted(Some(Path::from(table))).await.map_err(refused)?;
    let sized = |meta: ObjectMeta| {
        FileName::parse(meta.location.as_ref()).map(|name| SizedFile { name, bytes: meta.size, written: meta.last_modified })
    };
    Ok(found.into_iter().filter_map(sized).collect())
}

#[derive(Debug, Clone)]
struct Readable {
    files: Files,
}

impl std::fmt::Display for Readable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the lake in {}", self.files.store)
    }
}

fn failed(error: LakeError) -> Error {
    Error::Generic { store: "lake", source: Box::new(error) }
}

impl Readable {
    /// The files that count below a folder.
    async fn counted(self, prefix: Option<Path>) -> Result<Vec<ObjectMeta>> {
        for _ in 0..TRIES {
            let before = swaps::noted(&self.files).await.map_err(failed)?;
            let open = swaps::open(&self.files, &before).await.map_err(failed)?;
            let listed: Vec<ObjectMeta> = self.files.store.list(prefix.as_ref()).try_collect().await?;
            if swaps::noted(&self.files).await.map_err(failed)? == before {
                return self.resolve(prefix.as_ref(), listed, open.values()).await;
            }
        }
        let reason = "its files were swapped again and again while they were listed; try again when `lake compact` is done";
        Err(Error::Generic { store: "lake", source: reason.into() })
    }

    async fn resolve<'a>(
        &self,
        prefix: Option<&Path>,
        listed: Vec<ObjectMeta>,
        open: impl Iterator<Item = &'a Swap>,
    ) -> Result<Vec<ObjectMeta>> {
        let mut by_path: BTreeMap<String, ObjectMeta> = listed.into_iter().map(|meta| (meta.location.to_string(), meta)).collect();
        for swap in open {
            for input in &swap.inputs {
                by_path.remove(input);
            }
            let Some(output) = swap.output.as_ref().filter(|path| !by_path.contains_key(*path)) else { continue };
            let location = Path::from(output.as_str());
            if prefix.is_none_or(|prefix| location.prefix_matches(prefix)) {
                by_path.insert(output.clone(), self.head(&location).await?);
            }
        }
        let names: Vec<FileName> = by_path.keys().filter_map(|path| FileName::parse(path)).collect();
        let kept: HashSet<String> = uncovered(names).iter().map(FileName::path).collect();
        by_path.retain(|path, _| FileName::parse(path).is_none() || kept.contains(path));
        Ok(by_path.into_values().collect())
    }

    /// Where else a file may be: out of the way, or not in its place yet.
    async fn elsewhere(&self, path: &Path) -> Result<Vec<Path>> {
        let mut places = vec![swaps::replaced(path.as_ref())];
        let noted = swaps::noted(&self.files).await.map_err(failed)?;
        for swap in swaps::open(&self.files, &noted).await.map_err(failed)?.into_values() {
            if swap.output.as_deref() == Some(path.as_ref()) {
                places.push(swaps::staged(swap.owner, path.as_ref()));
            }
        }
        // Between the look and the look at the swaps it may have been moved in.
        places.push(path.clone());
        Ok(places)
    }
}

#[async_trait]
impl ObjectStore for Readable {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.files.store.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.files.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut answer = self.files.store.get_opts(location, options.clone()).await;
        if matches!(answer, Err(Error::NotFound { .. })) {
            for place in self.elsewhere(location).await? {
                answer = self.files.store.get_opts(&place, options.clone()).await;
                if !matches!(answer, Err(Error::NotFound { .. })) {
                    break;
                }
            }
        }
        answer.map(|mut found| {
            found.meta.location.clone_from(location);
            found
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut answer = self.files.store.get_ranges(location, ranges).await;
        if matches!(answer, Err(Error::NotFound { .. })) {
            for place in self.elsewhere(location).await? {
                answer = self.files.store.get_ranges(&place, ranges).await;
                if !matches!(answer, Err(Error::NotFound { .. })) {
                    break;
                }
            }
        }
        answer
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        stream::once(this.counted(prefix)).map_ok(|found| stream::iter(found.into_iter().map(Ok::<_, Error>))).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut found = self.files.store.list_with_delimiter(prefix).await?;
        if !found.objects.is_empty() {
            let counted: HashSet<Path> = self.clone().counted(prefix.cloned()).await?.into_iter().map(|meta| meta.location).collect();
            found.objects.retain(|meta| counted.contains(&meta.location));
        }
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.store.rename_opts(from, to, options).await
    }
}
