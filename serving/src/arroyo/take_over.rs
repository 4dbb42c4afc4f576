//! Waiting: until a job runs, until it has ended, until it has caught up; and what follows then.

use std::time::Instant;

use pipelines::arroyo::catch_up::Goal;
use pipelines::bus::Bus;
use pipelines::generations;

use super::client::{Job, Known};
use super::error::ArroyoError;
use super::operate::{Operator, UnderWay};

impl Operator<'_> {
    /// Looks at a job until `content` is.
    async fn until(&self, known: &Known, wanted: &str, content: impl Fn(&Job) -> Result<bool, ArroyoError>) -> Result<Job, ArroyoError> {
        let begun = Instant::now();
        loop {
            let job = self.client.job(&known.id).await?;
            if let Some(job) = &job
                && content(job)?
            {
                return Ok(job.clone());
            }
            if begun.elapsed() > self.settings.patience {
                let state = job.map_or_else(|| "without a job".to_owned(), |job| job.state);
                let seconds = self.settings.patience.as_secs();
                return Err(ArroyoError::Late { pipeline: known.name.to_string(), state, wanted: wanted.to_owned(), seconds });
            }
            tokio::time::sleep(self.settings.look).await;
        }
    }

    pub(super) async fn until_running(&self, known: &Known) -> Result<Job, ArroyoError> {
        self.until(known, "Running", |job| if job.state == "Failed" { Err(failed(known, job)) } else { Ok(job.runs()) }).await
    }

    /// Until a job that was asked to stop has ended.
    pub(super) async fn until_ended(&self, known: &Known) -> Result<Job, ArroyoError> {
        self.until(known, "Stopped", |job| Ok(job.has_ended())).await
    }

    /// Until a failed job that was started again is somewhere else.
    pub(super) async fn until_not_failed(&self, known: &Known) -> Result<Job, ArroyoError> {
        self.until(known, "Running", |job| Ok(job.state != "Failed")).await
    }

    /// Stops a pipeline with a checkpoint; one that has none to make (it failed, or is only being made) ends without.
    pub(super) async fn end(&self, known: &Known) -> Result<Option<Job>, ArroyoError> {
        let Some(job) = self.client.job(&known.id).await? else { return Ok(None) };
        if job.has_ended() {
            return Ok(Some(job));
        }
        self.client.stop(known, "checkpoint").await?;
        match self.until_ended(known).await {
            Err(ArroyoError::Late { .. }) => {
                self.tell.line(&format!("{} does not stop with a checkpoint; stops it without", known.name));
                self.client.stop(known, "immediate").await?;
                self.until_ended(known).await.map(Some)
            }
            ended => ended.map(Some),
        }
    }

    /// Waits until the pipeline has counted what was there when it began, says so in the event log, and removes those before it.
    pub(super) async fn take_over(&self, one: &UnderWay<'_>, bus: &Bus) -> Result<(), ArroyoError> {
        if let Some(goal) = &one.goal {
            self.until_caught_up(one, goal, bus).await?;
            generations::announce(bus, &one.set.name, one.known.name.generation).await?;
            self.tell.line(&format!("{}: generation {} has caught up and takes over", one.set.name, one.known.name.generation));
        }
        for old in &one.goes {
            self.end(old).await?;
            self.client.delete(old).await?;
            self.tell.line(&format!("{}: stopped and deleted {}", one.set.name, old.name));
        }
        Ok(())
    }

    async fn until_caught_up(&self, one: &UnderWay<'_>, goal: &Goal, bus: &Bus) -> Result<(), ArroyoError> {
        let (set, group) = (one.set, one.known.name.to_string());
        let (mut best, mut since) = (-1, Instant::now());
        loop {
            let (done, all) = goal.progress(bus, set.source.name(), &group).await?;
            self.tell.progress(&format!("{}: catches up", set.name), done.unsigned_abs(), all.unsigned_abs());
            if done >= all {
                break;
            }
            if done > best {
                (best, since) = (done, Instant::now());
            }
            self.still_alive(&one.known, since, "further").await?;
            tokio::time::sleep(self.settings.look).await;
        }
        // The rows that follow from those records are written when a checkpoint that begins from now on is complete.
        let epoch = async |finished: bool| -> Result<u64, ArroyoError> {
            let Some(job) = &one.known.job else { return Ok(0) };
            let all = self.client.checkpoints(&one.known.id, &job.id).await?;
            Ok(all.iter().filter(|c| !finished || c.finish_time.is_some()).map(|c| c.epoch).max().unwrap_or(0))
        };
        if goal.is_empty() {
            return Ok(());
        }
        let (now, since) = (epoch(false).await?, Instant::now());
        while epoch(true).await? <= now {
            self.still_alive(&one.known, since, "through another checkpoint").await?;
            tokio::time::sleep(self.settings.look).await;
        }
        Ok(())
    }

    /// Gives up on a job that failed, or has made no progress for too long.
    async fn still_alive(&self, known: &Known, since: Instant, wanted: &str) -> Result<(), ArroyoError> {
        let job = self.client.job(&known.id).await?;
        if let Some(job) = job.as_ref().filter(|job| job.has_ended()) {
            return Err(failed(known, job));
        }
        if since.elapsed() > self.settings.patience {
            let state = job.map_or_else(|| "without a job".to_owned(), |job| job.state);
            let (pipeline, seconds) = (known.name.to_string(), self.settings.patience.as_secs());
            return Err(ArroyoError::Late { pipeline, state, wanted: wanted.to_owned(), seconds });
        }
        Ok(())
    }
}

fn failed(known: &Known, job: &Job) -> ArroyoError {
    let reason = job.failure().map_or_else(|| format!("it is {}, and Arroyo tells no reason", job.state), str::to_owned);
    ArroyoError::Failed { pipeline: known.name.to_string(), reason }
}
