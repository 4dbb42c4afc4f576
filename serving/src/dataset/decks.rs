//! What the log of decks says of an impression: by which rules it was made, where the candidate came from, how good they seemed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Float32Type, Int64Type};
use chrono::{DateTime, Days, NaiveDate, Utc};
use datafusion::prelude::SessionContext;
use features::ids::UserId;

use super::impressions::Rows;

/// A deck as it was logged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeckFacts {
    pub(super) made_at: DateTime<Utc>,
    pub(super) strategy: String,
    pub(super) config_version: String,
    pub(super) degraded: bool,
}

/// Somebody of a page as it was logged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemFacts {
    pub(super) score: f32,
    pub(super) worth: f32,
    pub(super) sources: Vec<String>,
    pub(super) generation: i64,
    pub(super) version: i64,
}

/// Decks and pages of a day.
#[derive(Debug, Default)]
pub(super) struct DeckLog {
    decks: HashMap<String, Arc<DeckFacts>>,
    items: HashMap<(String, UserId), ItemFacts>,
}

impl DeckLog {
    /// Reads what was served on a day. A deck is told with its first page, which may have been shown the day before.
    pub(super) async fn read(lake: &SessionContext, day: NaiveDate) -> anyhow::Result<Self> {
        let before = day.checked_sub_days(Days::new(1)).unwrap_or(day);
        let mut log = Self::default();
        let sql = format!(
            "SELECT deck_id, made_at, strategy, config_version, degraded FROM decks WHERE dt >= DATE '{before}' AND dt <= DATE '{day}' ORDER BY event_time DESC"
        );
        for batch in lake.sql(&sql).await?.collect().await? {
            let rows = Rows(&batch);
            let (ids, strategies, configs) = (rows.texts("deck_id")?, rows.texts("strategy")?, rows.texts("config_version")?);
            let (made, degraded) = (rows.times("made_at")?, rows.lists("degraded")?);
            for row in 0..batch.num_rows() {
                let facts = DeckFacts {
                    made_at: made[row],
                    strategy: strategies.value(row).to_owned(),
                    config_version: configs.value(row).to_owned(),
                    degraded: !degraded[row].is_empty(),
                };
                log.decks.insert(ids.value(row).to_owned(), Arc::new(facts));
            }
        }
        log.read_items(lake, day).await?;
        Ok(log)
    }

    async fn read_items(&mut self, lake: &SessionContext, day: NaiveDate) -> anyhow::Result<()> {
        let sql = format!(
            "SELECT deck_id, item['user_id'] AS user_id, item['score'] AS score, item['worth'] AS worth, item['sources'] AS sources, \
             item['generation'] AS generation, item['version'] AS version \
             FROM (SELECT deck_id, unnest(items) AS item FROM pages WHERE dt = DATE '{day}')"
        );
        for batch in lake.sql(&sql).await?.collect().await? {
            let rows = Rows(&batch);
            let (decks, users, sources) = (rows.texts("deck_id")?, rows.users("user_id")?, rows.lists("sources")?);
            let (score, worth) = (rows.cast("score", &DataType::Float32)?, rows.cast("worth", &DataType::Float32)?);
            let (generation, version) = (rows.cast("generation", &DataType::Int64)?, rows.cast("version", &DataType::Int64)?);
            for (row, sources) in sources.into_iter().enumerate() {
                let facts = ItemFacts {
                    score: score.as_primitive::<Float32Type>().value(row),
                    worth: worth.as_primitive::<Float32Type>().value(row),
                    sources,
                    generation: generation.as_primitive::<Int64Type>().value(row),
                    version: version.as_primitive::<Int64Type>().value(row),
                };
                self.items.insert((decks.value(row).to_owned(), users[row]), facts);
            }
        }
        Ok(())
    }

    /// The deck, if it is known.
    pub(super) fn deck(&self, deck: &str) -> Option<Arc<DeckFacts>> {
        self.decks.get(deck).cloned()
    }

    /// Somebody of a deck, if it is known.
    pub(super) fn item(&self, deck: &str, candidate: UserId) -> Option<ItemFacts> {
        self.items.get(&(deck.to_owned(), candidate)).cloned()
    }
}
