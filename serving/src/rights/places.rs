//! Where something of a person may be, how it is found there, and how it goes.
//!
//! The order counts. The job has published the erasure before, so that nothing new comes; each place then waits until those who write to it have read everything that was
//! reported before, lets its owner forget the people, and knows that what the owner has saved is without them. Files and logs are rewritten last. Each of them may be done
//! again at any time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use features::ids::UserId;
use features::sets::feature_sets;
use features::topic::{Cleanup, Topic};
use pipelines::broker::Scrubber;
use pipelines::bus::{Bus, Offsets, OutRecord};
use pipelines::forget::{DeckNames, Names, ask, clear_backfills};
use pipelines::snapshots::SnapshotStore;
use pipelines::supervisor::JobError;
use pipelines::{assembler, embedder, gate, indexer, lake, ledger_feed, runner};

use super::store;
use crate::audit;
use crate::config::Config;
use crate::db::{Db, people};
use crate::state::Indexes;

/// What was found in a place, or went from it, by part: a table, a topic.
pub type Found = BTreeMap<String, u64>;

/// How long to wait before somebody is looked at again who has not read everything yet.
const AGAIN: Duration = Duration::from_millis(200);

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Sums of the feature runner, and their topics.
    Features,
    /// What the assembler knows, and `portraits`.
    Portraits,
    /// Parquet files.
    Lake,
    /// Relations and exposures of this node.
    Ledger,
    /// Portrait table, text and vectors of this node, or of the Qdrant server.
    Indexes,
    /// What backfills keep.
    Backfills,
    /// Rows of the database. Those of the person went with the request; those that jobs have made of events since then are here.
    Tables,
    /// The event log.
    Log,
}

impl Place {
    /// Every place, in the order in which they are emptied.
    pub const ALL: [Self; 8] =
        [Self::Features, Self::Portraits, Self::Lake, Self::Ledger, Self::Indexes, Self::Backfills, Self::Tables, Self::Log];

    /// The name in receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Features => "features",
            Self::Portraits => "portraits",
            Self::Lake => "lake",
            Self::Ledger => "ledger",
            Self::Indexes => "indexes",
            Self::Backfills => "backfills",
            Self::Log => "log",
        }
    }
}

/// One go over all places.
#[derive(Debug, Clone)]
pub struct Round {
    /// Tells wishes to jobs apart; the same again is one.
    name: String,
    /// Where the topics ended once everything reported before was filed. What came later may not be read yet by somebody whose positions are not in Kafka, such as the indexes of a node.
    filed: Offsets,
}

impl Round {
    /// A go with a number of its own.
    pub fn new(number: i64) -> Self {
        Self { name: number.to_string(), filed: Offsets::default() }
    }
}

/// What the places are made of.
#[derive(Clone)]
pub struct Places {
    /// The configuration.
    pub config: Arc<Config>,
    /// Tables.
    pub db: Db,
    /// The event log.
    pub bus: Bus,
    /// The state of jobs that are somewhere.
    pub state: SnapshotStore,
    /// The state of this node.
    pub node: SnapshotStore,
    /// Takes records out of the embedded broker; none for Apache Kafka.
    pub scrubber: Option<Scrubber>,
    /// The indexes of this node; none where they are not looked at.
    pub indexes: Option<Indexes>,
    /// Whether the record of a deck names somebody: who packs decks knows.
    pub deck: DeckNames,
    /// Groups that make rows of events, with what they read.
    pub row_makers: &'static [(&'static str, &'static [Topic])],
    /// What stands for a person where they must not be named.
    pub pseudonym: Arc<dyn Fn(UserId) -> String + Send + Sync>,
}

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> JobError {
    move |error| JobError::failed(what, error)
}

/// Topics that Kafka empties by time, and where single records cannot be overwritten.
fn deleted_by_time() -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| topic.cleanup() == Cleanup::Delete)
}

fn one(part: &str, count: u64) -> Found {
    Found::from([(part.to_owned(), count)])
}

