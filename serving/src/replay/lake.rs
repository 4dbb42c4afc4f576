//! What the lake has of a deck.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use features::event::{DeckEvent, Event, PageEvent};
use features::ids::{EventId, UserId};
use features::portrait::Portrait;
use features::topic::Topic;
use pipelines::tables::{events, schema};
use ranker::deck::PortraitVersion;

const DAY_MS: u64 = 86_400_000;

/// A lake that is asked for decks.
pub(super) struct Lake {
    session: SessionContext,
}

/// Portraits by user and version.
pub(super) type Portraits = HashMap<(UserId, PortraitVersion), Portrait>;

/// The day (since 1970) of a number of milliseconds since 1970, as partitions of the lake are named.
fn day(millis: u64) -> ScalarValue {
    ScalarValue::Date32(i32::try_from(millis / DAY_MS).ok())
}

/// A deck is not written before its id was minted, which tells the time; a day is left for clocks that differ.
fn not_before(deck_id: &str) -> Option<Expr> {
    let (seconds, _) = deck_id.parse::<EventId>().ok()?.get_timestamp()?.to_unix();
    Some(col("dt").gt_eq(lit(day((seconds * 1_000).saturating_sub(DAY_MS)))))
}

impl Lake {
    pub(super) async fn open(place: &str) -> anyhow::Result<Self> {
        let session = pipelines::query::session(place).await?;
        // Few rows of many are wanted: their long columns are not unpacked for the others.
        session.sql("SET datafusion.execution.parquet.pushdown_filters = true").await?;
        Ok(Self { session })
    }

    /// The deck's event, and the events of its pages in the order in which they were served.
    pub(super) async fn deck(&self, deck_id: &str) -> anyhow::Result<Option<(DeckEvent, Vec<PageEvent>)>> {
        let of_deck = || {
            let same = col("deck_id").eq(lit(deck_id));
            not_before(deck_id).map_or(same.clone(), |bound| bound.and(same))
        };
        let decks = self.events(Topic::Decks, of_deck()).await?;
        let mut decks: Vec<DeckEvent> =
            decks.into_iter().filter_map(|e| if let Event::Deck(deck) = e { Some(deck) } else { None }).collect();
        // Told twice when the first telling was not known to have arrived; both say the same.
        decks.sort_by_key(|deck| deck.event_time);
        let Some(deck) = decks.into_iter().next() else { return Ok(None) };
        let pages = self.events(Topic::Pages, of_deck()).await?;
        let mut pages: Vec<PageEvent> =
            pages.into_iter().filter_map(|e| if let Event::Page(page) = e { Some(page) } else { None }).collect();
        pages.sort_by_key(|page| (page.event_time, page.event_id));
        Ok(Some((deck, pages)))
    }

    async fn rows(&self, topic: Topic, wanted: Expr) -> anyhow::Result<Vec<RecordBatch>> {
        let what = || format!("read `{}` from the lake", topic.name());
        let schema = schema(topic).with_context(what)?;
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let frame = self.session.table(topic.name()).await.with_context(what)?;
        let batches = frame.filter(wanted)?.select_columns(&columns)?.collect().await.with_context(what)?;
        let shaped = batches.into_iter().map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
        shaped.collect::<Result<_, _>>().with_context(what)
    }

    async fn events(&self, topic: Topic, wanted: Expr) -> anyhow::Result<Vec<Event>> {
        let mut all = Vec::new();
        for batch in self.rows(topic, wanted).await? {
            all.extend(events(&batch).with_context(|| format!("a row of `{}` in the lake is no event", topic.name()))?);
        }
        Ok(all)
    }

    /// Those of some portraits that are there.
    pub(super) async fn portraits(&self, wanted: &HashSet<(UserId, PortraitVersion)>) -> anyhow::Result<Portraits> {
        let versions: BTreeSet<u64> = wanted.iter().map(|(_, portrait)| portrait.version).filter(|version| *version > 0).collect();
        if versions.is_empty() {
            return Ok(Portraits::new());
        }
        // Rows lie under the day of their version.
        let days: BTreeSet<u64> = versions.iter().map(|version| version / DAY_MS).collect();
        let days = days.into_iter().map(|number| lit(day(number * DAY_MS))).collect();
        let versions = versions.into_iter().filter_map(|version| i64::try_from(version).ok()).map(lit).collect();
        let expression = col("dt").in_list(days, false).and(col("version").in_list(versions, false));
        let mut found = Portraits::new();
        for batch in self.rows(Topic::Portraits, expression).await? {
            let (users, texts) = (batch["user_id"].as_string::<i32>(), batch["portrait"].as_string::<i32>());
            let number = |name: &str| batch[name].as_primitive::<Int64Type>();
            let (generations, versions) = (number("generation"), number("version"));
            for row in 0..batch.num_rows() {
                let generation = u32::try_from(generations.value(row)).unwrap_or_default();
                let version = u64::try_from(versions.value(row)).unwrap_or_default();
                let key = (users.value(row).parse::<UserId>()?, PortraitVersion { generation, version });
                if wanted.contains(&key) {
                    let portrait =
                        serde_json::from_str(texts.value(row)).with_context(|| format!("the portrait of user {} is damaged", key.0))?;
                    found.insert(key, portrait);
                }
            }
        }
        Ok(found)
    }

    /// When the last deck came into the lake; none when there is none.
    pub(super) async fn newest(&self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let rows = self.session.sql("SELECT MAX(event_time) AS newest FROM decks").await?.collect().await?;
        let newest = rows.first().filter(|batch| batch.num_rows() > 0).map(|batch| batch.column(0));
        let micros = newest.map(|column| ScalarValue::try_from_array(column, 0)).transpose()?;
        Ok(match micros {
            Some(ScalarValue::TimestampMicrosecond(Some(micros), _)) => DateTime::from_timestamp_micros(micros),
            _ => None,
        })
    }
}
