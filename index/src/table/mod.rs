//! The portrait table: every portrait a serving node knows, in columns, in memory.
//!
//! Rows are `u32`, reused after removal. Numbers that filters and scorers read lie in flat columns, vectors as int8 in flat
//! slabs, the profile itself packed, for answers. Readers take [`PortraitTable::read`], a guard over the whole table; the writer
//! applies a few portraits at a time. Positions are snapped to cells when they enter ([`crate::geo`]). Who may be shown is a bitmap per gender,
//! who lives where a bitmap per cell: [`Columns::reach`] finds the nearest people of the right gender and age at a bounded cost.

mod columns;
mod places;
mod reach;
mod row;
mod scan;
mod slab;
mod store;

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use features::ids::UserId;
use features::portrait::Portrait;
use features::profile::Profile;

pub use self::columns::{Columns, tag_overlap};
pub use self::reach::{Reach, Reached};
pub use self::row::Limits;
pub use self::slab::VectorRef;

/// Portraits applied under one lock: enough to save locking, too few for readers to notice.
const AT_ONCE: usize = 32;

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

    /// [`Self::apply`] for many; of each whether it was taken over.
    pub fn apply_all(&self, portraits: &[&Portrait]) -> Vec<bool> {
        let mut taken = Vec::with_capacity(portraits.len());
        for some in portraits.chunks(AT_ONCE) {
            let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
            taken.extend(some.iter().map(|portrait| columns.apply(portrait)));
        }
        taken
    }

    /// Removes a user; `false` if there was none.
    pub fn remove(&self, user: UserId) -> bool {
        self.columns.write().unwrap_or_else(PoisonError::into_inner).remove(user)
    }

    /// Changes the profile of a user at once, before the stream has brought the portrait (read your writes). The row is made
    /// if there is none; the next portrait replaces it, unless its profile is of a smaller [`Profile::revision`]: then only the rest of it counts.
    /// `false` if the table already holds a larger revision.
    pub fn overlay(&self, user: UserId, profile: &Profile) -> bool {
        self.columns.write().unwrap_or_else(PoisonError::into_inner).overlay(user, profile)
    }

    /// A consistent view.
    pub fn read(&self) -> TableRead<'_> {
        self.columns.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at every row, in row order, until `look` breaks. The table is locked for `at_once` rows (1 or more) at a time: who waits to write must not
    /// wait for a look at everybody. So what is seen is no single moment: somebody may come or go between two portions.
    pub fn each_row(&self, at_once: usize, mut look: impl FnMut(&Columns, u32) -> ControlFlow<()>) {
        let mut next = Some(0);
        while let Some(first) = next {
            let read = self.read();
            next = None;
            for (seen, row) in read.rows_from(first).enumerate() {
                if seen == at_once {
                    next = Some(row);
                    break;
                }
                if look(&read, row).is_break() {
                    return;
                }
            }
        }
    }

    /// Number of people.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a user has a row; costs no look at the profile.
    pub fn contains(&self, user: UserId) -> bool {
        self.read().row_of(user).is_some()
    }

    /// The profile of a user.
    pub fn profile(&self, user: UserId) -> Option<Arc<Profile>> {
        let table = self.read();
        table.row_of(user).map(|row| table.profile(row))
    }
}

#[cfg(test)]
mod tests;
