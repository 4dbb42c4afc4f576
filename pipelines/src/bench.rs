//! How fast the stream is: events that lie in Kafka, through the feature runner and into the lake, in one process.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{Event, InteractionEvent, InteractionKind};
use features::ids::{UserId, derived_event_id};
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::bus::{Bus, OutRecord};
use crate::lake::{LakeConfig, LakeWriter};
use crate::runner::{FeatureRunner, RunnerConfig};
use crate::snapshots::SnapshotStore;
use crate::supervisor::{Clock, JobContext, JobError};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamBench {
    /// Number of interactions.
    pub events: usize,
    /// Among how many people.
    pub people: u64,
    /// For the chance in them.
    pub seed: u64,
    /// A folder for state and lake; must be empty.
    pub folder: String,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamReport {
    /// Number of interactions.
    pub events: usize,
    /// Until every one was counted, and the rows and the checkpoint were durable.
    pub features: Duration,
    /// Until every one was in a durable file of the lake.
    pub lake: Duration,
    /// Until both were done.
    pub both: Duration,
}

impl StreamReport {
    /// Events per second through both.
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of events")]
        let events = self.events as f64;
        events / self.both.as_secs_f64()
    }
}

const CHUNK: usize = 20_000;

impl StreamBench {
    /// Fills the empty topic `interactions`, as the gate would.
    ///
    /// # Errors
    /// When the event log fails.
    pub async fn fill(&self, bus: &Bus) -> Result<(), JobError> {
        let producer = bus.own_producer()?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let begin = DateTime::from_timestamp(1_793_500_000, 0).unwrap_or_default();
        for first in (0..self.events).step_by(CHUNK) {
            let numbers = first..self.events.min(first + CHUNK);
            producer.send_all(numbers.map(|n| self.event(&mut random, begin, n)).collect()).await?;
        }
        Ok(())
    }

    /// Mostly impressions, some views, likes and passes, as in an ordinary day.
    fn event(&self, random: &mut ChaCha8Rng, begin: DateTime<Utc>, n: usize) -> OutRecord {
        use InteractionKind::{Impression, Like, Pass, ProfileView};
        let kind = [Impression, Impression, Impression, Impression, ProfileView, Like, Pass, Pass][random.random_range(0..8)];
        let actor = random.random_range(1..=self.people.max(2));
        let target = (actor + random.random_range(1..self.people.max(2))) % self.people.max(2) + 1;
        let tags =
            if kind == Like { vec![["咖啡", "hiking", "猫", "movies"][random.random_range(0..4)].to_owned()] } else { Vec::new() };
        let event = Event::Interaction(InteractionEvent {
            tags,
            deck_id: Some(format!("d{}", n / 20)),
            position: Some(u32::try_from(n % 20).unwrap_or(0)),
            ..InteractionEvent::new(
                derived_event_id(&["bench", &self.seed.to_string(), &n.to_string()]),
                begin + TimeDelta::milliseconds(random.random_range(0..3 * 86_400_000)),
                kind,
                UserId(actor),
                UserId(if target == actor { target % self.people.max(2) + 1 } else { target }),
            )
        });
        OutRecord::new(Topic::Interactions.name(), actor.to_string(), Some(event.encode()))
    }

    /// Runs the feature runner and the lake writer from the beginning until both have made every event durable.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn run(&self, bus: &Bus, clock: Clock) -> Result<StreamReport, JobError> {
        let (features, lake) = tokio::try_join!(self.features(bus, feature_sets().to_vec(), clock), self.lake(bus, clock))?;
        Ok(StreamReport { events: self.events, features, lake, both: features.max(lake) })
    }

    /// Runs the feature runner with these sets from the beginning until every event is counted, and rows and checkpoint are durable.
    ///
    /// # Errors
    /// When it fails.
    pub async fn features(&self, bus: &Bus, sets: Vec<FeatureSet>, clock: Clock) -> Result<Duration, JobError> {
        let (context, began) = (JobContext::alone("features", clock), Instant::now());
        let state = SnapshotStore::open(&format!("{}/state", self.folder))?;
        let runner = FeatureRunner::new(bus.clone(), &state, RunnerConfig::default()).with_sets(sets).run(context.clone());
        self.until_durable(runner, context, began).await
    }

    /// Runs the lake writer from the beginning until every event is in a durable file.
    ///
    /// # Errors
    /// When it fails.
    pub async fn lake(&self, bus: &Bus, clock: Clock) -> Result<Duration, JobError> {
        let (context, began) = (JobContext::alone("lake", clock), Instant::now());
        // A flush soon after the last event: the measurement is not to wait for a minute.
        let config = LakeConfig { flush_s: 1.0, ..LakeConfig::default() };
        let writer = LakeWriter::new(bus.clone(), &self.lake_place(), config).run(context.clone());
        self.until_durable(writer, context, began).await
    }

    /// Where the lake is.
    pub fn lake_place(&self) -> String {
        format!("{}/lake", self.folder)
    }

    /// Asks the job to end once it has seen every event; its end makes everything durable.
    async fn until_durable(
        &self,
        job: impl Future<Output = Result<(), JobError>> + Send + 'static,
        context: JobContext,
        began: Instant,
    ) -> Result<Duration, JobError> {
        let mut job = tokio::spawn(job);
        while context.progress.processed() < self.events as u64 {
            tokio::select! {
                ended = &mut job => return Err(ended.map_err(|e| JobError::failed("measure", e))?.err().unwrap_or_else(|| JobError::failed("measure", "the job ended early"))),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        context.shutdown.cancel();
        job.await.map_err(|e| JobError::failed("measure", e))??;
        Ok(began.elapsed())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::broker::{BrokerConfig, EmbeddedBroker};
    use crate::bus::BusConfig;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_event_is_counted_and_stored_before_the_clock_stops() {
        let dir = tempfile::tempdir().unwrap();
        let broker = EmbeddedBroker::start(BrokerConfig::new(dir.path().join("log"))).await.unwrap();
        let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), ..BusConfig::default() }).unwrap();
        bus.ensure_topics().await.unwrap();
        let bench = StreamBench { events: 30_000, people: 500, seed: 7, folder: dir.path().to_str().unwrap().to_owned() };
        bench.fill(&bus).await.unwrap();
        let report = bench.run(&bus, Utc::now).await.unwrap();
        assert!(report.per_second() > 0.0 && report.both >= report.features);
        let session = crate::query::session(&bench.lake_place()).await.unwrap();
        assert_eq!(session.table("interactions").await.unwrap().count().await.unwrap(), bench.events);
    }
}
