//! The portrait table: every portrait a serving node knows, in columns, in memory.
//!
//! Rows are `u32`, reused after removal. Numbers that filters and scorers read lie in flat columns, vectors as int8 in flat
//! slabs, the profile itself behind an `Arc` for answers. Readers take [`PortraitTable::read`], a guard over the whole table; the writer
//! applies one portrait at a time. Positions are snapped to cells when they enter ([`crate::geo`]).

mod columns;
mod places;
mod scan;
mod slab;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use features::ids::UserId;
use features::portrait::Portrait;
use features::profile::Profile;

pub use self::columns::{Columns, tag_overlap};
pub use self::slab::VectorRef;
use crate::IndexError;
use crate::snapshot::{self, OffsetMap};

const FORMAT: u32 = 1;

/// Which of the two vectors of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorColumn {
    /// Who they are.
    Content,
    /// Whom they like.
    Taste,
}

/// A shared, mutable portrait table.
#[derive(Debug, Default)]
pub struct PortraitTable {
    columns: RwLock<Columns>,
}

/// A consistent view of the table. Writers wait while it is held: keep it short and never over an await.
pub type TableRead<'a> = RwLockReadGuard<'a, Columns>;

impl PortraitTable {
    /// Takes a portrait over. `false` if the table already holds a newer one of this user.
    pub fn apply(&self, portrait: &Portrait) -> bool {
        self.columns.write().unwrap_or_else(PoisonError::into_inner).apply(portrait)
    }

    /// Removes a user; `false` if there was none.
    pub fn remove(&self, user: UserId) -> bool {
        self.columns.write().unwrap_or_else(PoisonError::into_inner).remove(user)
    }

    /// Changes the profile of a user at once, before the stream has brought the portrait (read your writes). The row is made
    /// if there is none; the next portrait replaces it.
    pub fn overlay(&self, user: UserId, profile: &Profile) {
        self.columns.write().unwrap_or_else(PoisonError::into_inner).overlay(user, profile);
    }

    /// A consistent view.
    pub fn read(&self) -> TableRead<'_> {
        self.columns.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of people.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The profile of a user.
    pub fn profile(&self, user: UserId) -> Option<Arc<Profile>> {
        let table = self.read();
        table.row_of(user).map(|row| Arc::clone(table.profile(row)))
    }

    /// Writes a snapshot with the offsets that led to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, offsets: &OffsetMap) -> Result<(), IndexError> {
        snapshot::write(path, FORMAT, &*self.read(), offsets)
    }

    /// Reads a snapshot; an empty table without offsets when there is none.
    ///
    /// # Errors
    /// When the file is damaged or of another version.
    pub fn load(path: &Path) -> Result<(Self, OffsetMap), IndexError> {
        let (mut columns, offsets) = snapshot::read::<Columns>(path, FORMAT)?.unwrap_or_default();
        columns.rebuild();
        Ok((Self { columns: RwLock::new(columns) }, offsets))
    }

    /// Replaces the contents by those of another table, such as a loaded one.
    pub fn replace(&self, other: Self) {
        let loaded = other.columns.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.columns.write().unwrap_or_else(PoisonError::into_inner) = loaded;
    }
}

#[cfg(test)]
mod tests;
