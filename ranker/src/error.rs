//! What can go wrong while ranking.

use features::ids::UserId;

/// A deck could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RankError {
    /// Nothing is known of the viewer: nobody can be recommended to them yet.
    #[error("viewer {0} has no portrait: publish a profile first, it arrives within about a second")]
    UnknownViewer(UserId),
    /// A position that is not on the Earth.
    #[error("position: latitude must be -90 to 90 and longitude -180 to 180")]
    Position,
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ranker.{field}: {problem}")]
pub struct ConfigError {
    /// The field, as a path such as `draw.temperature` or `regions.上海.weights.age`.
    pub field: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The index behind it failed.
    #[error(transparent)]
    Index(#[from] index::IndexError),
    /// It did not answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u64),
    /// It panicked.
    #[error("panicked")]
    Panicked,
}
