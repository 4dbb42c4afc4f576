//! A town with what the recommender knows of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use features::embed::TextEncoder;
use features::event::{Event, InteractionEvent};
use features::ids::UserId;
use features::portrait::Portrait;
use features::profile::Gender;
use index::hot::HotPool;
use index::ledger::Ledger;
use index::table::PortraitTable;
use index::vectors::ExactVectors;
use pipelines::lake::write_events;
use pipelines::past::Past;
use ranker::warm::LiveRates;
use ranker::{Parts, RankerConfig};
use serde_json::Value;

use crate::config::Config;
use crate::town::{Resident, Town, TownSpec};

/// A town after some days of life.
#[derive(Debug)]
pub struct Market {
    town: Town,
    portraits: Vec<Portrait>,
    history: Vec<InteractionEvent>,
    now: DateTime<Utc>,
    hot_size: usize,
}

impl Market {
    /// Lets a town live until `spec.until` and makes portraits of its events, as the platform does. Without an encoder nobody has vectors.
    ///
    /// # Errors
    /// When the temporary folder for its events cannot be used or the encoder fails.
    pub async fn grow(config: &Config, encoder: Option<Arc<dyn TextEncoder>>, spec: TownSpec) -> anyhow::Result<Self> {
        let now = spec.until;
        let (town, events) = tokio::task::spawn_blocking(move || {
            let town = Town::new(spec);
            let events = town.events();
            (town, events)
        })
        .await?;
        let folder = tempfile::tempdir()?;
        let place = folder.path().to_string_lossy().into_owned();
        write_events(&place, &events).await?;
        let mut past = Past::begin(&place, encoder, TimeDelta::days(config.ledger.keep_days.into())).await?;
        past.advance(now).await?;
        let history = events.into_iter().filter_map(|e| if let Event::Interaction(i) = e { Some(i) } else { None });
        let history = history.filter(|i| i.event_time < now).collect();
        Ok(Self { town, portraits: past.portraits(), history, now, hot_size: config.indexer.hot_size })
    }

    /// The moment until which it has lived.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What the recommender looks into at that moment, each time anew.
    pub(super) fn parts(&self) -> Parts {
        let table = Arc::new(PortraitTable::default());
        for portrait in &self.portraits {
            table.apply(portrait);
        }
        let ledger = Ledger::default();
        ledger.apply_all(&self.history);
        let hot = HotPool::default();
        hot.refresh(&table, self.now, self.hot_size);
        let rates = LiveRates::default();
        rates.refresh(&table, self.now);
        let vectors = Arc::new(ExactVectors::new(Arc::clone(&table)));
        Parts { vectors, table, ledger: Arc::new(ledger), hot: Arc::new(hot), rates: Arc::new(rates) }
    }

    /// Computes the hot pool and the priors of segments anew.
    pub(super) fn refresh(&self, parts: &Parts, now: DateTime<Utc>) {
        parts.rates.refresh(&parts.table, now);
        parts.hot.refresh(&parts.table, now, self.hot_size);
    }

    /// Everybody's portrait at that moment, by id.
    pub(super) fn portraits(&self) -> BTreeMap<UserId, Portrait> {
        self.portraits.iter().map(|portrait| (portrait.user_id, portrait.clone())).collect()
    }

    fn resident(&self, user: UserId) -> Option<&Resident> {
        self.town.residents().get(place(user)?)
    }

    /// Those who may be shown, and look themselves, by id.
    pub(super) fn people(&self) -> Vec<UserId> {
        let here = self.portraits.iter().filter(|p| p.profile.visible() && self.resident(p.user_id).is_some());
        let mut people: Vec<UserId> = here.map(|p| p.user_id).collect();
        people.sort_unstable();
        people
    }

    /// How often somebody opens the app on a day, on average.
    pub(super) fn sessions_a_day(&self, user: UserId) -> f64 {
        self.resident(user).map_or(0.0, Resident::sessions_a_day)
    }

    /// Whether somebody joined within so many days before the town's moment.
    pub(super) fn joined_within(&self, user: UserId, days: u32) -> bool {
        self.resident(user).is_some_and(|r| self.now - r.profile.created_at <= TimeDelta::days(days.into()))
    }

    /// The gender of somebody, as slices name it.
    pub(super) fn gender(&self, user: UserId) -> &'static str {
        match self.resident(user).map(|r| r.profile.gender) {
            Some(Gender::Female) => "female",
            Some(Gender::Male) => "male",
            Some(Gender::Other) | None => "other",
        }
    }

    /// The hidden truth of a pair: how probable it is that the viewer likes the candidate, and the candidate the viewer.
    pub(super) fn truth(&self, viewer: UserId, candidate: UserId) -> (f64, f64) {
        let Some((a, b)) = place(viewer).zip(place(candidate)) else { return (0.0, 0.0) };
        let all = self.town.residents().len();
        if a < all && b < all { (self.town.truth(a, b), self.town.truth(b, a)) } else { (0.0, 0.0) }
    }
}

/// Where a resident stands in the list of them; ids begin at 1.
fn place(user: UserId) -> Option<usize> {
    usize::try_from(user.0).ok()?.checked_sub(1)
}

/// A configuration for evaluations: without experiments, without words, and with all the time its sources need, so that a busy machine changes no row.
pub(super) fn unhurried(ranker: &RankerConfig) -> anyhow::Result<RankerConfig> {
    let plain = RankerConfig { experiments: BTreeMap::new(), holdout: Default::default(), ..ranker.clone() };
    let mut value = serde_json::to_value(plain)?;
    let wait = |sources: Option<&mut Value>| {
        let budgets = sources.and_then(Value::as_object_mut).into_iter().flat_map(|sources| sources.values_mut());
        budgets.filter_map(|budget| budget.get_mut("timeout_ms")).for_each(|timeout| *timeout = Value::from(60_000));
    };
    wait(value.get_mut("sources"));
    for region in value.get_mut("regions").and_then(Value::as_object_mut).into_iter().flat_map(serde_json::Map::values_mut) {
        wait(region.get_mut("sources"));
    }
    let mut config: RankerConfig = serde_json::from_value(value)?;
    config.deck.reasons = 0;
    Ok(config)
}

/// The same with nothing but the order of worth deciding about places: no diversity, no caps, no guarantees, no chance, no popularity, no exposure.
pub(super) fn greedy(mut config: RankerConfig) -> RankerConfig {
    (config.draw.temperature, config.draw.popularity_exponent, config.draw.exposure_exponent) = (0.0, 0.0, 0.0);
    (config.exposure.daily_budget, config.exposure.pile_up_cap) = (0, 0.0);
    (config.selector.diversity, config.selector.newcomer_every) = (0.0, 0);
    config.selector.source_caps.clear();
    config
}
