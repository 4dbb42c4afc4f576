//! The past: portraits, relations and exposures as they stood at a moment, out of the lake alone.
//!
//! [`Past::advance`] moves the moment forward, never back; everything with an `event_time` strictly before it has happened, nothing else is
//! known. Promises:
//! - what is known at a moment does not depend on what the lake holds of the time at or after it, to the last bit;
//! - feature rows come out of the same SQL, portraits out of the same assembly as on the stream; sums agree with the stream's up to
//!   rounding (1e-9), whatever steps led to the moment;
//! - memory holds the state of the people, one day of events and a bounded cache of vectors;
//! - a step costs what its events and the people they touch cost, not what the lake holds.
//!
//! Two things differ from a running platform: here a taste follows every move of the vectors it rests on, while the stream lets it wait for the next event
//! of its owner; and of people who were erased the lake may still hold rows until it is rewritten without them.

mod day;
mod texts;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use datafusion::error::DataFusionError;
use features::embed::{EmbedError, TextEncoder};
use features::event::Event;
use features::portrait::Portrait;
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use index::ledger::Ledger;
use index::table::PortraitTable;

use self::day::Day;
use self::texts::Texts;
use crate::assembler::{Change, People};
use crate::lake::{History, LakeError};
use crate::runner::{FeaturePlan, KeyedState};
use crate::tables;

/// Rows out of the lake are of the first generation; there are no others beside them.
const GENERATION: u32 = 1;

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A feature set cannot be computed.
    #[error("feature set `{set}` cannot be computed over the lake: {source}")]
    Features {
        /// The set.
        set: String,
        /// What DataFusion said.
        source: Box<DataFusionError>,
    },
    /// Rows of the lake are not what the lake writer writes.
    #[error("rows of `{table}` in the lake cannot be understood: {reason}; were they written by something else?")]
    Rows {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The encoder failed.
    #[error("texts of the lake cannot be encoded: {0}")]
    Encode(String),
    /// A moment before the one that was reached.
    #[error("the past is told forwards: {asked} lies before {reached}; begin anew, or ask in the order of time")]
    Backwards {
        /// What was asked for.
        asked: DateTime<Utc>,
        /// What was reached.
        reached: DateTime<Utc>,
    },
}

