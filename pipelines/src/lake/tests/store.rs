//! A store that stops working after so many changes, as for a process that is killed there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    /// Changes that are still done.
    left: Arc<AtomicI64>,
    /// Whether moving is a copy and a removal, as on S3.
    copies: bool,
    /// Whether `PutMode::Create` writes over what is there.
    careless: bool,
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, left: i64, copies: bool) -> Self {
        Self { inner, left: Arc::new(AtomicI64::new(left)), copies, careless: false }
    }

    pub(super) fn careless(inner: Arc<dyn ObjectStore>) -> Self {
        Self { careless: true, ..Self::new(inner, i64::MAX, false) }
    }

    /// The changes that would still have been done.
    pub(super) fn left(&self) -> i64 {
        self.left.load(Ordering::SeqCst)
    }

    fn change(&self) -> Result<()> {
        change(&self.left)
    }
}

fn change(left: &AtomicI64) -> Result<()> {
    if left.fetch_sub(1, Ordering::SeqCst) <= 0 { Err(Error::Generic { store: "killed", source: "killed".into() }) } else { Ok(()) }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        self.change()?;
        if self.careless {
            opts.mode = PutMode::Overwrite;
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.change()?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let left = Arc::clone(&self.left);
        self.inner.delete_stream(locations.map(move |path| path.and_then(|path| change(&left).map(|()| path))).boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.change()?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.change()?;
        if !self.copies {
            return self.inner.rename_opts(from, to, options).await;
        }
        // Not `copy`: a local store makes hard links, and to move a file over another name of itself does nothing (rename(2)).
        let bytes = self.inner.get(from).await?.bytes().await?;
        self.inner.put(to, bytes.into()).await?;
        self.change()?;
        self.inner.delete(from).await
    }
}
