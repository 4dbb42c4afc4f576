//! The model cache.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use features::embed::{TextEncoder, convert, load_encoder};
use features::manifest::{Manifest, ModelSpec, Purpose};
use serde::Serialize;
use uuid::Uuid;

use super::check::{present, verify};
use super::error::ModelsError;
use super::fetch::{Hub, Package, Source};

/// Folders of unfinished work begin with this.
const STAGING: &str = ".staging-";
/// Unfinished work older than this was left behind by a crash.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The models on this machine and the way to more.
pub struct ModelStore {
    cache_dir: PathBuf,
    manifest: Manifest,
    sources: Vec<Box<dyn Source>>,
}

/// A model and whether it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelStatus {
    /// Short name.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Length of its vectors.
    pub dim: usize,
    /// SPDX identifier of the licence of the weights.
    pub licence: String,
    /// Size of the finished files in bytes.
    pub bytes: u64,
    /// Whether it is used unless the configuration says otherwise.
    pub default: bool,
    /// Whether its files are in the cache (their lengths are compared, not their contents).
    pub installed: bool,
    /// One sentence about it.
    pub about: String,
}

/// What [`ModelStore::ensure`] is doing, for a progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Files in the cache are compared with the manifest.
    Checking,
    /// A source is being asked; the name of the source.
    Fetching(String),
    /// A source could not deliver; its name and why. The next one is asked.
    Failed(String, String),
    /// The inputs are there and are being converted.
    Converting,
    /// The model is ready in this folder.
    Ready(PathBuf),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checking => write!(f, "checking"),
            Self::Fetching(source) => write!(f, "fetching from {source}"),
            Self::Failed(source, reason) => write!(f, "{source} cannot be used: {reason}"),
            Self::Converting => write!(f, "converting"),
            Self::Ready(folder) => write!(f, "ready in {}", folder.display()),
        }
    }
}

impl ModelStore {
    /// The store of this machine: the built-in manifest, and the folder `$HONGNIANG_MODELS` or
    /// `~/.cache/hongniang/models`.
    ///
    /// # Errors
    /// When neither variable says where models are kept.
    pub fn open() -> Result<Self, ModelsError> {
        let folder = match (std::env::var_os("HONGNIANG_MODELS"), std::env::var_os("HOME")) {
            (Some(folder), _) if !folder.is_empty() => PathBuf::from(folder),
            (_, Some(home)) if !home.is_empty() => PathBuf::from(home).join(".cache/hongniang/models"),
            _ => return Err(ModelsError::NoFolder),
        };
        Ok(Self::new(folder, Manifest::built_in()?))
    }

    /// A store of the models of `manifest` in the folder `cache_dir`, which is made when needed.
    #[must_use]
    pub fn new(cache_dir: PathBuf, manifest: Manifest) -> Self {
        Self::with_sources(cache_dir, manifest, vec![Box::new(Hub), Box::new(Package)])
    }

