//! The hot pool 热门池: ready-made lists per city, the fallback when recommendation fails.

use std::collections::HashMap;
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

impl HotPool {
    /// Computes the lists anew: the `per_list` best of every city and of everywhere by
    /// `like rate · (0.3 + activity) · (0.3 + richness)` at `now`. Only people who may be shown enter.
    pub fn refresh(&self, table: &PortraitTable, now: DateTime<Utc>, per_list: usize) {
        let mut by_city: HashMap<String, Vec<(f32, UserId)>> = HashMap::new();
        let mut all = Vec::new();
        {
            let read = table.read();
            for row in read.rows().filter(|row| read.visible(*row)) {
                let s = read.signals(row, now);
                let heat = s.like_rate * (0.3 + s.activity) * (0.3 + s.richness);
                let entry = (heat, read.user(row));
                if let Some(city) = &read.profile(row).city {
                    by_city.entry(city.clone()).or_default().push(entry);
                }
                all.push(entry);
            }
        }
        let best = |mut list: Vec<(f32, UserId)>| {
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            list.truncate(per_list);
            list.into_iter().map(|(_, user)| user).collect()
        };
        let lists = Lists { by_city: by_city.into_iter().map(|(city, list)| (city, best(list))).collect(), everywhere: best(all) };
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
