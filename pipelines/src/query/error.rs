//! What goes wrong with a query, in words that help.

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::tell::names;

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A name that is no table.
    #[error("there is no table `{name}`; tables: {tables}")]
    NoTable {
        /// What was asked for.
        name: String,
        /// What there is.
        tables: String,
    },
    /// Something else than reading.
    #[error("{what} is refused: the lake is only read here; {instead}")]
    ReadOnly {
        /// What was tried.
        what: String,
        /// What can be done in its place.
        instead: &'static str,
    },
    /// More memory or disk than the session may have.
    #[error("{0}; narrow the query (fewer days, fewer columns), or raise query.memory_mb or query.spill_mb")]
    Resources(String),
    /// A file that was listed is there no more.
    #[error("a file was replaced while it was read ({0}); ask again")]
    Replaced(String),
    /// Everything else, in the words of DataFusion.
    #[error("{}", .0.strip_backtrace())]
    Failed(DataFusionError),
}

impl QueryError {
    /// Finds the words for what DataFusion said.
    pub fn of(error: DataFusionError, session: &SessionContext) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(text) => return Self::Resources(text.lines().next().unwrap_or_default().to_owned()),
            DataFusionError::ObjectStore(cause) => {
                if let object_store::Error::NotFound { path, .. } = cause.as_ref() {
                    return Self::Replaced(path.clone());
                }
            }
            _ => {}
        }
        let text = error.strip_backtrace();
        let unknown = text.split_once("table '").and_then(|(_, rest)| rest.split_once("' not found"));
        let Some((name, _)) = unknown else { return Self::Failed(error) };
        let name = name.strip_prefix("hongniang.").unwrap_or(name);
        let name = name.strip_prefix("lake.").unwrap_or(name).to_owned();
        Self::NoTable { name, tables: names(session).join(", ") }
    }
}
