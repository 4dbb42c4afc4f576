//! What is to be done so that what should run runs.

use features::generation::Generations;
use pipelines::arroyo::PipelineName;
use serde::Serialize;

use super::client::Known;
use super::operate::Settings;

/// What is to be done for a feature set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// No pipeline is there: make one.
    Create,
    /// The text changed, or it is to be counted anew: make another, and let it take over once it has caught up.
    Replace,
    /// It is stopped: start it.
    Start,
    /// It failed: start it again.
    Restart,
    /// Parallelism or checkpoint interval changed.
    Adjust,
    /// It runs, but has not taken over yet.
    TakeOver,
    /// Nothing.
    Keep,
    /// A pipeline of a feature set that is not there any more.
    Orphan,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// The feature set.
    pub set: String,
    /// What is to be done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// The pipeline that stays; none where one is made.
    pub stays: Option<Known>,
    /// Pipelines that go once the other has taken over.
    pub goes: Vec<Known>,
}

/// The difference between the pipelines that should be there and those that are. `wanted` has a name for every feature set, of whatever
/// generation; `all` tells whether it has every feature set, so that what is beyond it is left over.
pub(super) fn plan(wanted: &[PipelineName], known: &[Known], announced: &Generations, settings: &Settings, all: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = wanted.iter().map(|name| for_set(name, known, announced, settings)).collect();
    if all {
        let left_over = known.iter().filter(|k| wanted.iter().all(|w| w.set != k.name.set));
        steps.extend(left_over.map(|k| Step {
            set: k.name.set.clone(),
            action: Action::Orphan,
            reason: format!("no such feature file; `hongniang pipeline stop --delete --features {}` removes it", k.name.set),
            stays: Some(k.clone()),
            goes: Vec::new(),
        }));
    }
    steps
}

fn for_set(wanted: &PipelineName, known: &[Known], announced: &Generations, settings: &Settings) -> Step {
    let mut mine: Vec<Known> = known.iter().filter(|k| k.name.set == wanted.set).cloned().collect();
    mine.sort_by_key(|k| k.name.generation);
    let step = |action, reason: String, stays, goes| Step { set: wanted.set.clone(), action, reason, stays, goes };
    let Some(newest) = mine.pop() else {
        return step(Action::Create, "none is there".to_owned(), None, Vec::new());
    };
    let changed = newest.name.fingerprint != wanted.fingerprint;
    if changed || settings.anew {
        let reason = if changed {
            format!("its text is {}, that of {} is {}", wanted.fingerprint, newest.name, newest.name.fingerprint)
        } else {
            format!("{} is to be counted anew", newest.name)
        };
        mine.push(newest);
        return step(Action::Replace, reason, None, mine);
    }
    let (action, reason) = match newest.state() {
        "Failed" => {
            let why = newest.job.as_ref().and_then(|job| job.failure()).unwrap_or("no reason told");
            (Action::Restart, format!("failed: {why}"))
        }
        "Stopped" | "Stopping" | "CheckpointStopping" | "Finished" | "Finishing" => (Action::Start, format!("is {}", newest.state())),
        _ if newest.parallelism != settings.parallelism || newest.checkpoint_micros != settings.checkpoint_micros() => {
            let mut changes = Vec::new();
            if newest.parallelism != settings.parallelism {
                changes.push(format!("parallelism {} → {}", newest.parallelism, settings.parallelism));
            }
            if newest.checkpoint_micros != settings.checkpoint_micros() {
                changes.push(format!("checkpoints every {} s → {} s", newest.checkpoint_micros / 1_000_000, settings.checkpoint_s));
            }
            let reason = changes.join(", ");
            (Action::Adjust, reason)
        }
        _ if newest.name.generation > announced.of(&wanted.set) => (Action::TakeOver, "has not caught up yet".to_owned()),
        _ if !mine.is_empty() => (Action::TakeOver, "an older one is still there".to_owned()),
        state => (Action::Keep, format!("is {state}")),
    };
    step(action, reason, Some(newest), mine)
}
