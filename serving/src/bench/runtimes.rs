//! The same feature sets over the same events in both runtimes of the stream: the embedded runner in this process, and an Arroyo cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use features::sets::FeatureSet;
use features::topic::Topic;
use pipelines::arroyo::Surroundings;
use pipelines::bench::StreamBench;
use pipelines::broker::EmbeddedBroker;
use pipelines::bus::{Bus, BusConfig, Offsets};
use pipelines::parity::{Rows, TOLERANCE, compare};
use tokio::sync::watch;

use super::measure::{Row, cpu, group, resident};
use super::parity::PerSet;
use super::{own_log, unused};
use crate::arroyo::{Operator, Source};

/// How often it is looked whether rows have come.
const LOOK: Duration = Duration::from_millis(100);

/// What is measured, and where.
pub struct Runtimes<'a> {
    /// Number of interactions.
    pub events: usize,
    /// Among how many people.
    pub people: u64,
    /// The feature sets; all read `interactions`.
    pub sets: Vec<&'static FeatureSet>,
    /// An outside event log without interactions; none for an embedded one in this process.
    pub brokers: Option<String>,
    /// The cluster.
    pub operator: Operator<'a>,
    /// The process group of the cluster, where it is on this machine; none where its CPU time and memory cannot be told.
    pub group: Option<u32>,
}

/// What one runtime used.
struct Used {
    cpu: Duration,
    rss_mb: f64,
}

impl Runtimes<'_> {
    /// Measures the embedded runner, then the cluster, and compares the rows of each with a computation over the lake. The cluster's pipelines are
    /// deleted afterwards.
    ///
    /// # Errors
    /// When the event log has interactions or does not answer, the cluster refuses or fails, or a folder cannot be used.
    pub async fn measure(&self) -> anyhow::Result<(Vec<Row>, PerSet)> {
        let folder = std::env::temp_dir().join(format!("hongniang-runtimes-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (bus, broker) = self.log(&folder).await?;
        let bench = StreamBench { events: self.events, people: self.people, seed: 1, folder: folder.display().to_string() };
        eprintln!("writing {} events of {} people", self.events, self.people);
        bench.fill(&bus).await?;
        eprintln!("the embedded runner works on {} feature sets", self.sets.len());
        let before = self.used(false);
        let took = bench.features(&bus, self.sets.iter().map(|set| (*set).clone()).collect(), Utc::now).await?;
        let mut rows = vec![self.row("embedded runner (p50, p99: until durable)", took, took, &before, &self.used(false))];
        bench.lake(&bus, Utc::now).await?;
        let mut judged = self.judge(&bus, &bench.lake_place(), None).await?;
        let (row, of_cluster) = self.cluster(&bus, &bench.lake_place()).await?;
        rows.push(row);
        judged.extend(of_cluster);
        if let Some(broker) = broker {
            broker.shutdown().await;
        }
        std::fs::remove_dir_all(&folder)?;
        Ok((rows, judged))
    }

    async fn log(&self, folder: &Path) -> anyhow::Result<(Bus, Option<EmbeddedBroker>)> {
        let Some(brokers) = &self.brokers else {
            let (broker, bus) = own_log(folder).await?;
            return Ok((bus, Some(broker)));
        };
        let bus = Bus::new(BusConfig { brokers: brokers.clone(), ..BusConfig::default() })?;
        unused(&bus, Topic::Interactions).await?;
        Ok((bus, None))
    }

    /// Deploys the sets, waits until they have counted everything, and deletes them.
    async fn cluster(&self, bus: &Bus, lake: &str) -> anyhow::Result<(Row, PerSet)> {
        eprintln!("the cluster works on them");
        let around = Surroundings { bootstrap: bus.config().brokers.clone(), properties: BTreeMap::new() };
        let source = Source { bus, around: &around };
        let (over, ended) = watch::channel(false);
        let sinks: Vec<String> = self.sets.iter().map(|set| set.topic()).collect();
        let (before, began, at) = (self.used(true), Instant::now(), bus.end_offsets(&sinks).await?);
        let watched = tokio::spawn(span_of_rows(bus.clone(), sinks, at, ended));
        let deployed = self.operator.deploy(&self.sets, &source).await;
        let (whole, after) = (began.elapsed(), self.used(true));
        over.send_replace(true);
        let span = watched.await?;
        let deployed = deployed?;
        let generation = deployed.first().map_or(1, |one| one.generation);
        let judged = self.judge(bus, lake, Some(generation)).await?;
        let names: Vec<String> = self.sets.iter().map(|set| set.name.clone()).collect();
        self.operator.stop(&names, true).await?;
        Ok((self.row("Arroyo (p50: first row to last; p99: with start and checkpoint)", span, whole, &before, &after), judged))
    }

    /// What a reader has, against what the lake gives; of one generation where rows of another runtime are there, too.
    async fn judge(&self, bus: &Bus, lake: &str, generation: Option<u32>) -> anyhow::Result<PerSet> {
        let mut per_set = PerSet::new();
        for set in &self.sets {
            let mut stream = Rows::of_topic(bus, &set.topic(), set).await?;
            if let Some(generation) = generation {
                stream.keep_generation(generation);
            }
            per_set.push((set, compare(lake, set, &stream, &Rows::of_lake(lake, set).await?, TOLERANCE).await?));
        }
        Ok(per_set)
    }

    /// CPU time so far of this process (with the embedded broker) and of the cluster; memory of the runtime in question.
    fn used(&self, of_cluster: bool) -> Used {
        let (pid, cluster) = (std::process::id(), self.group.map(group).unwrap_or_default());
        let memory = if of_cluster { cluster.iter().map(|pid| resident(*pid)).sum() } else { resident(pid) };
        Used { cpu: cpu(pid) + cluster.into_iter().map(cpu).sum::<Duration>(), rss_mb: memory }
    }

    fn row(&self, name: &str, span: Duration, whole: Duration, before: &Used, after: &Used) -> Row {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let log = if self.brokers.is_some() { "outside event log" } else { "embedded event log" };
        #[expect(clippy::cast_precision_loss, reason = "a count of events")]
        let events = self.events as f64;
        Row {
            name: format!("{name}, {} sets, {} people, {log}", self.sets.len(), self.people),
            ops: self.events as u64,
            throughput_per_s: events / span.as_secs_f64().max(1e-9),
            p50_ms: ms(span),
            p99_ms: ms(whole),
            cpu_ms_per_op: ms(after.cpu.saturating_sub(before.cpu)) / events.max(1.0),
            rss_mb: after.rss_mb,
        }
    }
}

/// From the first record after `last` in these topics to the last one, until it is over.
async fn span_of_rows(bus: Bus, topics: Vec<String>, mut last: Offsets, mut over: watch::Receiver<bool>) -> Duration {
    let (mut first_at, mut last_at) = (None, Instant::now());
    while !*over.borrow_and_update() {
        if let Ok(now) = bus.end_offsets(&topics).await
            && now != last
        {
            last_at = Instant::now();
            first_at.get_or_insert(last_at);
            last = now;
        }
        tokio::select! {
            _ = over.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    first_at.map_or(Duration::ZERO, |first| last_at.duration_since(first))
}
