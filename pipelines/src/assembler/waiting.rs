//! Rows that came before their time: of a computation that still catches up.
//!
//! What comes of rows and announcements together does not depend on their order: of the rows of a key whose generation was announced, the newest
//! counts. A row that was written plainly announces its generation itself.

use std::collections::HashMap;

use features::generation::Generations;
use features::row::{FeatureRow, Form};
use features::sets::FeatureSet;
use serde::{Deserialize, Serialize};

/// The newest row of a key and generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    generation: u32,
    version: i64,
    /// In the order of the set's value columns.
    values: Box<[f64]>,
}

/// Rows that wait, and what has been announced.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    announced: Generations,
    /// By feature set and key; of each generation the newest, and there is hardly ever more than one generation.
    rows: HashMap<String, HashMap<Vec<String>, Vec<Kept>>>,
}

impl Waiting {
    /// Takes a row over and gives those that may be used now.
    pub(super) fn take(&mut self, set: &FeatureSet, row: FeatureRow, form: Form) -> Vec<FeatureRow> {
        if form == Form::Plain {
            let mut usable = self.announce(set, row.generation);
            usable.push(row);
            return usable;
        }
        if row.generation <= self.announced.of(&set.name) {
            return vec![row];
        }
        let kept = Kept {
            generation: row.generation,
            version: row.version,
            values: set.value_columns.iter().map(|name| row.values.get(name).copied().unwrap_or(0.0)).collect(),
        };
        let of_key = self.rows.entry(set.name.clone()).or_default().entry(row.key).or_default();
        match of_key.iter_mut().find(|old| old.generation == kept.generation) {
            Some(old) if old.version >= kept.version => {}
            Some(old) => *old = kept,
            None => of_key.push(kept),
        }
        Vec::new()
    }

    /// Rows of `set` may be used up to this generation: gives those that have waited for it.
    pub(super) fn announce(&mut self, set: &FeatureSet, generation: u32) -> Vec<FeatureRow> {
        if !self.announced.announce(&set.name, generation) {
            return Vec::new();
        }
        let Some(rows) = self.rows.get_mut(&set.name) else { return Vec::new() };
        let mut usable = Vec::new();
        rows.retain(|key, of_key| {
            usable.extend(of_key.extract_if(.., |kept| kept.generation <= generation).map(|kept| FeatureRow {
                key: key.clone(),
                version: kept.version,
                generation: kept.generation,
                values: set.value_columns.iter().cloned().zip(kept.values.iter().copied()).collect(),
            }));
            !of_key.is_empty()
        });
        self.rows.retain(|_, rows| !rows.is_empty());
        usable
    }

    /// Drops everything about somebody.
    pub(super) fn erase(&mut self, user: &str) {
        for rows in self.rows.values_mut() {
            rows.retain(|key, _| key.first().is_none_or(|first| first != user));
        }
    }

    /// Number of rows that wait.
    pub(super) fn len(&self) -> usize {
        self.rows.values().flat_map(HashMap::values).map(Vec::len).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::sets::feature_set;
    use proptest::prelude::*;

    use super::*;

    /// Something that comes from a topic.
    #[derive(Debug, Clone)]
    enum Comes {
        Row(FeatureRow, Form),
        Announcement(u32),
    }

    fn set() -> &'static FeatureSet {
        feature_set("given").unwrap()
    }

    fn row(user: u8, generation: u32, version: i64) -> FeatureRow {
        // One value for each version of a generation, as a row that counts every event of its key has.
        let value = f64::from(generation) * 1e6 + version as f64;
        let values = set().value_columns.iter().map(|name| (name.clone(), value)).collect();
        FeatureRow { key: vec![user.to_string()], version, generation, values }
    }

