//! What can go wrong with a backfill.

use crate::bus::BusError;
use crate::lake::LakeError;
use crate::snapshots::SnapshotError;

/// Why a backfill ended.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The event log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Durable state.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What was asked for cannot be right.
    #[error("{0}")]
    Refused(String),
    /// Another backfill was started.
    #[error("another backfill was started and goes on instead of this one; `hongniang backfill status` shows it")]
    Superseded,
    /// A computation or a file failed.
    #[error("could not {what}: {reason}; the same command goes on where this one stopped")]
    Failed {
        /// What was tried.
        what: String,
        /// What went wrong.
        reason: String,
    },
}

impl BackfillError {
    /// Wraps an error with what was tried.
    pub(super) fn failed(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), reason: reason.to_string() }
    }
}