impl Places {
    /// How much of some people is in a place.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub async fn find(&self, place: Place, who: &[UserId]) -> Result<Found, JobError> {
        match place {
            Place::Tables => {
                let mut found = Found::new();
                for user in who {
                    let counts = people::count(&self.db, *user).await.map_err(failed("count rows"))?;
                    counts.into_iter().for_each(|(table, rows)| *found.entry(table.to_owned()).or_default() += rows);
                    *found.entry(audit::TABLE.to_owned()).or_default() +=
                        audit::count(&self.db, *user).await.map_err(failed("count rows"))?;
                }
                Ok(found)
            }
            Place::Features => Ok(one("rows", runner::saved_of(&self.state, who).await?)),
            Place::Portraits => Ok(one("entries", assembler::saved_of(&self.state, who).await?)),
            Place::Lake => self.lake(who, true).await,
            Place::Ledger => {
                Ok(self.indexes.as_ref().map(|i| one("entries", who.iter().map(|u| i.ledger.entries_of(*u)).sum())).unwrap_or_default())
            }
            Place::Indexes => self.indexed(who),
            Place::Backfills => Ok(one("files", clear_backfills(&self.state, true).await?)),
            Place::Log => self.logged(who).await,
        }
    }

    /// Takes some people out of a place; what went.
    ///
    /// # Errors
    /// When the place cannot be read or written; then it is to be done again.
    pub async fn erase(&self, place: Place, who: &[UserId], round: &mut Round) -> Result<Found, JobError> {
        match place {
            Place::Tables => self.tables(who).await,
            Place::Features => {
                self.read_by(gate::NAME, &[Topic::Inbox.name().to_owned()]).await?;
                round.filed = self.bus.end_offsets(&deleted_by_time().map(|topic| topic.name().to_owned()).collect::<Vec<_>>()).await?;
                if self.config.features.runtime.instead().is_some() {
                    return Ok(Found::new());
                }
                let mut sources: Vec<String> = feature_sets().iter().map(|set| set.source.name().to_owned()).collect();
                sources.sort_unstable();
                sources.dedup();
                self.read_by(runner::NAME, &sources).await?;
                let found = self.find(place, who).await?;
                ask(&self.state, runner::NAME, &round.name, who).await?;
                Ok(found)
            }
            Place::Portraits => {
                self.read_by(embedder::NAME, &[Topic::Moments, Topic::Profiles].map(|topic| topic.name().to_owned())).await?;
                let found = self.find(place, who).await?;
                ask(&self.state, assembler::NAME, &round.name, who).await?;
                Ok(found)
            }
            Place::Lake => {
                self.read_by(lake::NAME, &lake::topics(&self.config.lake)).await?;
                self.lake(who, false).await
            }
            Place::Ledger | Place::Indexes => {
                let found = self.find(place, who).await?;
                let job = if place == Place::Ledger { ledger_feed::NAME } else { indexer::NAME };
                ask(&self.node, job, &round.name, who).await?;
                Ok(found)
            }
            Place::Backfills => {
                let beside = self.config.data_dir.join("rebuild");
                if beside.exists() {
                    std::fs::remove_dir_all(&beside).map_err(failed("remove indexes that a backfill has built"))?;
                }
                Ok(one("files", clear_backfills(&self.state, false).await?))
            }
            Place::Log => self.log(who, round).await,
        }
    }

    /// Waits until a group has read everything that is there now.
    async fn read_by(&self, group: &str, topics: &[String]) -> Result<(), JobError> {
        let end = self.bus.end_offsets(topics).await?;
        while !self.bus.has_read(group, topics, &end).await? {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    async fn tables(&self, who: &[UserId]) -> Result<Found, JobError> {
        for (group, topics) in self.row_makers {
            self.read_by(group, &topics.iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>()).await?;
        }
        let mut gone = Found::new();
        for user in who {
            // What goes of them is in the receipt with each batch.
            while store::batch(&self.db, *user).await.map_err(failed("delete rows"))? {}
            let mut tx = self.db.begin().await.map_err(failed("rename entries of the audit log"))?;
            let renamed =
                audit::forget(&mut tx, *user, &(self.pseudonym)(*user)).await.map_err(failed("rename entries of the audit log"))?;
            tx.commit().await.map_err(failed("rename entries of the audit log"))?;
            *gone.entry(audit::TABLE.to_owned()).or_default() += renamed;
        }
        self.db.checkpoint().await.map_err(failed("empty the write-ahead log of the database"))?;
        Ok(gone)
    }

    async fn lake(&self, who: &[UserId], dry: bool) -> Result<Found, JobError> {
        let names = Names::new(who, self.deck);
        let gone = lake::forget(&self.config.lake_place(), &names, dry, Utc::now()).await.map_err(failed("rewrite files of the lake"))?;
        Ok(gone.into_iter().map(|table| (table.table, table.rows)).collect())
    }

    fn indexed(&self, who: &[UserId]) -> Result<Found, JobError> {
        let Some(indexes) = &self.indexes else { return Ok(Found::new()) };
        let mut texts = 0;
        for user in who {
            texts += indexes.text.of(*user).map_err(failed("look into the text index"))? as u64;
        }
        let portraits = who.iter().filter(|user| indexes.table.contains(**user)).count() as u64;
        Ok(Found::from([("texts".to_owned(), texts), ("portraits".to_owned(), portraits)]))
    }

    /// Records that name these people, by topic.
    async fn logged(&self, who: &[UserId]) -> Result<Found, JobError> {
        Ok(self.records(who).await?.0)
    }

    /// Records that name these people, by topic; and of Apache Kafka, where only the newest record of a key counts in compacted topics, and no tombstone, the keys of those that do.
    async fn records(&self, who: &[UserId]) -> Result<(Found, Vec<(String, Vec<u8>)>), JobError> {
        let (names, mut found) = (Names::new(who, self.deck), Found::new());
        let fixed = Topic::ALL.iter().map(|topic| topic.name().to_owned());
        let topics: Vec<String> = fixed.chain(feature_sets().iter().map(features::sets::FeatureSet::topic)).collect();
        let by_time: BTreeSet<&str> = deleted_by_time().map(Topic::name).collect();
        // Whether the newest record of a key names them, of keys that ever did.
        let mut newest: BTreeMap<String, HashMap<Vec<u8>, bool>> = BTreeMap::new();
        let all = self.bus.sweep("erase", &topics, &Offsets::default()).await?;
        all.each(|record| {
            let named = names.record(&record.topic, record.key.as_deref(), record.value.as_deref());
            let counts = self.scrubber.is_none() && !by_time.contains(&*record.topic);
            match record.key.as_ref().filter(|_| counts) {
                Some(key) if named => {
                    newest.entry(record.topic.to_string()).or_default().insert(key.clone(), record.value.is_some());
                }
                Some(key) => {
                    if let Some(there) = newest.get_mut(&*record.topic).and_then(|keys| keys.get_mut(key)) {
                        *there = false;
                    }
                }
                None if named => *found.entry(record.topic.to_string()).or_default() += 1,
                None => {}
            }
        })
        .await?;
        let mut keys = Vec::new();
        for (topic, of_topic) in newest {
            let there: Vec<Vec<u8>> = of_topic.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect();
            if !there.is_empty() {
                *found.entry(topic.clone()).or_default() += there.len() as u64;
            }
            keys.extend(there.into_iter().map(|key| (topic.clone(), key)));
        }
        Ok((found, keys))
    }

    async fn log(&self, who: &[UserId], round: &Round) -> Result<Found, JobError> {
        let Some(scrubber) = self.scrubber.clone() else { return self.log_of_others(who, round).await };
        let names = Names::new(who, self.deck);
        let scrubbed = tokio::task::spawn_blocking(move || scrubber.scrub(false, &|topic, key, value| names.record(topic, key, value)));
        let gone = scrubbed.await.map_err(failed("rewrite the log"))?.map_err(failed("rewrite the log"))?;
        Ok(gone.into_iter().collect())
    }

    /// Kafka takes out no single records: those that the lake has go up to where everybody has read, and of compacted topics keys get tombstones that have none from their jobs, such as those of
    /// the vectors of Moments.
    async fn log_of_others(&self, who: &[UserId], round: &Round) -> Result<Found, JobError> {
        let (found, keys) = self.records(who).await?;
        let tombstones = keys.into_iter().map(|(topic, key)| OutRecord::new(topic, key, None)).collect();
        self.bus.producer()?.send_all(tombstones).await?;
        // The gate knows the ids of events since its last snapshot from the topics only, and would file repeats of what is not there any more.
        ask(&self.state, gate::NAME, &round.name, who).await?;
        let groups = [runner::NAME, embedder::NAME, assembler::NAME, ledger_feed::NAME];
        let groups: Vec<&str> = groups.into_iter().chain(self.row_makers.iter().map(|(group, _)| *group)).collect();
        let mut upto = Offsets::default();
        for topic in deleted_by_time() {
            let name = [topic.name().to_owned()];
            let first = if topic == Topic::Inbox { gate::NAME } else { lake::NAME };
            let mut read = self.bus.committed(first, &name).await?;
            for group in &groups {
                least(&mut read, &self.bus.committed(group, &name).await?);
            }
            least(&mut read, &round.filed);
            upto.merge(&read);
        }
        self.bus.delete_before(&upto).await?;
        Ok(found)
    }
}

/// Takes the smaller offset of each partition of which both know.
fn least(read: &mut Offsets, other: &Offsets) {
    for (at, next) in &mut read.0 {
        *next = other.0.get(at).map_or(*next, |other| (*next).min(*other));
    }
}