    /// What an assembly keeps: the newest row of each key.
    fn newest(waiting: &mut Waiting, comes: &[Comes]) -> HashMap<Vec<String>, FeatureRow> {
        let mut kept: HashMap<Vec<String>, FeatureRow> = HashMap::new();
        for one in comes {
            let usable = match one.clone() {
                Comes::Row(row, form) => waiting.take(set(), row, form),
                Comes::Announcement(generation) => waiting.announce(set(), generation),
            };
            for row in usable {
                if kept.get(&row.key).is_none_or(|old| row.supersedes(old)) {
                    kept.insert(row.key.clone(), row);
                }
            }
        }
        kept
    }

    fn comes() -> impl Strategy<Value = Comes> {
        let form = prop_oneof![4 => Just(Form::Envelope), 1 => Just(Form::Plain)];
        prop_oneof![
            6 => (0u8..4, 0u32..5, 1i64..6, form).prop_map(|(user, generation, version, form)| Comes::Row(row(user, generation, version), form)),
            1 => (1u32..5).prop_map(Comes::Announcement),
        ]
    }

    #[test]
    fn a_new_pipeline_takes_over_at_once_and_not_before() {
        let mut waiting = Waiting::default();
        let usable = |rows: Vec<FeatureRow>| rows.into_iter().map(|r| (r.key[0].clone(), r.generation, r.version)).collect::<Vec<_>>();
        assert_eq!(usable(waiting.take(set(), row(1, 1, 900), Form::Envelope)), [("1".to_owned(), 1, 900)]);
        assert!(waiting.take(set(), row(1, 2, 3), Form::Envelope).is_empty(), "it has counted three of nine hundred");
        assert!(waiting.take(set(), row(1, 2, 901), Form::Envelope).is_empty());
        assert!(waiting.take(set(), row(1, 2, 17), Form::Envelope).is_empty());
        assert!(waiting.take(set(), row(2, 2, 5), Form::Envelope).is_empty());
        assert!(waiting.take(set(), row(1, 3, 1), Form::Envelope).is_empty(), "the next one already counts");
        waiting.erase("2");
        assert_eq!(waiting.len(), 2);
        assert_eq!(usable(waiting.announce(set(), 2)), [("1".to_owned(), 2, 901)]);
        assert_eq!(usable(waiting.announce(set(), 3)), [("1".to_owned(), 3, 1)]);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn what_is_written_plainly_needs_no_announcement() {
        let mut waiting = Waiting::default();
        assert!(waiting.take(set(), row(1, 2, 3), Form::Envelope).is_empty());
        let usable = waiting.take(set(), row(2, 4, 1), Form::Plain);
        assert_eq!(usable.len(), 2, "and lets those through that waited for less");
    }

    proptest! {
        #[test]
        fn the_outcome_depends_on_what_came_and_not_on_the_order(all in proptest::collection::vec(comes(), 0..40), seed in any::<u64>()) {
            let announced = all.iter().map(|one| match one {
                Comes::Announcement(generation) => *generation,
                Comes::Row(row, Form::Plain) => row.generation,
                Comes::Row(..) => features::generation::FIRST,
            }).max().unwrap_or(features::generation::FIRST).max(features::generation::FIRST);
            // By the rule itself: of each key the newest among the rows that may be used.
            let mut expected: HashMap<Vec<String>, (u32, i64)> = HashMap::new();
            for one in &all {
                if let Comes::Row(row, _) = one && row.generation <= announced {
                    let best = expected.entry(row.key.clone()).or_insert((0, 0));
                    *best = (*best).max((row.generation, row.version));
                }
            }
            let mut shuffled = all.clone();
            let mut state = seed;
            for at in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(at, (state >> 33) as usize % (at + 1));
            }
            for comes in [&all, &shuffled] {
                let kept = newest(&mut Waiting::default(), comes);
                let told: HashMap<Vec<String>, (u32, i64)> = kept.into_iter().map(|(key, row)| (key, (row.generation, row.version))).collect();
                prop_assert_eq!(&told, &expected);
            }
        }
    }
}
