//! Ownership of a job: of all processes that run it, exactly one is at work, and another takes over when that one ends.
//!
//! A topic of one partition, `ownership`, is subscribed in a group of the job's own. Whoever is given the partition owns the job; the
//! others stand by. Assignment is cooperative: somebody who joins disturbs nobody. A process that ends leaves the group, and one that dies
//! or cannot reach the log is out of it after [`SESSION`]; it learns of that by itself, so that two never work for long. What two may do in that
//! short time is made harmless by claims on the durable state ([`crate::claim`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use tokio::sync::watch;

use super::{Bus, BusError, blocking};

/// The topic whose only partition is given to the owner. It carries nothing.
pub(crate) const TOPIC: &str = "ownership";

/// After so long without a sign of life a process owns nothing any more.
pub const SESSION: Duration = Duration::from_secs(10);

/// How often the thread that keeps up the membership looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// How long leaving may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// A candidacy for a job. Dropping it gives it up.
pub struct Ownership {
    owned: watch::Receiver<bool>,
    stop: Arc<AtomicBool>,
    left: watch::Receiver<bool>,
}

impl Bus {
    /// Becomes a candidate for `job`.
    ///
    /// # Errors
    /// When the broker does not answer or the topic `ownership` is missing.
    pub async fn ownership(&self, job: &str) -> Result<Ownership, BusError> {
        self.bounds(&[TOPIC.to_owned()]).await?;
        let mut client = self.config().client();
        self.config().overrides(&mut client);
        client
            .set("group.id", format!("{job}-owner"))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            .set("heartbeat.interval.ms", "500")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "latest")
            .set("allow.auto.create.topics", "false");
        let (told, owned) = watch::channel(false);
        let config = self.config().clone();
        let consumer = blocking(move || {
            let consumer: BaseConsumer<Candidate> =
                client.create_with_context(Candidate(told)).map_err(|e| config.error("make a client", e))?;
            consumer.subscribe(&[TOPIC]).map_err(|e| config.error("stand for a job", e))?;
            Ok(consumer)
        })
        .await?;
        let stop = Arc::new(AtomicBool::new(false));
        let (gone, left) = watch::channel(false);
        let asked = Arc::clone(&stop);
        let keep = move || {
            while !asked.load(Ordering::Acquire) {
                if let Some(Err(error)) = consumer.poll(LOOK) {
                    tracing::debug!(%error, "membership of the owners' group");
                }
            }
            // Closing leaves the group, so that the next one need not wait.
            drop(consumer);
            gone.send_replace(true);
        };
        let spawned = std::thread::Builder::new().name(format!("own {job}").chars().take(15).collect()).spawn(keep);
        spawned.map_err(|_| BusError::Closed)?;
        Ok(Ownership { owned, stop, left })
    }
}

impl Ownership {
    /// Waits until this candidate owns the job.
    ///
    /// # Errors
    /// When the client went away underneath.
    pub async fn acquired(&mut self) -> Result<(), BusError> {
        self.owned.wait_for(|owned| *owned).await.map(drop).map_err(|_| BusError::Closed)
    }

    /// Waits until it owns the job no more.
    pub async fn lost(&mut self) {
        // A client that went away owns nothing either.
        drop(self.owned.wait_for(|owned| !*owned).await);
    }

    /// Gives the job up and waits, a few seconds at most, until the group knows.
    pub async fn release(mut self) {
        self.stop.store(true, Ordering::Release);
        if tokio::time::timeout(FAREWELL, self.left.wait_for(|left| *left)).await.is_err() {
            tracing::warn!("the event log does not answer: the next owner waits for the end of this session");
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Hears what the group decides.
struct Candidate(watch::Sender<bool>);

impl ClientContext for Candidate {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "event log client");
    }
}

impl ConsumerContext for Candidate {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let gone = match rebalance {
            Rebalance::Revoke(list) => list.count() > 0,
            Rebalance::Error(_) => true,
            Rebalance::Assign(_) => false,
        };
        if gone {
            self.0.send_replace(false);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance
            && list.count() > 0
        {
            // There is nothing to read, and nothing is to be asked for.
            if let Err(error) = consumer.pause(list) {
                tracing::debug!(%error, "the partition of the owner could not be paused");
            }
            self.0.send_replace(true);
        }
    }
}