impl From<EmbedError> for PastError {
    fn from(error: EmbedError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// A feature set with what it has summed up so far.
struct Running {
    set: &'static FeatureSet,
    plan: FeaturePlan,
    state: KeyedState,
}

/// The platform's knowledge at a moment.
pub struct Past {
    history: History,
    to_come: VecDeque<NaiveDate>,
    today: Option<Day>,
    features: Vec<Running>,
    people: People,
    texts: Option<Texts>,
    table: Arc<PortraitTable>,
    ledger: Arc<Ledger>,
    keep: TimeDelta,
    reached: DateTime<Utc>,
}

impl Past {
    /// The lake at `place` (a folder or a URL) before anything happened. Without an encoder nobody has vectors. Exposures older than `keep`
    /// are dropped as time goes by.
    ///
    /// # Errors
    /// When the place cannot be used or a feature set cannot be planned.
    pub async fn begin(place: &str, encoder: Option<Arc<dyn TextEncoder>>, keep: TimeDelta) -> Result<Self, PastError> {
        let history = History::open(place).await?;
        let mut features = Vec::new();
        for set in feature_sets() {
            let plan = FeaturePlan::new(set).await.map_err(|e| failed(set, e))?;
            features.push(Running { set, plan, state: KeyedState::new(set) });
        }
        Ok(Self {
            to_come: history.days().into_iter().collect(),
            history,
            today: None,
            features,
            people: People::exact(),
            texts: encoder.map(Texts::new),
            table: Arc::default(),
            ledger: Arc::default(),
            keep,
            reached: DateTime::<Utc>::MIN_UTC,
        })
    }

    /// The moment that was reached: everything strictly before it has happened.
    pub fn reached(&self) -> DateTime<Utc> {
        self.reached
    }

    /// The days on which something happens that was not reached yet, but for the day that is under way.
    pub fn days_to_come(&self) -> impl Iterator<Item = NaiveDate> {
        self.to_come.iter().copied()
    }

    /// Everybody's portrait; moves with the moment.
    pub fn table(&self) -> &Arc<PortraitTable> {
        &self.table
    }

    /// Relations and exposures; move with the moment.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Everybody's portrait as a record, in the order of ids. Versions count assemblies here and say nothing about those of the platform.
    pub fn portraits(&self) -> Vec<Portrait> {
        self.people.portraits()
    }

    /// Lets everything happen whose time lies strictly before `moment`; the number of events.
    ///
    /// # Errors
    /// When `moment` lies before the one that was reached, or the lake or the encoder fails; then begin anew.
    pub async fn advance(&mut self, moment: DateTime<Utc>) -> Result<usize, PastError> {
        if moment < self.reached {
            return Err(PastError::Backwards { asked: moment, reached: self.reached });
        }
        let mut happened = 0;
        loop {
            if self.today.is_none() {
                let Some(next) = self.to_come.front().copied().filter(|day| day::begin(*day) < moment) else { break };
                self.today = Some(Day::read(&self.history, next).await?);
                self.to_come.pop_front();
            }
            let Some(today) = &mut self.today else { break };
            let parts = today.take_before(moment);
            let over = today.is_over();
            for (topic, rows) in parts {
                happened += rows.num_rows();
                self.happen(topic, rows).await?;
            }
            if !over {
                break;
            }
            self.today = None;
            self.ledger.prune(moment, self.keep);
        }
        if happened > 0 {
            self.assemble(moment).await?;
        }
        self.reached = moment;
        Ok(happened)
    }

    /// Rows of one table happen.
    async fn happen(&mut self, topic: Topic, rows: RecordBatch) -> Result<(), PastError> {
        for running in self.features.iter_mut().filter(|running| running.set.source == topic) {
            let sums = running.plan.run(rows.clone()).await.map_err(|e| failed(running.set, e))?;
            running.state.add(running.set, &sums).map_err(|e| failed(running.set, e.into()))?;
        }
        if !matches!(topic, Topic::Profiles | Topic::Moments | Topic::Interactions) {
            return Ok(());
        }
        let events = tables::events(&rows).map_err(|e| PastError::Rows { table: topic.name(), reason: e.to_string() })?;
        self.ledger.apply_all(events.iter().filter_map(|event| if let Event::Interaction(i) = event { Some(i) } else { None }));
        for event in events {
            if let Some(texts) = &mut self.texts {
                texts.want(&event);
            }
            self.people.event(event);
        }
        Ok(())
    }

    /// Everything that happened goes into the portraits it touches.
    async fn assemble(&mut self, moment: DateTime<Utc>) -> Result<(), PastError> {
        for running in &mut self.features {
            for row in running.state.take_rows(running.set, GENERATION) {
                let told = self.people.row(running.set, row);
                told.map_err(|reason| PastError::Rows { table: running.set.source.name(), reason })?;
            }
        }
        if let Some(texts) = &mut self.texts {
            texts.encode(&mut self.people).await?;
        }
        let version = u64::try_from(moment.timestamp_millis()).unwrap_or(0);
        while self.people.has_work() {
            for change in self.people.take_changes(version, usize::MAX) {
                match change {
                    Change::Portrait(portrait) => self.table.apply(&portrait),
                    Change::Erased(user) => self.table.remove(user),
                };
            }
        }
        Ok(())
    }
}

fn failed(set: &FeatureSet, source: DataFusionError) -> PastError {
    PastError::Features { set: set.name.clone(), source: Box::new(source) }
}

#[cfg(test)]
mod tests;
