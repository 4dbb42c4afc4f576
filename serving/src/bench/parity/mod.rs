//! Stream against batch, with kills: a recording goes through `inbox`, gate, feature runner and lake writer in processes that are killed again and
//! again; in the end every event must be filed once, and every feature set must be the same on the stream as over the lake.

mod children;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, EventProducer, Offsets, OutRecord};
use pipelines::parity::{Filed, Judged, Recording, RecordingPlan, Rows, TOLERANCE, compare, filed_in_lake};
use pipelines::{gate, lake, runner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use self::children::{Jobs, Start};
use super::unused;

/// Records that are acknowledged together.
const CHUNK: usize = 5_000;

/// How long nothing may move before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is put to the test.
#[derive(Debug, Clone)]
pub struct Parity {
    /// Valid events, each with an id of its own.
    pub events: u64,
    /// People among whom they happen.
    pub people: u64,
    /// How often a process is killed with SIGKILL.
    pub kills: u32,
    /// For the chance in everything.
    pub seed: u64,
    /// An outside event log with empty topics; none for the embedded one, which is then killed, too.
    pub brokers: Option<String>,
    /// Partitions of a topic.
    pub partitions: i32,
    /// Where log, state and lake are kept.
    pub folder: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityRow {
    /// Which event log it was.
    pub name: String,
    /// Valid events.
    pub events: u64,
    /// Records that were sent: events, repeats of them, and garbage.
    pub sent: u64,
    /// Records that were garbage, and are in `dead_letters`.
    pub refused: u64,
    /// How often a process was killed.
    pub kills: u32,
    /// Keys of all feature sets.
    pub keys: usize,
    /// Keys on which stream and batch do not agree.
    pub mismatches: usize,
    /// Topics that do not hold each event exactly once, with what they hold.
    pub misfiled: String,
    /// The largest relative difference of any decayed sum.
    pub worst: f64,
    /// From the first record sent to everything compared, in seconds.
    pub seconds: f64,
    /// Of that, until every event was filed, stored and counted.
    pub streamed_s: f64,
    /// Valid events per second until then, kills and restarts included.
    pub events_per_s: f64,
    /// The most memory any process of jobs had resident, in MiB.
    pub peak_mb: f64,
    /// The seed, which brings all of it back.
    pub seed: u64,
}

/// What each feature set came to.
pub type PerSet = Vec<(&'static FeatureSet, Judged)>;

/// Puts it to the test. That stream and batch differ is no error: see the row.
///
/// # Errors
/// When a process cannot be started or ends by itself, the event log does not answer or is not empty, or nothing moves for three minutes.
pub async fn parity(plan: &Parity) -> anyhow::Result<(ParityRow, PerSet)> {
    std::fs::create_dir_all(&plan.folder).with_context(|| format!("{} cannot be made", plan.folder.display()))?;
    let folder = plan.folder.canonicalize()?;
    let begun = Instant::now();
    let (jobs, bus) = begin(plan, &folder).await?;
    let dice = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5eed);
    let mut run = Run { jobs, bus, dice, place: folder.join("lake").display().to_string(), peak_mb: 0.0 };
    let recording = run.feed(plan).await?;
    let filed = run.stored(recording.expected()).await?;
    run.counted().await?;
    let (streamed, per_set) = run.compared(begun).await?;
    run.note_memory();
    for jobs in std::mem::take(&mut run.jobs) {
        jobs.stop()?;
    }
    let worst = per_set.iter().filter_map(|(_, judged)| judged.worst.as_ref()).map(|worst| worst.off).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let row = ParityRow {
        name: if plan.brokers.is_some() { "outside event log" } else { "embedded event log" }.to_owned(),
        events: plan.events,
        sent: recording.sent(),
        refused: recording.expected().refused,
        kills: plan.kills,
        keys: per_set.iter().map(|(_, judged)| judged.keys).sum(),
        mismatches: per_set.iter().map(|(_, judged)| judged.mismatches()).sum(),
        misfiled: recording.expected().differences(&filed).join("; "),
        worst,
        seconds: begun.elapsed().as_secs_f64(),
        streamed_s: streamed.as_secs_f64(),
        events_per_s: plan.events as f64 / streamed.as_secs_f64(),
        peak_mb: run.peak_mb,
        seed: plan.seed,
    };
    Ok((row, per_set))
}

/// Starts the processes and waits for their event log.
async fn begin(plan: &Parity, folder: &Path) -> anyhow::Result<(Vec<Jobs>, Bus)> {
    let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let mut variables = vec![
        ("HONGNIANG__KAFKA__PARTITIONS", plan.partitions.to_string()),
        // Often, so that kills come between all steps; a repeat is known however many events came since.
        ("HONGNIANG__LAKE__FLUSH_S", "2.5".to_owned()),
        ("HONGNIANG__GATE__SNAPSHOT_S", "5".to_owned()),
    ];
    let each: Vec<Vec<&'static str>> = match &plan.brokers {
        Some(_) => vec![vec![gate::NAME], vec![runner::NAME], vec![lake::NAME]],
        None => {
            variables.push(("HONGNIANG__BROKER__LISTEN", free.to_string()));
            vec![vec![gate::NAME, runner::NAME, lake::NAME]]
        }
    };
    let brokers = plan.brokers.clone().unwrap_or_else(|| free.to_string());
    let bus = Bus::new(BusConfig { brokers, partitions: plan.partitions, ..BusConfig::default() })?;
    if plan.brokers.is_some() {
        unused(&bus, Topic::Inbox).await?;
    }
    let start = |jobs| Start { jobs, folder: folder.to_path_buf(), brokers: plan.brokers.clone(), variables: variables.clone() };
    let mut jobs = each.into_iter().map(|jobs| start(jobs).begin()).collect::<anyhow::Result<Vec<_>>>()?;
    let until = Instant::now() + PATIENCE;
    while let Err(error) = bus.ping(Duration::from_secs(1)).await {
        jobs.iter_mut().try_for_each(Jobs::alive)?;
        anyhow::ensure!(Instant::now() < until, "{error}");
    }
    bus.ensure_topics().await?;
    Ok((jobs, bus))
}

struct Run {
    jobs: Vec<Jobs>,
    bus: Bus,
    dice: ChaCha8Rng,
    place: String,
    peak_mb: f64,
}

impl Run {
    /// Sends the recording, with kills between its parts and after the last one.
    async fn feed(&mut self, plan: &Parity) -> anyhow::Result<Recording> {
        let now = Utc::now();
        let mut recording = Recording::new(RecordingPlan { seed: plan.seed, events: plan.events, people: plan.people, now });
        let mut producer = self.bus.own_producer()?;
        let (mut killed, mut told) = (0u32, Instant::now());
        loop {
            let records = recording.chunk(CHUNK.min(usize::try_from(plan.events / 20).unwrap_or(CHUNK).max(50)));
            if records.is_empty() {
                break;
            }
            producer = self.send(producer, records).await?;
            // Equal shares of the events lie between kills, and what follows them.
            while u64::from(killed) < recording.expected().events() * u64::from(plan.kills) / plan.events.max(1) {
                tokio::time::sleep(Duration::from_millis(self.dice.random_range(50..1_500))).await;
                self.kill_one()?;
                killed += 1;
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("parity: {} of {} events sent, {killed} kills", recording.expected().events(), plan.events);
            }
        }
        Ok(recording)
    }

    /// Sends until every record is durable; what a kill leaves in doubt is sent again.
    async fn send(&mut self, mut producer: EventProducer, records: Vec<OutRecord>) -> anyhow::Result<EventProducer> {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = producer.send_all(records.clone()).await {
            self.jobs.iter_mut().try_for_each(Jobs::alive)?;
            anyhow::ensure!(Instant::now() < until, "{error}");
            producer = self.bus.own_producer()?;
        }
        Ok(producer)
    }

    fn kill_one(&mut self) -> anyhow::Result<()> {
        self.note_memory();
        let victim = self.dice.random_range(0..self.jobs.len());
        self.jobs[victim].kill_and_restart()
    }

    fn note_memory(&mut self) {
        self.peak_mb = self.jobs.iter().map(Jobs::peak_mb).fold(self.peak_mb, f64::max);
    }

    /// Waits until the lake has as many rows as it must, or no more come; what it holds then.
    async fn stored(&mut self, expected: &Filed) -> anyhow::Result<Filed> {
        let (mut last, mut moved, mut told) = (None, Instant::now(), Instant::now());
        loop {
            self.jobs.iter_mut().try_for_each(Jobs::alive)?;
            // Files may be moved between listing and reading.
            let rows = stored_rows(&self.place).await.unwrap_or(0);
            if rows >= expected.events() + expected.refused {
                // One flush more would show what is there twice.
                tokio::time::sleep(Duration::from_secs(3)).await;
                if let Ok(filed) = filed_in_lake(&self.place).await {
                    return Ok(filed);
                }
            }
            if last != Some(rows) {
                (last, moved) = (Some(rows), Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                return Ok(filed_in_lake(&self.place).await?);
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("parity: {rows} of {} rows in the lake", expected.events() + expected.refused);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Waits until the feature runner has made durable as much as it does by itself.
    async fn counted(&mut self) -> anyhow::Result<()> {
        let mut topics: Vec<String> = feature_sets().iter().map(|set| set.source.name().to_owned()).collect();
        topics.sort_unstable();
        topics.dedup();
        let (mut last, mut moved) = (Offsets::default(), Instant::now());
        while moved.elapsed() < Duration::from_secs(5) {
            self.jobs.iter_mut().try_for_each(Jobs::alive)?;
            let (done, end) = (self.bus.committed(runner::NAME, &topics).await?, self.bus.end_offsets(&topics).await?);
            // The marker of a transaction at the very end takes an offset that nobody reads.
            if end.0.iter().all(|((topic, partition), end)| *end == 0 || done.get(topic, *partition).is_some_and(|at| at + 1 >= *end)) {
                return Ok(());
            }
            if done != last {
                (last, moved) = (done, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Compares every set; again while the stream is behind and moves. How long the stream took comes back, too.
    async fn compared(&mut self, begun: Instant) -> anyhow::Result<(Duration, PerSet)> {
        let mut streamed = begun.elapsed();
        let mut per_set = PerSet::new();
        for set in feature_sets() {
            let batch = Rows::of_lake(&self.place, set).await?;
            let (mut last, mut moved) = (-1, Instant::now());
            let stream = loop {
                let stream = Rows::of_topic(&self.bus, &set.topic(), set).await?;
                if stream.counted() >= batch.counted() || moved.elapsed() > PATIENCE {
                    break stream;
                }
                self.jobs.iter_mut().try_for_each(Jobs::alive)?;
                if stream.counted() != last {
                    (last, moved) = (stream.counted(), Instant::now());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                streamed = begun.elapsed();
            };
            per_set.push((set, compare(&self.place, set, &stream, &batch, TOLERANCE).await?));
        }
        Ok((streamed, per_set))
    }
}

async fn stored_rows(place: &str) -> anyhow::Result<u64> {
    let session = pipelines::query::session(place).await?;
    let mut rows = 0;
    for topic in Topic::FILED.into_iter().chain([Topic::DeadLetters]) {
        rows += session.table(topic.name()).await?.count().await? as u64;
    }
    Ok(rows)
}
