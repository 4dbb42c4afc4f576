//! What the stream tests share: an event log, events from a seed, jobs that can be killed, and looks at what came out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use features::event::{
    Event, InteractionEvent, InteractionKind, MessageEvent, MessageKind, MomentEvent, MomentKind, PresenceEvent, PresenceKind,
};
use features::ids::{MomentId, UserId, derived_event_id};
use features::row::FeatureRow;
use features::sets::{FeatureSet, feature_sets};
use features::topic::Topic;
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig, OutRecord, Record};
use pipelines::gate::{Gate, GateConfig};
use pipelines::lake::{LakeConfig, LakeWriter};
use pipelines::query::batch_features;
use pipelines::runner::{FeatureRunner, RunnerConfig};
use pipelines::snapshots::SnapshotStore;
use pipelines::supervisor::{JobContext, JobError};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::JoinHandle;

/// A small generator, so that a printed seed brings everything back.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }

    /// A seed from the clock, printed, or the one in `HONGNIANG_TEST_SEED`.
    pub(crate) fn thrown(what: &str) -> Self {
        let given = std::env::var("HONGNIANG_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| Utc::now().timestamp_micros().unsigned_abs());
        println!("{what}: HONGNIANG_TEST_SEED={seed}");
        Self(seed)
    }
}

/// Events among 60 people over twelve days.
pub(crate) fn events(dice: &mut Dice, count: usize) -> Vec<Event> {
    (0..count).map(|n| event(dice, n)).collect()
}

fn event(dice: &mut Dice, n: usize) -> Event {
    let event_id = derived_event_id(&["town", &dice.roll(u64::MAX).to_string(), &n.to_string()]);
    let begin: DateTime<Utc> = "2026-10-30T00:00:00.000123Z".parse().unwrap();
    let event_time = begin + TimeDelta::milliseconds(dice.roll(12 * 86_400_000) as i64);
    let one = UserId(1 + dice.roll(60));
    let other = UserId(1 + (one.0 + dice.roll(58)) % 60);
    let tags: Vec<String> = (0..dice.roll(3)).map(|_| dice.pick(&["咖啡", "#Hiking", "猫", "a|b"]).to_owned()).collect();
    match dice.roll(10) {
        0 => Event::Presence(PresenceEvent {
            event_id,
            event_time,
            kind: dice.pick(&PresenceKind::ALL[..2]),
            request_id: None,
            user_id: one,
            position: None,
        }),
        1 => {
            let conversation_id = format!("{one}-{other}");
            Event::Message(MessageEvent {
                event_id,
                event_time,
                kind: dice.pick(MessageKind::ALL),
                request_id: None,
                conversation_id,
                sender_id: one,
                receiver_id: other,
                chars: 4,
            })
        }
        2 => {
            let text = "今天去爬山 with friends ".repeat(1 + dice.roll(4) as usize);
            let (kind, published_at) = (dice.pick(MomentKind::ALL), event_time - TimeDelta::hours(2));
            let (moment_id, title) = (MomentId(n as u64 + 1), "a day".to_owned());
            Event::Moment(MomentEvent {
                event_id,
                event_time,
                kind,
                request_id: None,
                moment_id,
                author_id: one,
                published_at,
                title,
                text,
                answers: vec![],
                tags,
                media: vec![],
                text_chars: 0,
                answer_chars: 0,
                media_count: 0,
            })
        }
        _ => {
            let kind = dice.pick(InteractionKind::ALL);
            let moment_id = matches!(kind, InteractionKind::Comment | InteractionKind::Reply).then_some(MomentId(3));
            let (text, deck_id) =
                (moment_id.map(|_| "好看".to_owned()), (kind == InteractionKind::Impression).then(|| format!("d{}", n % 7)));
            Event::Interaction(InteractionEvent {
                moment_id,
                text,
                tags,
                deck_id,
                ..InteractionEvent::new(event_id, event_time, kind, one, other)
            })
        }
    }
}

/// The inbox record of an event.
pub(crate) fn reported(event: &Event) -> OutRecord {
    OutRecord::new(Topic::Inbox.name(), event.actor().to_string(), Some(event.encode()))
}

