//! Why a model cannot be had.

use std::path::{Path, PathBuf};

use features::embed::EmbedError;
use features::manifest::ManifestError;

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The manifest is malformed or names no such model.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Nobody said where models are kept.
    #[error("set HONGNIANG_MODELS to the folder in which models are kept (there is no HOME to default to)")]
    NoFolder,
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}; check that the folder is writable and the disk has room")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No source delivered the model.
    #[error(
        "model `{model}` cannot be fetched:{attempts}\n\
         Connect to a network that has one of these sources, or copy a finished folder from another machine to {folder}"
    )]
    Unavailable {
        /// Name of the model.
        model: String,
        /// One line per source: its name and why it failed.
        attempts: String,
        /// Where the finished files belong.
        folder: PathBuf,
    },
    /// The model is not in the cache.
    #[error("model `{model}` is not in {folder}; `hongniang models pull {model}` fetches it")]
    NotInstalled {
        /// Name of the model.
        model: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The inputs were right and the result of the conversion was not.
    #[error("the converted model `{model}` is not what the manifest says: {reason}; program and manifest are of different versions")]
    Converted {
        /// Name of the model.
        model: String,
        /// Which file differs and how.
        reason: String,
    },
    /// The model cannot be converted or loaded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
}

impl ModelsError {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
