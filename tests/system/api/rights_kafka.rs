//! An erasure on a real Apache Kafka, which has no call that takes out single records.

use std::collections::BTreeMap;
use std::time::Duration;

use features::row::FeatureRow;
use features::sets::{feature_set, feature_sets};
use features::topic::{Cleanup, Topic};
use pipelines::bus::{Bus, BusConfig, Offsets};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use tests::{TestApp, person};

use super::rights::{Traces, WORDS, in_lake, quick};
use crate::conformance::brokers::Process;

const HER: u64 = 7_790_000_000_000_000_007;
const PARTITIONS: i32 = 2;

/// Every topic, and whether it is compacted.
fn topics() -> Vec<(String, bool)> {
    let fixed = Topic::ALL.iter().map(|topic| (topic.name().to_owned(), topic.cleanup() == Cleanup::Compact));
    fixed.chain(feature_sets().iter().map(|set| (set.topic(), true))).collect()
}

/// Makes the topics before the platform does, so that Kafka cleans up within seconds what it cleans up within days otherwise. Tombstones stay a day.
async fn made_for_haste(brokers: &str) {
    let topics = topics();
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, compacted)| {
            NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))
                .set("cleanup.policy", if *compacted { "compact" } else { "delete" })
                .set("retention.ms", "-1")
                .set("max.message.bytes", "4194304")
                .set("segment.ms", "1000")
                .set("min.cleanable.dirty.ratio", "0.01")
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    assert!(admin.create_topics(&new, &options).await.unwrap().iter().all(Result::is_ok));
}

/// Kafka closes a segment when something comes after its time, and touches only what is closed.
async fn close_segments(brokers: &str) {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for (topic, _) in topics() {
        for partition in 0..PARTITIONS {
            let record = FutureRecord::to(&topic).partition(partition).key("the end").payload("{}");
            producer.send(record, Duration::from_secs(20)).await.unwrap();
        }
    }
}

struct Log {
    bus: Bus,
}

/// Records by topic and key; without a value: tombstones.
type Newest = BTreeMap<(String, Vec<u8>), Option<Vec<u8>>>;

impl Log {
    fn look(brokers: &str) -> Self {
        Self { bus: Bus::new(BusConfig { brokers: brokers.to_owned(), ..BusConfig::default() }).unwrap() }
    }

    /// The newest record of every key of compacted topics, and how many records of others have traces in them.
    async fn read(&self, traces: &Traces) -> (Newest, BTreeMap<String, usize>) {
        let (mut newest, mut found) = (Newest::new(), BTreeMap::new());
        let compacted: BTreeMap<String, bool> = topics().into_iter().collect();
        let all = self.bus.sweep("test", &compacted.keys().cloned().collect::<Vec<_>>(), &Offsets::default()).await.unwrap();
        all.each(|record| {
            let (key, value) = (record.key.clone().unwrap_or_default(), record.value.clone());
            if compacted[&*record.topic] {
                newest.insert((record.topic.to_string(), key), value);
            } else if !traces.within(&[key, value.unwrap_or_default()].concat()).is_empty() {
                *found.entry(record.topic.to_string()).or_default() += 1;
            }
        })
        .await
        .unwrap();
        (newest, found)
    }

    /// How many records of compacted topics that are not the newest, or are, have traces in their values.
    async fn values_with(&self, traces: &Traces) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let all =
            self.bus.sweep("test", &topics().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), &Offsets::default()).await.unwrap();
        all.each(|record| {
            if record.value.as_ref().is_some_and(|value| !traces.within(value).is_empty()) {
                *found.entry(record.topic.to_string()).or_default() += 1;
            }
        })
        .await
        .unwrap();
        found
    }

    /// Feature rows of everybody else, as they are on the wire.
    async fn features_of_others(&self, traces: &Traces) -> Newest {
        let hers = |key: &[u8]| !traces.within(key).is_empty();
        let newest = self.read(traces).await.0;
        newest.into_iter().filter(|((topic, key), _)| topic.starts_with("features.") && !hers(key)).collect()
    }

    /// How many events went into a row.
    async fn version(&self, set: &str, key: &str, traces: &Traces) -> i64 {
        let set = feature_set(set).unwrap();
        let newest = self.read(traces).await.0;
        let row = newest.get(&(set.topic(), key.as_bytes().to_vec())).and_then(Option::as_ref);
        row.map_or(0, |row| FeatureRow::decode(set, row).unwrap().version)
    }
}