    pub(super) fn with_sources(cache_dir: PathBuf, manifest: Manifest, sources: Vec<Box<dyn Source>>) -> Self {
        Self { cache_dir, manifest, sources }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All models of the manifest, in its order.
    #[must_use]
    pub fn list(&self) -> Vec<ModelStatus> {
        let status = |spec: &ModelSpec| ModelStatus {
            name: spec.name.clone(),
            version: spec.version.clone(),
            purpose: spec.purpose,
            dim: spec.dim,
            licence: spec.licence.clone(),
            bytes: spec.bytes(),
            default: spec.name == self.manifest.default_encoder,
            installed: present(&self.folder(spec), &spec.files),
            about: spec.about.clone(),
        };
        self.manifest.models.iter().map(status).collect()
    }

    /// Folder with the finished, verified files of a model; fetches and converts it first when it
    /// is missing or damaged. Blocks for as long as that takes. Safe to call from several threads
    /// and processes at the same time.
    ///
    /// # Errors
    /// When there is no such model, no source delivers it, or the disk refuses.
    pub fn ensure(&self, name: &str, progress: &dyn Fn(&Step)) -> Result<PathBuf, ModelsError> {
        let spec = self.manifest.model(name)?;
        let folder = self.folder(spec);
        progress(&Step::Checking);
        if verify(&folder, &spec.files).is_err() {
            self.make(spec, &folder, progress)?;
        }
        progress(&Step::Ready(folder.clone()));
        Ok(folder)
    }

    /// Loads the encoder of that name from the cache, without asking the network.
    ///
    /// # Errors
    /// When there is no such model, or it is not installed, or it is damaged.
    pub fn encoder(&self, name: &str) -> Result<Arc<dyn TextEncoder>, ModelsError> {
        let spec = self.manifest.model(name)?;
        let folder = self.folder(spec);
        if !present(&folder, &spec.files) {
            return Err(ModelsError::NotInstalled { model: name.to_owned(), folder });
        }
        Ok(load_encoder(&folder, spec)?)
    }

    fn folder(&self, spec: &ModelSpec) -> PathBuf {
        self.cache_dir.join(spec.folder())
    }

    fn make(&self, spec: &ModelSpec, folder: &Path, progress: &dyn Fn(&Step)) -> Result<(), ModelsError> {
        std::fs::create_dir_all(&self.cache_dir).map_err(ModelsError::file(&self.cache_dir))?;
        self.sweep()?;
        let staging = Staging::new(&self.cache_dir)?;
        let inputs = self.fetch(spec, &staging, progress)?;
        progress(&Step::Converting);
        let finished = staging.folder("finished")?;
        convert::convert(spec.converter, &inputs, &finished)?;
        verify(&finished, &spec.files).map_err(|reason| ModelsError::Converted { model: spec.name.clone(), reason })?;
        share(&finished, spec)?;
        install(&finished, folder, &staging, spec)
    }

    /// Asks the sources in turn until one delivers the right inputs; the folder they are in.
    fn fetch(&self, spec: &ModelSpec, staging: &Staging, progress: &dyn Fn(&Step)) -> Result<PathBuf, ModelsError> {
        let mut attempts = String::new();
        for (i, source) in self.sources.iter().enumerate() {
            let Some(name) = source.name(spec) else { continue };
            progress(&Step::Fetching(name.clone()));
            let inputs = staging.folder(&format!("inputs-{i}"))?;
            match source.fetch(spec, &inputs).and_then(|()| verify(&inputs, &spec.inputs)) {
                Ok(()) => return Ok(inputs),
                Err(reason) => {
                    attempts.push_str(&format!("\n  {name}: {reason}"));
                    progress(&Step::Failed(name, reason));
                }
            }
        }
        Err(ModelsError::Unavailable { model: spec.name.clone(), attempts, folder: self.folder(spec) })
    }

    /// Removes what crashed processes left behind.
    fn sweep(&self) -> Result<(), ModelsError> {
        let entries = std::fs::read_dir(&self.cache_dir).map_err(ModelsError::file(&self.cache_dir))?;
        for entry in entries.filter_map(Result::ok) {
            let old = |changed: SystemTime| changed.elapsed().is_ok_and(|age| age > ABANDONED);
            let abandoned = entry.metadata().and_then(|data| data.modified()).is_ok_and(old);
            if abandoned && entry.file_name().to_string_lossy().starts_with(STAGING) {
                std::fs::remove_dir_all(entry.path()).map_err(ModelsError::file(&entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Lets every user of the machine read the files.
fn share(folder: &Path, spec: &ModelSpec) -> Result<(), ModelsError> {
    #[cfg(unix)]
    for file in &spec.files {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join(&file.name);
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, readable).map_err(ModelsError::file(&path))?;
    }
    Ok(())
}

/// Moves `finished` to `folder` in one step. What is there already is moved aside when it is
/// damaged, and kept when another process was faster.
fn install(finished: &Path, folder: &Path, staging: &Staging, spec: &ModelSpec) -> Result<(), ModelsError> {
    for attempt in 0..3 {
        match std::fs::rename(finished, folder) {
            Ok(()) => return Ok(()),
            Err(_) if verify(folder, &spec.files).is_ok() => return Ok(()),
            Err(error) if !folder.exists() => return Err(ModelsError::file(folder)(error)),
            Err(_) => {
                let aside = staging.path.join(format!("damaged-{attempt}"));
                match std::fs::rename(folder, &aside) {
                    Err(error) if folder.exists() => return Err(ModelsError::file(folder)(error)),
                    _ => {}
                }
            }
        }
    }
    Err(ModelsError::file(folder)(std::io::ErrorKind::AlreadyExists.into()))
}

/// A folder for unfinished work beside the finished models, removed when dropped.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn new(cache_dir: &Path) -> Result<Self, ModelsError> {
        let path = cache_dir.join(format!("{STAGING}{}", Uuid::now_v7()));
        std::fs::create_dir(&path).map_err(ModelsError::file(&path))?;
        Ok(Self { path })
    }

    fn folder(&self, name: &str) -> Result<PathBuf, ModelsError> {
        let path = self.path.join(name);
        std::fs::create_dir(&path).map_err(ModelsError::file(&path))?;
        Ok(path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "unfinished model files could not be removed");
        }
    }
}
