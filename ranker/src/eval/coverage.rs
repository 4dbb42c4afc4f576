//! Who is shown at all.

use std::collections::BTreeSet;

use super::real;

/// The share of `catalogue` that appears in `shown` at least once: 0 to 1. Who is shown but not in the catalogue does not count.
///
/// `None` for an empty catalogue. Catalogue coverage of Ge, Delgado-Battenfeld and Jannach (RecSys 2010).
pub fn coverage<T: Ord>(shown: impl IntoIterator<Item = T>, catalogue: &BTreeSet<T>) -> Option<f64> {
    let seen: BTreeSet<T> = shown.into_iter().filter(|item| catalogue.contains(item)).collect();
    (!catalogue.is_empty()).then(|| real(seen.len()) / real(catalogue.len()))
}