/// Four people, one of whom has to do with all others.
async fn four_people(app: &TestApp) {
    let mut her = person(WORDS[0], "female", "male");
    her["bio"] = format!("{} {}", WORDS[1], WORDS[2]).into();
    app.with_user(HER, &her).await;
    for (id, name, gender, wants) in [(2, "Bob", "male", "female"), (3, "Eve", "female", "male"), (4, "Dan", "male", "female")] {
        app.with_user(id, &person(name, gender, wants)).await;
    }
    for text in [WORDS[3], WORDS[4]] {
        app.post(
            "/v1/moments",
            &json!({"author_id": HER.to_string(), "title": text, "text": format!("{text} 周末排练"), "tags": ["钟琴"]}),
        )
        .await
        .expect(201);
    }
    let bobs = app.post("/v1/moments", &json!({"author_id": "2", "text": "在海边 by the sea"})).await.expect(201)["moment_id"].clone();
    let comment = json!({"kind": "comment", "actor_id": HER.to_string(), "target_id": "2", "moment_id": bobs, "text": WORDS[5]});
    assert_eq!(app.post("/v1/interactions", &json!({"items": [comment]})).await.expect(200)["accepted"], 1);
    for (kind, actor, target) in [("like", HER, 2), ("like", 2, HER), ("profile_view", 4, HER), ("like", 3, 2), ("like", 3, 4)] {
        app.interact(kind, actor, target).await;
    }
    for user in [HER, 3] {
        app.post("/v1/presence", &json!({"items": [{"kind": "app_open", "user_id": user.to_string()}]})).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_on_apache_kafka_leaves_nothing_to_read_and_takes_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Process::apache(folder.path()).await else { return };
    made_for_haste(&kafka.brokers).await;
    let change = |config: &mut serving::config::Config| {
        config.kafka.brokers.clone_from(&kafka.brokers);
        config.gate.snapshot_s = 3_600;
        quick(config);
    };
    let app = TestApp::start_with(change).await;
    let (id, log) = (HER.to_string(), Log::look(&kafka.brokers));
    let traces = Traces::of(&id);
    four_people(&app).await;
    // Her own deck names her outside what is packed.
    app.recommend(HER, 10).await;
    app.until("she is shown", async || app.recommend(4, 10).await.to_string().contains(&id)).await;
    app.until("she is everywhere", async || {
        let (newest, found) = log.read(&traces).await;
        let tables = in_lake(app.folder(), &id, &traces).await;
        let keyed = |topic: &str| newest.iter().any(|((of, key), value)| of == topic && value.is_some() && !traces.within(key).is_empty());
        ["inbox", "moments", "interactions", "presence", "decks", "pages"].iter().all(|topic| found.contains_key(*topic))
            && ["profiles", "embeddings", "portraits", "features.popularity", "features.given", "features.moment_tags"]
                .into_iter()
                .all(keyed)
            && ["profiles", "moments", "interactions", "presence", "decks", "pages"].iter().all(|table| tables.contains_key(*table))
    })
    .await;
    // Until nothing more comes.
    let mut others = log.features_of_others(&traces).await;
    loop {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = log.features_of_others(&traces).await;
        if std::mem::replace(&mut others, now.clone()) == now {
            break;
        }
    }
    assert!(others.len() > 5, "{others:?}");
    assert!(log.values_with(&traces).await.len() > 8, "the search finds what is there");
    let asked = app.delete(&format!("/v1/users/{id}")).await.expect(202);
    let state = format!("/v1/erasures/{}", asked["erasure_id"].as_str().unwrap());
    app.until("it is done", async || app.get(&state).await.expect(200)["state"] == "done").await;
    let receipt = app.get(&state).await.expect(200);
    for part in ["inbox", "moments", "interactions", "presence", "embeddings"] {
        assert!(receipt["receipt"]["places"]["log"][part].as_u64() > Some(0), "{part}: {receipt}");
    }
    assert_eq!(receipt["receipt"]["people"], 1);

    // What a reader from the beginning finds.
    let (newest, found) = log.read(&traces).await;
    assert_eq!(found, BTreeMap::new(), "of topics that are not compacted");
    let of = |topic: &str| newest.iter().filter(|((name, _), _)| name == topic).map(|(_, value)| value.as_ref()).collect::<Vec<_>>();
    for (topic, _) in topics().iter().filter(|(_, compacted)| *compacted) {
        assert!(of(topic).into_iter().flatten().all(|value| traces.within(value).is_empty()), "{topic}");
        let tombs = of(topic).into_iter().filter(Option::is_none).count();
        let has = ["profiles", "portraits", "features.popularity", "features.given", "features.moment_tags"].contains(&topic.as_str());
        assert!(tombs >= if topic == "embeddings" { 3 } else { usize::from(has) }, "{topic}: {tombs} tombstones");
    }
    let begin = log.bus.beginning_offsets(&["inbox", "moments", "interactions", "presence"].map(str::to_owned)).await.unwrap();
    for topic in ["inbox", "moments", "interactions", "presence"] {
        assert!((0..PARTITIONS).any(|partition| begin.get(topic, partition) > Some(0)), "{topic}: the beginning has moved: {begin:?}");
    }
    assert_eq!(in_lake(app.folder(), &id, &traces).await, BTreeMap::new());
    assert_eq!(log.features_of_others(&traces).await, others, "features of others are what they were");
    // Ids of what was deleted can be read in no topic any more.
    assert!(app.folder().join("state/gate/ids").exists(), "the gate has saved what it knows");
    go_on(app, &log, &traces, change).await;

    // Once segments are closed and Kafka came to clean, older values of compacted topics are gone, too. Keys of tombstones stay for `delete.retention.ms`.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    close_segments(&kafka.brokers).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let values = log.values_with(&traces).await;
        if values.is_empty() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{values:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What comes later is read by everybody, once, also by a node that starts anew.
async fn go_on(app: TestApp, log: &Log, traces: &Traces, change: impl Fn(&mut serving::config::Config)) {
    let rows = async |app: &TestApp| {
        let session = pipelines::query::session(app.folder().join("lake").to_str().unwrap()).await.unwrap();
        let all = session.sql("SELECT COUNT(*) AS n FROM interactions WHERE actor_id = '4'").await.unwrap().collect().await;
        all.map_or_else(|_| String::new(), |rows| format!("{:?}", rows[0].column(0)))
    };
    let (before, in_lake_before) = (log.version("popularity", "3", traces).await, rows(&app).await);
    app.interact("like", 4, 3).await;
    let later = json!({"author_id": "2", "text": "xylophone workshop 木琴"});
    app.post("/v1/moments", &later).await.expect(201);
    let found = async |app: &TestApp| app.get("/v1/search?q=xylophone").await.expect(200).to_string().contains("<b>xylophone</b>");
    app.until("later events are counted, kept and found", async || {
        log.version("popularity", "3", traces).await == before + 1 && rows(&app).await != in_lake_before && found(&app).await
    })
    .await;
    let app = TestApp::start_in(app.stop().await, change).await;
    assert_eq!(app.get("/v1/jobs").await.json()["people"], 3);
    app.interact("profile_view", 2, 3).await;
    app.until("an event after a start is counted", async || log.version("popularity", "3", traces).await > before + 1).await;
    assert_eq!(log.version("popularity", "3", traces).await, before + 2, "and none twice");
    assert!(found(&app).await);
    let _: Value = app.get("/v1/users/3").await.expect(200);
    app.stop().await;
}
