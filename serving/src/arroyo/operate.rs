//! Deploying, listing, stopping and recycling.

use std::time::{Duration, Instant};

use features::sets::{FeatureSet, feature_set, feature_sets};
use pipelines::arroyo::catch_up::Goal;
use pipelines::arroyo::{PipelineName, Rendered, Surroundings};
use pipelines::bus::Bus;
use pipelines::generations;
use serde::Serialize;

use super::client::{Client, Job, Known};
use super::error::ArroyoError;
use super::plan::{Action, Step, plan};

/// A checkpoint of Arroyo's Kafka source has the offsets of those partitions that gave a record since the last start, and no others.
const AGAIN: &str = "was started before: partitions that had no record since then are counted once more now; `hongniang pipeline verify` tells, and \
                     `hongniang pipeline deploy --anew` counts from the beginning";

/// How pipelines are to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Tasks that share each operator of a pipeline.
    pub parallelism: u64,
    /// Seconds between checkpoints.
    pub checkpoint_s: u64,
    /// Whether pipelines are replaced although nothing changed, by others that count from the beginning.
    pub anew: bool,
    /// How long a pipeline may take to come to another state, or to make any progress.
    pub patience: Duration,
    /// How often it is looked at meanwhile.
    pub look: Duration,
}

impl Settings {
    /// Microseconds between checkpoints.
    pub fn checkpoint_micros(&self) -> u64 {
        self.checkpoint_s.saturating_mul(1_000_000)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { parallelism: 1, checkpoint_s: 10, anew: false, patience: Duration::from_secs(300), look: Duration::from_millis(500) }
    }
}

/// Hears what goes on.
pub trait Tell: Sync {
    /// Something happened.
    fn line(&self, line: &str);
    /// `done` of `all` records are taken.
    fn progress(&self, what: &str, done: u64, all: u64);
}

/// What became of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The feature set.
    pub feature_set: String,
    /// What was done.
    pub action: Action,
    /// The pipeline.
    pub pipeline: String,
    /// Its id on the cluster.
    pub id: String,
    /// The generation of its rows.
    pub generation: u32,
    /// The state of its job.
    pub state: String,
}

/// Operates the feature pipelines of one cluster.
pub struct Operator<'a> {
    /// The cluster.
    pub client: Client,
    /// How pipelines are to run.
    pub settings: Settings,
    /// Hears what goes on.
    pub tell: &'a dyn Tell,
}

/// Where the events are: needed to make pipelines and to know how far they are.
pub struct Source<'a> {
    /// The event log as this process reaches it.
    pub bus: &'a Bus,
    /// The event log as Arroyo reaches it.
    pub around: &'a Surroundings,
}

/// A pipeline on its way.
pub(super) struct UnderWay<'s> {
    pub(super) set: &'s FeatureSet,
    pub(super) action: Action,
    pub(super) known: Known,
    pub(super) goes: Vec<Known>,
    /// What it must have counted before it takes over; none where it already has.
    pub(super) goal: Option<Goal>,
}

