//! Several processes of one job: those with state take turns, those without share the work, and every serving node has its own indexes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use features::embed::{HashingEncoder, TextEncoder};
use features::event::{Event, MomentKind};
use features::sets::feature_sets;
use features::topic::Topic;
use index::hot::HotPool;
use index::table::PortraitTable;
use index::text::TextIndex;
use index::vectors::{Collection, EdgeVectors};
use pipelines::assembler::{Assembler, AssemblerConfig};
use pipelines::embedder::{Embedder, EmbedderConfig};
use pipelines::indexer::{Indexer, IndexerConfig, Indexes};
use pipelines::supervisor::JobState;

use super::town::{Dice, Job, Town, events, reported, same, until};

async fn in_state(job: &Job, state: JobState) {
    until(|| async {
        let health = job.context.progress.health();
        if health.state == state { Ok(()) } else { Err(format!("{} is {:?}, not {state:?}", job.name, health.state)) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_own_state_one_works_and_the_other_takes_over() {
    let mut dice = Dice::thrown("owners");
    let town = Town::begin().await;
    let start = |town: &Town| [town.gate(), town.features(feature_sets().to_vec()), town.lake_writer()];
    let first = start(&town);
    for job in &first {
        in_state(job, JobState::Running).await;
    }
    let second = start(&town);
    let events = events(&mut dice, 1_500);
    town.report(events[..700].iter().map(reported).collect()).await;
    until(|| async { if town.count("interactions").await > 0 { Ok(()) } else { Err("a first flush".to_owned()) } }).await;
    for (worker, waiting) in first.iter().zip(&second) {
        assert_eq!(worker.context.progress.health().state, JobState::Running, "{} is not disturbed", worker.name);
        assert_eq!(waiting.context.progress.health().state, JobState::StandingBy, "{} waits", waiting.name);
    }
    town.report(events[700..].iter().map(reported).collect()).await;
    tokio::time::sleep(Duration::from_millis(dice.roll(500))).await;
    for job in first {
        job.kill().await;
    }
    for job in &second {
        in_state(job, JobState::Running).await;
    }
    for topic in Topic::FILED {
        let expected = events.iter().filter(|e| e.topic() == topic).count();
        until(|| async {
            let there = town.count(topic.name()).await;
            if there == expected { Ok(()) } else { Err(format!("{there} of {expected} rows of {}", topic.name())) }
        })
        .await;
        assert_eq!(town.read(topic.name()).await.len(), expected, "{}", topic.name());
    }
    let batches = town.caught_up().await;
    for job in second {
        job.end().await;
    }
    for (set, batch) in batches {
        same(&set.name, &town.rows(set).await, &batch);
    }
}

fn embedder(town: &Town) -> Job {
    let bus = town.bus.clone();
    let config = EmbedderConfig { batch: 16, ..EmbedderConfig::default() };
    let encoder = Arc::new(HashingEncoder::new(32));
    Job::start("embedder", town.supervised, move |context| {
        Embedder::new(bus.clone(), Arc::clone(&encoder) as _, config.clone()).run(context)
    })
}

/// How often each published Moment was embedded.
async fn embedded(town: &Town) -> BTreeMap<Vec<u8>, usize> {
    let mut times = BTreeMap::new();
    for record in town.read(Topic::Embeddings.name()).await.into_iter().filter(|r| r.value.is_some()) {
        *times.entry(record.key.unwrap()).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_embedders_share_the_work_and_one_goes_on_alone() {
    let mut dice = Dice::thrown("embedders");
    let town = Town::begin().await;
    let gate = town.gate();
    let (one, other) = (embedder(&town), embedder(&town));
    let moments: Vec<Event> = events(&mut dice, 3_000).into_iter().filter(|e| matches!(e, Event::Moment(_))).collect();
    let published = |of: &[Event]| of.iter().filter(|e| matches!(e, Event::Moment(m) if m.kind == MomentKind::Published)).count();
    // Until both have their share: a rebalance in the middle repeats what was not committed.
    until(|| async {
        let members = town.members("embedder");
        if members == 2 { Ok(()) } else { Err(format!("{members} members")) }
    })
    .await;
    let half = moments.len() / 2;
    town.report(moments[..half].iter().map(reported).collect()).await;
    until(|| async {
        let there = embedded(&town).await.len();
        if there == published(&moments[..half]) { Ok(()) } else { Err(format!("{there} embedded")) }
    })
    .await;
    assert!(embedded(&town).await.values().all(|times| *times == 1), "nothing is done by both");
    let worked = [&one, &other].map(|job| job.context.progress.processed());
    assert!(worked.iter().all(|n| *n > 0), "both work: {worked:?}");
    one.kill().await;
    town.report(moments[half..].iter().map(reported).collect()).await;
    until(|| async {
        let there = embedded(&town).await.len();
        if there == published(&moments) { Ok(()) } else { Err(format!("{there} of {} embedded", published(&moments))) }
    })
    .await;
    other.end().await;
    gate.end().await;
}

/// A serving node's indexes in a folder of their own.
struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn start(&self, town: &Town) -> (Job, Indexes) {
        let path = |name: &str| self.folder.path().join(name);
        let encoder = HashingEncoder::new(32);
        std::fs::create_dir_all(path("vectors")).unwrap();
        let indexes = Indexes {
            table: Arc::new(PortraitTable::default()),
            vectors: Arc::new(EdgeVectors::open(&path("vectors"), 32, encoder.name()).unwrap()),
            text: Arc::new(TextIndex::open(&path("text")).unwrap()),
            hot: Arc::new(HotPool::default()),
            model: encoder.name().to_owned(),
            dim: 32,
            snapshot: path("portraits.table"),
            offsets: path("indexer.offsets"),
            node: pipelines::snapshots::SnapshotStore::open(self.folder.path().join("node").to_str().unwrap()).unwrap(),
        };
        let (bus, given) = (town.bus.clone(), indexes.clone());
        let config = IndexerConfig { flush_ms: 50, ..IndexerConfig::default() };
        let job = Job::start("indexer", false, move |context| {
            Indexer::new(bus.clone(), given.clone(), config.clone(), tokio::sync::watch::channel(false).0).run(context)
        });
        (job, indexes)
    }
}

async fn holds(indexes: &Indexes, moments: usize) {
    until(|| async {
        let (texts, vectors) = (indexes.text.len(), indexes.vectors.len(Collection::Moments).await.unwrap());
        // Without vectors of people an index counts as lost, and is read anew from the beginning.
        let people = indexes.vectors.len(Collection::Users).await.unwrap();
        if vectors == moments as u64 && texts >= moments as u64 && people > 0 {
            Ok(())
        } else {
            Err(format!("{texts} texts and {vectors} vectors of {moments} Moments, vectors of {people} people"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_misses_nothing_that_another_one_saw() {
    let mut dice = Dice::thrown("nodes");
    let town = Town::begin().await;
    let assembler = {
        let (bus, state) = (town.bus.clone(), town.state());
        let config = AssemblerConfig::default();
        Job::start("assembler", false, move |context| Assembler::new(bus.clone(), &state, config.clone()).run(context))
    };
    let (gate, embedder) = (town.gate(), embedder(&town));
    let profile = |id: u64| {
        let profile = serde_json::json!({"nickname": format!("person {id}"), "gender": "female", "birth_date": "1999-02-03",
            "created_at": "2026-01-01T00:00:00Z", "bio": "爬山 and coffee"});
        Event::Profile(features::event::ProfileEvent {
            event_id: features::ids::derived_event_id(&["node", &id.to_string()]),
            event_time: "2026-10-01T00:00:00Z".parse().unwrap(),
            kind: features::event::ProfileKind::Updated,
            request_id: None,
            user_id: features::ids::UserId(id),
            profile: Some(serde_json::from_value(profile).unwrap()),
        })
    };
    town.report((1..=60).map(|id| reported(&profile(id))).collect()).await;
    let published = |e: &Event| matches!(e, Event::Moment(m) if m.kind == MomentKind::Published);
    let moments: Vec<Event> = events(&mut dice, 900).into_iter().filter(published).collect();
    let half = moments.len() / 2;
    let (here, there) = (Node { folder: tempfile::tempdir().unwrap() }, Node { folder: tempfile::tempdir().unwrap() });
    let ((first, first_indexes), (second, second_indexes)) = (here.start(&town), there.start(&town));
    town.report(moments[..half].iter().map(reported).collect()).await;
    holds(&first_indexes, half).await;
    holds(&second_indexes, half).await;
    first.end().await;
    drop(first_indexes);
    town.report(moments[half..].iter().map(reported).collect()).await;
    holds(&second_indexes, moments.len()).await;
    second.end().await;
    let (first, first_indexes) = here.start(&town);
    holds(&first_indexes, moments.len()).await;
    for job in [first, assembler, embedder, gate] {
        job.end().await;
    }
}
