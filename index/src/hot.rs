//! The hot pool 热门池: ready-made lists per city, the fallback when recommendation fails.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use features::ids::UserId;

use crate::table::PortraitTable;

/// Ready-made lists.
#[derive(Debug, Default)]
pub struct HotPool {
    lists: RwLock<Arc<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    by_city: HashMap<String, Vec<UserId>>,
    everywhere: Vec<UserId>,
}

/// The best so far, by heat, then by id.
#[derive(Debug, Default)]
struct Best(Vec<(f32, UserId)>);

fn hotter(a: &(f32, UserId), b: &(f32, UserId)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

impl Best {
    /// Adds somebody. Twice as many as are wanted are kept before the worse half goes.
    fn add(&mut self, entry: (f32, UserId), most: usize) {
        self.0.push(entry);
        if self.0.len() >= 2 * most.max(1) {
            self.0.select_nth_unstable_by(most, hotter);
            self.0.truncate(most);
        }
    }

    fn list(mut self, most: usize) -> Vec<UserId> {
        self.0.sort_unstable_by(hotter);
        self.0.truncate(most);
        self.0.into_iter().map(|(_, user)| user).collect()
    }
}

/// Rows looked at under one lock: writers do not wait for all of a large table.
const AT_ONCE: usize = 2_000;

impl HotPool {
    /// Computes the lists anew: the `per_list` best of every city and of everywhere by
    /// `like rate · (0.3 + activity) · (0.3 + richness)` at `now`. Only people who may be shown enter.
    pub fn refresh(&self, table: &PortraitTable, now: DateTime<Utc>, per_list: usize) {
        let mut by_city: HashMap<String, Best> = HashMap::new();
        let mut all = Best::default();
        table.each_row(AT_ONCE, |read, row| {
            if !read.visible(row) {
                return ControlFlow::Continue(());
            }
            let s = read.signals(row, now);
            let entry = (s.like_rate * (0.3 + s.activity) * (0.3 + s.richness), read.user(row));
            if let Some(city) = read.city(row) {
                if let Some(best) = by_city.get_mut(city) {
                    best.add(entry, per_list);
                } else {
                    by_city.entry(city.to_owned()).or_default().add(entry, per_list);
                }
            }
            all.add(entry, per_list);
            ControlFlow::Continue(())
        });
        let by_city = by_city.into_iter().map(|(city, best)| (city, best.list(per_list))).collect();
        let lists = Lists { by_city, everywhere: all.list(per_list) };
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
    }

    /// The hottest people of a city first, then of everywhere; at most `limit`, nobody twice.
    pub fn list(&self, city: Option<&str>, limit: usize) -> Vec<UserId> {
        let lists = Arc::clone(&self.lists.read().unwrap_or_else(PoisonError::into_inner));
        let near = city.and_then(|c| lists.by_city.get(c)).into_iter().flatten();
        let mut seen = std::collections::HashSet::new();
        near.chain(&lists.everywhere).copied().filter(|user| seen.insert(*user)).take(limit).collect()
    }
}
