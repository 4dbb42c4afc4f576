//! A small map from people to something said of them, as two sorted columns: 8 bytes and the value an entry, where a tree takes several times that.

use serde::{Deserialize, Serialize};

/// Values by user id, in id order. Inserting moves what lies behind; lists of a person are short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct List<V> {
    users: Vec<u64>,
    values: Vec<V>,
}

impl<V> Default for List<V> {
    fn default() -> Self {
        Self { users: Vec::new(), values: Vec::new() }
    }
}

impl<V> List<V> {
    /// The value of a user.
    pub(super) fn get(&self, user: &u64) -> Option<&V> {
        self.users.binary_search(user).ok().map(|at| &self.values[at])
    }

    /// Sets the value of a user; the old one comes back.
    pub(super) fn insert(&mut self, user: u64, value: V) -> Option<V> {
        match self.users.binary_search(&user) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at], value)),
            Err(at) => {
                self.users.insert(at, user);
                self.values.insert(at, value);
                None
            }
        }
    }

    /// Takes a user out.
    pub(super) fn remove(&mut self, user: &u64) -> Option<V> {
        let at = self.users.binary_search(user).ok()?;
        self.users.remove(at);
        Some(self.values.remove(at))
    }

    /// Keeps what fulfils a condition, and gives spare memory back.
    pub(super) fn retain(&mut self, keep: impl Fn(&u64, &V) -> bool) {
        if self.iter().all(|(user, value)| keep(user, value)) {
            return;
        }
        let kept: Vec<bool> = self.iter().map(|(user, value)| keep(user, value)).collect();
        let (mut users, mut values) = (kept.iter(), kept.iter());
        self.users.retain(|_| users.next().is_some_and(|kept| *kept));
        self.values.retain(|_| values.next().is_some_and(|kept| *kept));
        self.users.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// Everybody, in id order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&u64, &V)> {
        self.users.iter().zip(&self.values)
    }

    /// Number of people.
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u64..20, 0u32..100, 0u8..4), 0..100)) {
            let (mut list, mut map) = (List::default(), BTreeMap::new());
            for (user, value, step) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(list.insert(user, value), map.insert(user, value)),
                    2 => prop_assert_eq!(list.remove(&user), map.remove(&user)),
                    _ => {
                        list.retain(|_, kept| *kept != value);
                        map.retain(|_, kept| *kept != value);
                    }
                }
                prop_assert_eq!(list.get(&user), map.get(&user));
            }
            prop_assert_eq!(list.len(), map.len());
            prop_assert!(list.iter().eq(map.iter()));
        }
    }
}
