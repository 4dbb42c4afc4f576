//! What can go wrong in an index.

use std::path::PathBuf;

/// An index could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file could not be read or written.
    #[error("{path}: {source}; check permissions and free space")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A snapshot is damaged or of another version; it can be deleted, the state is rebuilt from the topics.
    #[error("snapshot {path} cannot be used ({reason}); it is rebuilt from the topics")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The vector store refused or failed.
    #[error("vector store: {0}")]
    Vectors(String),
    /// The text index refused or failed.
    #[error("text index: {0}")]
    Text(#[from] tantivy::TantivyError),
    /// A background thread died.
    #[error("index worker stopped: {0}")]
    Worker(String),
}

impl IndexError {
    /// Wraps an I/O error with the path it was about.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