impl Operator<'_> {
    /// Feature sets by name; all where none is named.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn sets(names: &[String]) -> Result<Vec<&'static FeatureSet>, ArroyoError> {
        if names.is_empty() {
            return Ok(feature_sets().iter().collect());
        }
        names.iter().map(|name| feature_set(name).ok_or_else(|| ArroyoError::NoSuchSet(name.clone()))).collect()
    }

    /// What [`Operator::deploy`] would do.
    ///
    /// # Errors
    /// When a set cannot be rendered, or the cluster or the event log does not answer.
    pub async fn diff(&self, sets: &[&FeatureSet], source: &Source<'_>) -> Result<Vec<Step>, ArroyoError> {
        let wanted = names(sets, source.around)?;
        let known = self.client.known().await?;
        let announced = generations::announced(source.bus).await?;
        Ok(plan(&wanted, &known, &announced, &self.settings, sets.len() == feature_sets().len()))
    }

    /// Makes, starts, adjusts and replaces pipelines until every set has one that runs and has taken over. Whatever was done before is found
    /// and kept, so it can be ended and begun again at any point.
    ///
    /// # Errors
    /// When Arroyo does not take the SQL of a set (nothing is done then), a job fails, or something does not answer.
    pub async fn deploy(&self, sets: &[&FeatureSet], source: &Source<'_>) -> Result<Vec<Outcome>, ArroyoError> {
        self.validate(sets, source.around).await?;
        let mut under_way = Vec::new();
        for step in self.diff(sets, source).await? {
            match sets.iter().find(|set| set.name == step.set) {
                Some(set) => under_way.push(self.begin(set, step, source).await?),
                None => self.tell.line(&format!("{}: {}", step.set, step.reason)),
            }
        }
        for one in &mut under_way {
            one.known.job = Some(self.until_running(&one.known).await?);
        }
        let mut outcomes = Vec::new();
        for one in under_way {
            self.take_over(&one, source.bus).await?;
            let job = self.client.job(&one.known.id).await?;
            outcomes.push(outcome(&Known { job, ..one.known }, one.action));
        }
        Ok(outcomes)
    }

    /// Asks the cluster's planner about every set before anything is done.
    async fn validate(&self, sets: &[&FeatureSet], around: &Surroundings) -> Result<(), ArroyoError> {
        let mut rejections = Vec::new();
        for set in sets {
            rejections.extend(self.client.validate(&Rendered::new(set, 1, around)?).await?);
        }
        if !rejections.is_empty() {
            return Err(ArroyoError::Rejected(rejections));
        }
        self.tell.line(&format!("Arroyo takes the SQL of {} feature sets", sets.len()));
        Ok(())
    }

    async fn begin<'s>(&self, set: &'s FeatureSet, step: Step, source: &Source<'_>) -> Result<UnderWay<'s>, ArroyoError> {
        let (settings, action) = (&self.settings, step.action);
        // Where the topic ends before the pipeline begins: what it must have counted before it takes over.
        let goal = Goal::now(source.bus, set.source.name()).await?;
        let known = match (action, step.stays) {
            (Action::Create | Action::Replace, _) | (_, None) => {
                let generation = self.next_generation(set, &step.goes, source).await?;
                let rendered = Rendered::new(set, generation, source.around)?;
                source.bus.keep_without_keys(&set.topic()).await?;
                self.tell.line(&format!("{}: makes {} ({})", set.name, rendered.name, step.reason));
                self.client.create(&rendered, settings.parallelism, settings.checkpoint_micros()).await?
            }
            (Action::Start, Some(known)) => {
                self.tell.line(&format!("{}: starts {} ({})", set.name, known.name, step.reason));
                self.until_ended(&known).await?;
                self.client.stop(&known, "none").await?;
                known
            }
            (Action::Restart, Some(known)) => {
                self.tell.line(&format!("{}: starts {} again ({})", set.name, known.name, step.reason));
                self.client.restart(&known).await?;
                self.until_not_failed(&known).await?;
                known
            }
            (Action::Adjust, Some(known)) => {
                self.tell.line(&format!("{}: changes {} ({})", set.name, known.name, step.reason));
                self.client.adjust(&known, settings.parallelism, settings.checkpoint_micros()).await?;
                known
            }
            (_, Some(known)) => known,
        };
        let waits = known.name.generation > generations::announced(source.bus).await?.of(&set.name);
        Ok(UnderWay { set, action, known, goes: step.goes, goal: waits.then_some(goal) })
    }

    /// One more than any generation that was ever seen: of a pipeline, of an announcement, of a row; and none whose group Kafka remembers.
    async fn next_generation(&self, set: &FeatureSet, older: &[Known], source: &Source<'_>) -> Result<u32, ArroyoError> {
        let announced = generations::announced(source.bus).await?.announced(&set.name);
        let rows = generations::newest_row(source.bus, set).await?;
        let of_pipelines = older.iter().map(|known| known.name.generation).max();
        let mut next = 1 + rows.max(announced.unwrap_or(0)).max(of_pipelines.unwrap_or(0));
        loop {
            let group = Rendered::new(set, next, source.around)?.name.to_string();
            if source.bus.committed(&group, &[set.source.name().to_owned()]).await?.0.is_empty() {
                return Ok(next);
            }
            next += 1;
        }
    }

    /// Our pipelines on the cluster, of these sets or of all.
    ///
    /// # Errors
    /// When the cluster does not answer, or has none of a set that is named.
    pub async fn list(&self, names: &[String]) -> Result<Vec<Known>, ArroyoError> {
        let mut known = self.client.known().await?;
        if let Some(name) = names.iter().find(|name| known.iter().all(|k| k.name.set != **name)) {
            return Err(ArroyoError::NoPipeline(name.clone()));
        }
        known.retain(|k| names.is_empty() || names.contains(&k.name.set));
        Ok(known)
    }

    /// Stops pipelines with a checkpoint, from which [`Operator::deploy`] starts them again; deletes them, state and all, where `delete` says so.
    ///
    /// # Errors
    /// When the cluster does not answer, or a job does not stop.
    pub async fn stop(&self, names: &[String], delete: bool) -> Result<Vec<Known>, ArroyoError> {
        let mut stopped = self.list(names).await?;
        for known in &mut stopped {
            self.tell.line(&format!("stops {}", known.name));
            known.job = self.end(known).await?;
            if delete {
                self.client.delete(known).await?;
                self.tell.line(&format!("deleted {}", known.name));
            }
        }
        Ok(stopped)
    }

    /// Stops every pipeline with a checkpoint and starts it again, one after the other: its process gives back the memory that it has gathered.
    ///
    /// # Errors
    /// When a pipeline does not run, does not stop or does not start again; those after it are left as they are.
    pub async fn recycle(&self, names: &[String]) -> Result<Vec<Known>, ArroyoError> {
        let mut all = self.list(names).await?;
        for known in &mut all {
            if !known.job.as_ref().is_some_and(Job::runs) {
                self.tell.line(&format!("{} is {} and left as it is; `hongniang pipeline deploy` starts it", known.name, known.state()));
                continue;
            }
            let (begun, starts) = (Instant::now(), known.job.as_ref().map_or(0, |job| job.run_id));
            self.end(known).await?;
            self.client.stop(known, "none").await?;
            known.job = Some(self.until_running(known).await?);
            self.tell.line(&format!("{} rested for {:.1} s", known.name, begun.elapsed().as_secs_f64()));
            if starts > 1 {
                self.tell.line(&format!("{}: {AGAIN}", known.name));
            }
        }
        Ok(all)
    }
}

/// The names of the pipelines of sets, of generation 1.
fn names(sets: &[&FeatureSet], around: &Surroundings) -> Result<Vec<PipelineName>, ArroyoError> {
    Ok(sets.iter().map(|set| Rendered::new(set, 1, around).map(|rendered| rendered.name)).collect::<Result<_, _>>()?)
}

/// What is told of a pipeline.
fn outcome(known: &Known, action: Action) -> Outcome {
    Outcome {
        feature_set: known.name.set.clone(),
        action,
        pipeline: known.name.to_string(),
        id: known.id.clone(),
        generation: known.name.generation,
        state: known.state().to_owned(),
    }
}
