//! The past: portraits, relations and exposures as they stood at a moment, out of the lake alone.
//!
//! [`Past::advance`] moves the moment forward, never back; everything with an `event_time` strictly before it has happened, nothing else is
//! known. Promises:
//! - what is known at a moment does not depend on what the lake holds of the time at or after it, to the last bit;
//! - nor does it depend on the steps that led to the moment, to the last bit;
//! - feature rows come out of the same SQL, portraits out of the same assembly as on the stream; sums agree with the stream's up to
//!   rounding (1e-9);
//! - memory holds the state of the people, one day of events and a bounded cache of vectors;
//! - a step costs what its events and the people they touch cost, not what the lake holds; [`Past::advance_for`] assembles only whom one asks for.
//!
//! Two things differ from a running platform: here a taste follows every move of the vectors it rests on, while the stream lets it wait for the next event
//! of its owner; and of people who were erased the lake may still hold rows until it is rewritten without them.

mod ahead;
mod day;
mod texts;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use datafusion::error::DataFusionError;
use features::embed::{EmbedError, TextEncoder};
use features::event::Event;
use features::ids::{IdError, UserId};
use features::portrait::Portrait;
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use index::ledger::Ledger;
use index::table::PortraitTable;

use self::day::{Day, Happened};
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
    /// When everybody last did something.
    active: HashMap<UserId, DateTime<Utc>>,
    /// Whether something happened that not all portraits show yet.
    behind: bool,
}

/// The column that tells who did something.
const fn actor(topic: Topic) -> &'static str {
    match topic {
        Topic::Moments => "author_id",
        Topic::Interactions => "actor_id",
        Topic::Messages => "sender_id",
        _ => "user_id",
    }
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
            active: HashMap::new(),
            behind: false,
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

    /// Value columns of the user-keyed feature sets of somebody, by `<set>.<column>`, still forward-decayed; a column is missing until something of its
    /// set happened.
    pub fn counters(&self, user: UserId) -> BTreeMap<String, f64> {
        self.people.counters(user)
    }

    /// When somebody last did something, whatever it was; none if never.
    pub fn last_active(&self, user: UserId) -> Option<DateTime<Utc>> {
        self.active.get(&user).copied()
    }

    /// Lets everything happen whose time lies strictly before `moment`; the number of events.
    ///
    /// # Errors
    /// When `moment` lies before the one that was reached, or the lake or the encoder fails; then begin anew.
    pub async fn advance(&mut self, moment: DateTime<Utc>) -> Result<usize, PastError> {
        let happened = self.let_happen(moment).await?;
        if self.behind {
            self.assemble(moment);
        }
        Ok(happened)
    }

    /// The same, but of the portraits that [`Self::table`] has only those of `users` are brought to the moment; those of others may lie behind, until
    /// they are asked for or [`Self::advance`] brings all. Everything else is as of the moment.
    ///
    /// # Errors
    /// Those of [`Self::advance`].
    pub async fn advance_for(&mut self, moment: DateTime<Utc>, users: &[UserId]) -> Result<usize, PastError> {
        let happened = self.let_happen(moment).await?;
        if self.behind {
            let changes = self.people.take_some(version(moment), users);
            self.apply(changes);
        }
        Ok(happened)
    }

    /// Everything before the moment happens, and is gathered; no portrait is assembled.
    async fn let_happen(&mut self, moment: DateTime<Utc>) -> Result<usize, PastError> {
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
            while let Some(today) = &mut self.today
                && let Some(part) = today.next_before(moment, &self.features).await?
            {
                happened += part.rows.num_rows();
                self.happen(part)?;
            }
            if self.today.as_ref().is_some_and(|today| !today.is_over()) {
                break;
            }
            self.today = None;
            self.ledger.prune(moment, self.keep);
        }
        if happened > 0 {
            self.gather().await?;
            self.behind = true;
        }
        self.reached = moment;
        Ok(happened)
    }

    /// Rows of one table happen.
    fn happen(&mut self, part: Happened) -> Result<(), PastError> {
        let Happened { topic, rows, told } = part;
        for (at, sums) in told.sums {
            let running = &mut self.features[at];
            running.state.add(running.set, &[sums]).map_err(|e| failed(running.set, e.into()))?;
        }
        let wrong = |reason: String| PastError::Rows { table: topic.name(), reason };
        let times = rows[tables::time_column(topic)].as_primitive::<TimestampMicrosecondType>();
        for (who, at) in rows[actor(topic)].as_string::<i32>().iter().zip(times.values()) {
            let who = who.unwrap_or_default().parse().map_err(|e: IdError| wrong(e.to_string()))?;
            let at = DateTime::from_timestamp_micros(*at).ok_or_else(|| wrong(format!("{at} is no time")))?;
            self.active.entry(who).and_modify(|last| *last = at.max(*last)).or_insert(at);
        }
        self.ledger.apply_all(told.events.iter().filter_map(|event| if let Event::Interaction(i) = event { Some(i) } else { None }));
        for event in told.events {
            if let Some(texts) = &mut self.texts {
                texts.want(&event);
            }
            self.people.event(event);
        }
        Ok(())
    }

    /// Everything that happened goes to the people it is about.
    async fn gather(&mut self) -> Result<(), PastError> {
        for running in &mut self.features {
            for row in running.state.take_rows(running.set, GENERATION) {
                let told = self.people.row(running.set, row);
                told.map_err(|reason| PastError::Rows { table: running.set.source.name(), reason })?;
            }
        }
        match &mut self.texts {
            Some(texts) => texts.encode(&mut self.people).await,
            None => Ok(()),
        }
    }

    /// Every portrait that something was gathered for is assembled.
    fn assemble(&mut self, moment: DateTime<Utc>) {
        while self.people.has_work() {
            let changes = self.people.take_changes(version(moment), usize::MAX);
            self.apply(changes);
        }
        self.behind = false;
    }

    fn apply(&self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Portrait(portrait) => self.table.apply(&portrait),
                Change::Erased(user) => self.table.remove(user),
            };
        }
    }
}

fn version(moment: DateTime<Utc>) -> u64 {
    u64::try_from(moment.timestamp_millis()).unwrap_or(0)
}

fn failed(set: &FeatureSet, source: DataFusionError) -> PastError {
    PastError::Features { set: set.name.clone(), source: Box::new(source) }
}

#[cfg(test)]
mod tests;