/// Something that is no event.
pub(crate) fn garbage(dice: &mut Dice) -> OutRecord {
    let bytes = match dice.roll(4) {
        0 => b"\xff\xfe not json".to_vec(),
        1 => br#"{"kind":"like","event_id":"#.to_vec(),
        2 => br#"{"kind":"wink","event_id":"01903a5e-7b7c-7000-8000-000000000001","event_time":"2026-11-01T00:00:00Z"}"#.to_vec(),
        _ => br#"{"kind":"like","event_id":"01903a5e-7b7c-7000-8000-000000000001","event_time":"2026-11-01T00:00:00Z","actor_id":"1","target_id":"1"}"#.to_vec(),
    };
    OutRecord::new(Topic::Inbox.name(), dice.roll(100).to_string(), Some(bytes))
}

/// An event log and the folders of the jobs.
pub(crate) struct Town {
    pub(crate) bus: Bus,
    pub(crate) dir: tempfile::TempDir,
    /// Whether jobs that fail are started again.
    pub(crate) supervised: bool,
    log: Option<EmbeddedBroker>,
}

impl Town {
    pub(crate) async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedBroker::start(BrokerConfig::new(dir.path().join("log"))).await.unwrap();
        let bus = Bus::new(BusConfig { brokers: log.bootstrap(), partitions: 3, ..BusConfig::default() }).unwrap();
        bus.ensure_topics().await.unwrap();
        Self { bus, dir, supervised: false, log: Some(log) }
    }

    /// A look at an event log that runs elsewhere.
    pub(crate) fn look(bus: Bus) -> Self {
        Self { bus, dir: tempfile::tempdir().unwrap(), supervised: false, log: None }
    }

    /// Stops the event log and starts it again at the same address after a while.
    pub(crate) async fn restart_log(&mut self, rest: Duration) {
        let log = self.log.take().unwrap();
        let listen = log.bootstrap().parse().unwrap();
        log.shutdown().await;
        tokio::time::sleep(rest).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        self.log = loop {
            match EmbeddedBroker::start(BrokerConfig { listen, ..BrokerConfig::new(self.dir.path().join("log")) }).await {
                Ok(log) => break Some(log),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
    }

    pub(crate) fn lake(&self) -> String {
        self.dir.path().join("lake").to_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> SnapshotStore {
        SnapshotStore::open(self.dir.path().join("state").to_str().unwrap()).unwrap()
    }

    pub(crate) async fn report(&self, records: Vec<OutRecord>) {
        self.bus.producer().unwrap().send_all(records).await.unwrap();
    }

    pub(crate) fn gate(&self) -> Job {
        let (bus, state) = (self.bus.clone(), self.state());
        let config = GateConfig { snapshot_s: 1, ..GateConfig::default() };
        Job::start("gate", self.supervised, move |context| Gate::new(bus.clone(), &state, config.clone()).run(context))
    }

    pub(crate) fn features(&self, sets: Vec<FeatureSet>) -> Job {
        let (bus, state) = (self.bus.clone(), self.state());
        let config = RunnerConfig { batch: 500, checkpoint_ms: 150, ..RunnerConfig::default() };
        let runner = move || FeatureRunner::new(bus.clone(), &state, config.clone()).with_sets(sets.clone());
        Job::start("features", self.supervised, move |context| runner().run(context))
    }

    pub(crate) fn lake_writer(&self) -> Job {
        let (bus, place) = (self.bus.clone(), self.lake());
        let config = LakeConfig { flush_s: 0.3, ..LakeConfig::default() };
        Job::start("lake", self.supervised, move |context| LakeWriter::new(bus.clone(), &place, config.clone()).run(context))
    }

    /// How many members of a group have joined and been given their share.
    pub(crate) fn members(&self, group: &str) -> usize {
        let asking: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &self.bus.config().brokers).create().unwrap();
        let found = asking.fetch_group_list(Some(group), Duration::from_secs(10)).unwrap();
        found.groups().iter().filter(|g| g.state() == "Stable").map(|g| g.members().len()).sum()
    }

    /// Every record of a topic that is there now, as a reader of committed records sees it.
    pub(crate) async fn read(&self, topic: &str) -> Vec<Record> {
        let topics = [topic.to_owned()];
        let begin = self.bus.beginning_offsets(&topics).await.unwrap();
        if begin == self.bus.end_offsets(&topics).await.unwrap() {
            return Vec::new();
        }
        let mut reader = self.bus.reader("test-look", &topics, &begin).await.unwrap();
        let mut all = Vec::new();
        while !reader.caught_up() {
            let batch = reader.batch(100_000, Duration::from_millis(20));
            if let Ok(batch) = tokio::time::timeout(Duration::from_millis(50), batch).await {
                all.extend(batch.unwrap());
            }
        }
        all
    }

    /// The rows of a feature set as a reader keeps them: for each key the one that supersedes all others.
    pub(crate) async fn rows(&self, set: &FeatureSet) -> BTreeMap<String, FeatureRow> {
        let mut rows: BTreeMap<String, FeatureRow> = BTreeMap::new();
        for record in self.read(&set.topic()).await {
            let row = FeatureRow::decode(set, record.value.as_deref().unwrap()).unwrap();
            if rows.get(&row.record_key()).is_none_or(|old| row.supersedes(old)) {
                rows.insert(row.record_key(), row);
            }
        }
        rows
    }

    /// The rows of a feature set as a computation over the lake gives them.
    pub(crate) async fn over_the_lake(&self, set: &FeatureSet) -> BTreeMap<String, FeatureRow> {
        batch_features(&self.lake(), set).await.unwrap().into_iter().map(|row| (row.record_key(), row)).collect()
    }

    /// Every feature set over the lake, as soon as the stream has counted as much. After a kill or a rest of the log a job owns its state
    /// again some seconds later, and catches up from there; whoever ends it before would compare half of it.
    pub(crate) async fn caught_up(&self) -> Vec<(&'static FeatureSet, BTreeMap<String, FeatureRow>)> {
        let mut batches = Vec::new();
        for set in feature_sets() {
            batches.push((set, self.over_the_lake(set).await));
        }
        until(|| async {
            for (set, batch) in &batches {
                let (stream, batch) = (counted(&self.rows(set).await), counted(batch));
                if stream < batch {
                    return Err(format!("{stream} of {batch} events in {}", set.name));
                }
            }
            Ok(())
        })
        .await;
        batches
    }

    /// Number of rows of a table of the lake.
    pub(crate) async fn count(&self, table: &str) -> usize {
        let session = pipelines::query::session(&self.lake()).await.unwrap();
        // A file may be replaced between listing and reading while the writer runs.
        let Ok(rows) = session.table(table).await.unwrap().count().await else { return 0 };
        rows
    }
}

/// A job that runs until it is killed or asked to end.
pub(crate) struct Job {
    pub(crate) context: JobContext,
    pub(crate) name: &'static str,
    task: JoinHandle<Result<(), JobError>>,
}

impl Job {
    pub(crate) fn start<F, Fut>(name: &'static str, supervised: bool, run: F) -> Self
    where
        F: Fn(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let context = JobContext::alone(name, Utc::now);
        let given = context.clone();
        let task = tokio::spawn(async move {
            loop {
                let result = run(given.clone()).await;
                if let Err(error) = &result {
                    println!("{name} ended: {error}");
                }
                if !supervised || result.is_ok() {
                    return result;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { context, name, task }
    }

    /// Ends it where it stands, as a crash would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        match self.task.await {
            Ok(result) => panic!("{} had ended by itself: {result:?}", self.name),
            Err(error) => assert!(error.is_cancelled(), "{}: {error}", self.name),
        }
    }

    /// Asks it to end and waits.
    pub(crate) async fn end(self) {
        self.context.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Waits until it ends by itself, and says why.
    pub(crate) async fn failure(self) -> String {
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("it fails soon").unwrap().unwrap_err().to_string()
    }
}

/// Waits until `look` is content, at most a minute.
pub(crate) async fn until<Fut: Future<Output = Result<(), String>>>(look: impl Fn() -> Fut) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(reason) = look().await {
        assert!(Instant::now() < deadline, "still not: {reason}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many events the rows have counted in all.
pub(crate) fn counted(rows: &BTreeMap<String, FeatureRow>) -> i64 {
    rows.values().map(|row| row.version).sum()
}

pub(crate) fn same(what: &str, one: &BTreeMap<String, FeatureRow>, other: &BTreeMap<String, FeatureRow>) {
    let keys = |rows: &BTreeMap<String, FeatureRow>| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(one), keys(other), "{what}");
    for (key, row) in one {
        assert_eq!(row.version, other[key].version, "{what} {key}");
        for (name, value) in &row.values {
            let there = other[key].values[name];
            assert!((value - there).abs() <= 1e-9 * value.abs().max(1.0), "{what} {key}.{name}: {value} and {there}");
        }
    }
}
