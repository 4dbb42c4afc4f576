use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use features::sets::{FeatureSet, feature_set, feature_sets};
use pipelines::arroyo::{PipelineName, Rendered, Surroundings};
use pipelines::broker::{BrokerConfig, EmbeddedBroker};
use pipelines::bus::{Bus, BusConfig, Offsets, OutRecord};
use pipelines::generations;
use serde_json::{Value, json};

use super::plan::plan;
use super::*;

/// A pipeline as the other side knows it.
#[derive(Clone)]
struct There {
    id: String,
    name: String,
    query: String,
    parallelism: u64,
    interval: u64,
    stop: String,
    state: &'static str,
    run_id: u64,
}

/// What the other side does.
#[derive(Default)]
struct World {
    pipelines: Vec<There>,
    /// The line and message that the planner refuses every query with that has this text.
    rejects: Option<(String, Value)>,
    /// Jobs whose pipeline has this in its name fail.
    fails: Option<String>,
    /// Jobs that do not stop with a checkpoint.
    stuck: bool,
    broken: bool,
    epoch: u64,
    asked: Vec<String>,
}

impl World {
    /// What happens to a job from one look at it to the next, as on a cluster.
    fn goes_on(&mut self, id: &str) {
        let (fails, stuck) = (self.fails.clone(), self.stuck);
        let Some(p) = self.pipelines.iter_mut().find(|p| p.id == id) else { return };
        let doomed = fails.is_some_and(|word| p.name.contains(&word));
        p.state = match (p.state, p.stop.as_str()) {
            ("Created", "none") => "Compiling",
            ("Compiling", "none") => "Scheduling",
            ("Scheduling", "none") if doomed => "Failed",
            ("Scheduling", "none") => {
                p.run_id += 1;
                "Running"
            }
            ("Running", "checkpoint") => "CheckpointStopping",
            ("CheckpointStopping", "checkpoint") if stuck => "CheckpointStopping",
            ("CheckpointStopping" | "Running", _) if p.stop != "none" => "Stopped",
            ("Stopped", "none") => "Scheduling",
            (state, _) => state,
        };
    }
}

type Shared = Arc<Mutex<World>>;

fn shown(p: &There) -> Value {
    json!({
        "id": p.id, "name": p.name, "query": p.query, "udfs": [], "checkpoint_interval_micros": p.interval, "stop": p.stop, "created_at": 1,
        "action": null, "action_text": "Stop", "action_in_progress": false, "preview": false, "state_url": null, "tags": {},
        "graph": {"nodes": [{"node_id": 0, "operator": "x", "description": "x", "parallelism": p.parallelism}], "edges": []}
    })
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({"error": message}))).into_response()
}

async fn validate(State(world): State<Shared>, axum::Json(body): axum::Json<Value>) -> Response {
    let world = world.lock().unwrap();
    let query = body["query"].as_str().unwrap();
    let errors = world.rejects.iter().filter(|(word, _)| query.contains(word)).map(|(_, error)| error.clone()).collect::<Vec<_>>();
    axum::Json(json!({"graph": null, "errors": errors})).into_response()
}

async fn create(State(world): State<Shared>, axum::Json(body): axum::Json<Value>) -> Response {
    let mut world = world.lock().unwrap();
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    let id = format!("pl_{}", world.asked.len());
    world.asked.push(format!("create {}", text("name")));
    let made = There {
        id,
        name: text("name"),
        query: text("query"),
        parallelism: body["parallelism"].as_u64().unwrap(),
        interval: body["checkpoint_interval_micros"].as_u64().unwrap(),
        stop: "none".to_owned(),
        state: "Created",
        run_id: 0,
    };
    world.pipelines.push(made.clone());
    axum::Json(shown(&made)).into_response()
}

/// Pages of three, newest first, as they come.
async fn list(State(world): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let world = world.lock().unwrap();
    if world.broken {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong");
    }
    let all: Vec<&There> = world.pipelines.iter().rev().collect();
    let from = query.get("starting_after").map_or(0, |id| 1 + all.iter().position(|p| p.id == *id).unwrap());
    let page: Vec<Value> = all.iter().skip(from).take(3).map(|p| shown(p)).collect();
    axum::Json(json!({"hasMore": from + 3 < all.len(), "data": page})).into_response()
}

async fn patch(State(world): State<Shared>, Path(id): Path<String>, axum::Json(body): axum::Json<Value>) -> Response {
    let mut world = world.lock().unwrap();
    let Some(p) = world.pipelines.iter_mut().find(|p| p.id == id) else { return refused(StatusCode::NOT_FOUND, "Pipeline not found") };
    if let Some(stop) = body["stop"].as_str() {
        p.stop = stop.to_owned();
    }
    p.parallelism = body["parallelism"].as_u64().unwrap_or(p.parallelism);
    p.interval = body["checkpoint_interval_micros"].as_u64().unwrap_or(p.interval);
    let (told, answer) = (format!("patch {} {body}", p.name), shown(p));
    world.asked.push(told);
    axum::Json(answer).into_response()
}

async fn restart(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock().unwrap();
    let p = world.pipelines.iter_mut().find(|p| p.id == id).unwrap();
    p.state = "Scheduling";
    let answer = shown(p);
    axum::Json(answer).into_response()
}

async fn remove(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock().unwrap();
    let at = world.pipelines.iter().position(|p| p.id == id).unwrap();
    if !matches!(world.pipelines[at].state, "Stopped" | "Failed" | "Finished") {
        return refused(StatusCode::BAD_REQUEST, "Pipeline's jobs must be in a terminal state");
    }
    let gone = world.pipelines.remove(at);
    world.asked.push(format!("delete {}", gone.name));
    StatusCode::OK.into_response()
}

async fn jobs(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock().unwrap();
    world.goes_on(&id);
    let p = world.pipelines.iter().find(|p| p.id == id).unwrap();
    let failure = (p.state == "Failed").then(|| json!({"error": "worker ran out of room", "domain": "internal"}));
    let job = json!({
        "id": format!("job_{id}"), "pipeline_id": id, "running_desired": p.stop == "none", "state": p.state, "run_id": p.run_id,
        "start_time": 1_790_000_000_000_000_u64, "finish_time": null, "tasks": 4, "failure_reason": failure, "created_at": 1,
        "scheduler_config": {}, "env_vars": {}
    });
    axum::Json(json!({"data": [job]})).into_response()
}

/// One more with every look; the newest is still under way.
async fn checkpoints(State(world): State<Shared>) -> Response {
    let mut world = world.lock().unwrap();
    world.epoch += 1;
    let one = |epoch: u64| json!({"epoch": epoch, "backend": "parquet", "checkpoint_type": "scheduled", "start_time": 1, "finish_time": (epoch < world.epoch).then_some(2), "events": []});
    axum::Json(json!({"data": (1..=world.epoch).map(one).collect::<Vec<_>>()})).into_response()
}

/// A server that answers as Arroyo's API does.
async fn cluster() -> (String, Shared) {
    let world = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/api/v1/pipelines/validate_query", post(validate))
        .route("/api/v1/pipelines", post(create).get(list))
        .route("/api/v1/pipelines/{id}", axum::routing::patch(patch).delete(remove))
        .route("/api/v1/pipelines/{id}/restart", post(restart))
        .route("/api/v1/pipelines/{id}/jobs", get(jobs))
        .route("/api/v1/pipelines/{id}/jobs/{job}/checkpoints", get(checkpoints))
        .with_state(Arc::clone(&world));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, world)
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Tell for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn progress(&self, what: &str, done: u64, all: u64) {
        self.0.lock().unwrap().push(format!("{what} {done}/{all}"));
    }
}

fn quick(patience_ms: u64) -> Settings {
    Settings { patience: Duration::from_millis(patience_ms), look: Duration::from_millis(5), ..Settings::default() }
}

fn operator<'a>(url: &str, tell: &'a Lines) -> Operator<'a> {
    Operator { client: Client::new(url, None).unwrap(), settings: quick(20_000), tell }
}

/// An event log with some interactions, of which a transaction's marker is the last record of its partition.
async fn event_log() -> (tempfile::TempDir, EmbeddedBroker, Bus, Surroundings) {
    let dir = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(BrokerConfig::new(dir.path().join("log"))).await.unwrap();
    let bus = Bus::new(BusConfig { brokers: broker.bootstrap(), partitions: 2, ..BusConfig::default() }).unwrap();
    bus.ensure_topics().await.unwrap();
    let around = Surroundings { bootstrap: broker.bootstrap(), properties: BTreeMap::new() };
    let record = |n: u32| OutRecord::new("interactions", n.to_string(), Some(format!("{{\"n\":{n}}}").into_bytes()));
    bus.producer().unwrap().send_all((0..40).map(record).collect()).await.unwrap();
    let reader = bus.reader("a-gate", &["inbox".to_owned()], &Offsets::default()).await.unwrap();
    let mut read = Offsets::default();
    read.set("inbox", 0, 0);
    bus.transactional("a-gate").await.unwrap().write(vec![record(1), record(2)], &read, &reader).await.unwrap();
    (dir, broker, bus, around)
}

/// Does what a source of Arroyo does: reads its topic to the end and tells its group the offset of the last record of every partition.
async fn reads_to_the_end(bus: &Bus, set: &FeatureSet, group: &str) {
    let topic = set.source.name().to_owned();
    let mut last = Offsets::default();
    let there = bus.sweep("test", std::slice::from_ref(&topic), &Offsets::default()).await.unwrap();
    there.each(|record| last.advance(&topic, record.partition, record.offset)).await.unwrap();
    let topics = [topic];
    let reader = bus.reader(group, &topics, &bus.beginning_offsets(&topics).await.unwrap()).await.unwrap();
    reader.commit(&last).await.unwrap();
}

fn two() -> Vec<&'static FeatureSet> {
    vec![feature_set("given").unwrap(), feature_set("popularity").unwrap()]
}

fn names(world: &Shared) -> Vec<String> {
    world.lock().unwrap().pipelines.iter().map(|p| p.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lacks_is_made_once_and_what_changes_takes_over_when_it_has_caught_up() {
    let (_dir, _broker, bus, around) = event_log().await;
    let (url, world) = cluster().await;
    let lines = Lines::default();
    let operator = operator(&url, &lines);
    let source = Source { bus: &bus, around: &around };
    let made = operator.deploy(&two(), &source).await.unwrap();
    assert!(made.iter().all(|o| o.action == Action::Create && o.state == "Running" && o.generation == 1), "{made:?}");
    let rendered = Rendered::new(feature_set("given").unwrap(), 1, &around).unwrap();
    let sent = world.lock().unwrap().pipelines[0].clone();
    assert_eq!((&sent.name, &sent.query, sent.interval), (&rendered.name.to_string(), &rendered.sql, 10_000_000));
    // Again: nothing is asked but how things are.
    let asked = world.lock().unwrap().asked.len();
    let again = operator.deploy(&two(), &source).await.unwrap();
    assert!(again.iter().all(|o| o.action == Action::Keep), "{again:?}");
    assert_eq!(world.lock().unwrap().asked.len(), asked);
    // A text that differs, as after a change of the file.
    world.lock().unwrap().pipelines[0].name = "hongniang-given-g1-000000000000".to_owned();
    let (given, popularity) = (feature_set("given").unwrap(), two()[1]);
    let group = Rendered::new(given, 2, &around).unwrap().name.to_string();
    let reading = {
        let (bus, group, world) = (bus.clone(), group.clone(), Arc::clone(&world));
        tokio::spawn(async move {
            while world.lock().unwrap().pipelines.iter().all(|p| p.name != group || p.state != "Running") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(generations::announced(&bus).await.unwrap().of("given"), 1, "not before it has caught up");
            assert!(world.lock().unwrap().pipelines.iter().any(|p| p.name.ends_with("000000000000")), "and the old one works meanwhile");
            reads_to_the_end(&bus, given, &group).await;
        })
    };
    let replaced = operator.deploy(&two(), &source).await.unwrap();
    reading.await.unwrap();
    assert_eq!((replaced[0].action, replaced[0].generation, replaced[1].action), (Action::Replace, 2, Action::Keep), "{replaced:?}");
    assert_eq!(generations::announced(&bus).await.unwrap().of("given"), 2);
    assert_eq!(names(&world), [Rendered::new(popularity, 1, &around).unwrap().name.to_string(), group]);
    assert!(lines.0.lock().unwrap().iter().any(|l| l.ends_with(" 42/42") || l.contains("catches up")), "{:?}", lines.0.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_was_cut_off_is_finished_by_the_next() {
    let (_dir, _broker, bus, around) = event_log().await;
    let (url, world) = cluster().await;
    let lines = Lines::default();
    let mut operator = operator(&url, &lines);
    let source = Source { bus: &bus, around: &around };
    let given = [feature_set("given").unwrap()];
    operator.deploy(&given, &source).await.unwrap();
    world.lock().unwrap().pipelines[0].name = "hongniang-given-g1-000000000000".to_owned();
    operator.settings = quick(300);
    let late = operator.deploy(&given, &source).await.unwrap_err().to_string();
    assert!(late.contains("hongniang-given-g2-") && late.contains("--wait"), "{late}");
    assert_eq!(names(&world).len(), 2, "the old one stays");
    let group = names(&world)[1].clone();
    reads_to_the_end(&bus, given[0], &group).await;
    operator.settings = quick(20_000);
    let done = operator.deploy(&given, &source).await.unwrap();
    assert_eq!((done[0].action, done[0].generation), (Action::TakeOver, 2));
    assert_eq!(names(&world), [group]);
    assert_eq!(operator.deploy(&given, &source).await.unwrap()[0].action, Action::Keep);
    // Everything is lost on the cluster: the next generation still wins over rows and announcements that are there.
    world.lock().unwrap().pipelines.clear();
    let group = Rendered::new(given[0], 3, &around).unwrap().name.to_string();
    reads_to_the_end(&bus, given[0], &group).await;
    let group = Rendered::new(given[0], 4, &around).unwrap().name.to_string();
    let (reader, waits) = (bus.clone(), Arc::clone(&world));
    let reading = tokio::spawn(async move {
        while waits.lock().unwrap().pipelines.iter().all(|p| p.state != "Running") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        reads_to_the_end(&reader, feature_set("given").unwrap(), &group).await;
    });
    let anew = operator.deploy(&given, &source).await.unwrap();
    reading.await.unwrap();
    assert_eq!(anew[0].generation, 4, "Kafka remembers a group of generation 3, whose offsets say nothing about this pipeline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_starting_recycling_and_adjusting() {
    let (_dir, _broker, bus, around) = event_log().await;
    let (url, world) = cluster().await;
    let lines = Lines::default();
    let mut operator = operator(&url, &lines);
    let source = Source { bus: &bus, around: &around };
    operator.deploy(&two(), &source).await.unwrap();
    let recycled = operator.recycle(&[]).await.unwrap();
    assert!(recycled.iter().all(|k| k.job.as_ref().is_some_and(|job| job.run_id == 2 && job.runs())), "{recycled:?}");
    let warned = || lines.0.lock().unwrap().iter().filter(|line| line.contains("deploy --anew")).count();
    assert_eq!(warned(), 0, "of its first start a pipeline knows every partition");
    operator.recycle(&["given".to_owned()]).await.unwrap();
    assert_eq!(warned(), 1);
    let stopped = operator.stop(&["given".to_owned()], false).await.unwrap();
    assert_eq!((stopped.len(), stopped[0].state()), (1, "Stopped"));
    let left = operator.recycle(&["given".to_owned()]).await.unwrap();
    assert_eq!(left[0].state(), "Stopped", "what rests is left as it is");
    let started = operator.deploy(&two(), &source).await.unwrap();
    assert_eq!((started[0].action, started[0].state.as_str(), started[1].action), (Action::Start, "Running", Action::Keep));
    operator.settings.parallelism = 3;
    let steps = operator.diff(&two(), &source).await.unwrap();
    assert!(steps.iter().all(|s| s.action == Action::Adjust && s.reason == "parallelism 1 → 3"), "{steps:?}");
    operator.deploy(&two(), &source).await.unwrap();
    assert!(world.lock().unwrap().pipelines.iter().all(|p| p.parallelism == 3 && p.interval == 10_000_000));
    operator.settings.anew = true;
    let anew = operator.diff(&two(), &source).await.unwrap();
    assert!(anew.iter().all(|s| s.action == Action::Replace && s.goes.len() == 1 && s.reason.ends_with("counted anew")), "{anew:?}");
    operator.settings.anew = false;
    assert!(operator.diff(&two(), &source).await.unwrap().iter().all(|s| s.action == Action::Keep));
    // One that does not come to a checkpoint is stopped without.
    world.lock().unwrap().stuck = true;
    operator.settings.patience = Duration::from_millis(200);
    operator.stop(&[], true).await.unwrap();
    assert!(names(&world).is_empty());
    assert!(world.lock().unwrap().asked.iter().any(|a| a.contains("immediate")));
    let none = operator.stop(&["given".to_owned()], false).await.unwrap_err().to_string();
    assert!(none.contains("no pipeline of feature set `given`"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_planner_refuses_is_told_with_file_and_line_and_nothing_is_made() {
    let (_dir, _broker, bus, around) = event_log().await;
    let (url, world) = cluster().await;
    let lines = Lines::default();
    let operator = operator(&url, &lines);
    let source = Source { bus: &bus, around: &around };
    let rendered = Rendered::new(two()[1], 1, &around).unwrap();
    let line = rendered.sql.lines().position(|l| l.contains("COUNT(*) AS version")).unwrap() + 1;
    let file = include_str!("../../../features/sql/popularity.sql").lines().position(|l| l.contains("COUNT(*) AS version")).unwrap() + 1;
    for error in [
        json!({"message": "No field named x", "span": {"start": {"line": line, "column": 8}, "end": {"line": line, "column": 9}}}),
        json!({"message": format!("sql parser error: Expected: ), found: x at Line: {line}, Column: 8")}),
        json!(format!("sql parser error at Line: {line}, Column: 8")),
    ] {
        world.lock().unwrap().rejects = Some(("features.popularity".to_owned(), error));
        let refused = operator.deploy(&two(), &source).await.unwrap_err();
        assert!(matches!(&refused, ArroyoError::Rejected(all) if all.len() == 1), "{refused}");
        assert!(refused.to_string().contains(&format!("features/sql/popularity.sql:{file}:8: ")), "{refused}");
    }
    world.lock().unwrap().rejects = Some((
        "SET updating_ttl".to_owned(),
        json!({"message": "invalid option", "span": {"start": {"line": 2, "column": 1}, "end": {"line": 2, "column": 3}}}),
    ));
    let refused = operator.deploy(&two(), &source).await.unwrap_err().to_string();
    assert!(refused.contains("features/sql/given.sql: line 2, column 1 of `hongniang pipeline render`: invalid option"), "{refused}");
    assert!(names(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_is_told_with_its_reason_and_started_again_by_the_next() {
    let (_dir, _broker, bus, around) = event_log().await;
    let (url, world) = cluster().await;
    let lines = Lines::default();
    let operator = operator(&url, &lines);
    let source = Source { bus: &bus, around: &around };
    world.lock().unwrap().fails = Some("popularity".to_owned());
    let failed = operator.deploy(&two(), &source).await.unwrap_err().to_string();
    assert!(failed.contains("hongniang-popularity-g1-") && failed.contains("worker ran out of room"), "{failed}");
    world.lock().unwrap().fails = None;
    let done = operator.deploy(&two(), &source).await.unwrap();
    assert_eq!((done[0].action, done[1].action, done[1].generation), (Action::Keep, Action::Restart, 1));
}

#[tokio::test]
async fn who_does_not_answer_or_answers_otherwise_is_told_apart() {
    assert!(matches!(Client::new("127.0.0.1:5115", None), Err(ArroyoError::Address(_))));
    assert!(matches!(Client::new("ftp://arroyo", None), Err(ArroyoError::Address(_))));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = Client::new(&format!("http://{free}"), None).unwrap().known().await.unwrap_err();
    assert!(matches!(&closed, ArroyoError::Unreachable { .. }) && closed.to_string().contains("--arroyo"), "{closed}");
    let (url, world) = cluster().await;
    world.lock().unwrap().broken = true;
    let failing = Client::new(&format!("{url}/api/v1/"), None).unwrap().known().await.unwrap_err();
    assert!(matches!(&failing, ArroyoError::Failing { status: 500, message, .. } if message == "Something went wrong"), "{failing}");
    world.lock().unwrap().broken = false;
    let other = Router::new().fallback(|| async { "<html>another server</html>" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, other).await.unwrap() });
    let unreadable = Client::new(&elsewhere, None).unwrap().known().await.unwrap_err();
    assert!(matches!(&unreadable, ArroyoError::Unreadable { .. }), "{unreadable}");
    let guarded = Router::new().fallback(|headers: axum::http::HeaderMap| async move {
        match headers.get("authorization").and_then(|v| v.to_str().ok()) {
            Some("Bearer the-key") => axum::Json(json!({"hasMore": false, "data": []})).into_response(),
            _ => refused(StatusCode::UNAUTHORIZED, "Authentication failed"),
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guarded_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, guarded).await.unwrap() });
    let locked = Client::new(&guarded_url, None).unwrap().known().await.unwrap_err().to_string();
    assert!(locked.contains("HONGNIANG_ARROYO_KEY"), "{locked}");
    assert_eq!(Client::new(&guarded_url, Some("the-key".to_owned())).unwrap().known().await.unwrap(), []);
}

#[tokio::test]
async fn a_list_has_all_pages_and_only_ours() {
    let (url, world) = cluster().await;
    let there = |name: String, n: usize| There {
        id: format!("pl_{n}"),
        name,
        query: String::new(),
        parallelism: 1,
        interval: 10_000_000,
        stop: "none".to_owned(),
        state: "Running",
        run_id: 1,
    };
    let mut all: Vec<There> =
        feature_sets().iter().enumerate().map(|(n, set)| there(format!("hongniang-{}-g1-0123456789ab", set.name), n)).collect();
    all.push(there("somebody else's".to_owned(), 90));
    all.push(there("hongniang-notes".to_owned(), 91));
    world.lock().unwrap().pipelines = all;
    let known = Client::new(&url, None).unwrap().known().await.unwrap();
    let sets: Vec<&str> = known.iter().map(|k| k.name.set.as_str()).collect();
    assert_eq!(sets, feature_sets().iter().map(|s| s.name.as_str()).collect::<Vec<_>>());
}

#[test]
fn the_plan_tells_what_differs() {
    let name = |set: &str, generation, print: &str| PipelineName { set: set.to_owned(), generation, fingerprint: print.to_owned() };
    let job = |state: &str| {
        serde_json::from_value::<Job>(json!({"id": "j", "state": state, "failure_reason": (state == "Failed").then_some("no room")}))
            .unwrap()
    };
    let known = |name: PipelineName, state: &str| Known {
        name,
        id: "p".to_owned(),
        parallelism: 1,
        checkpoint_micros: 10_000_000,
        job: Some(job(state)),
    };
    let mut announced = features::generation::Generations::default();
    let one = |known: &[Known], announced: &features::generation::Generations| {
        let mut steps = plan(&[name("given", 1, "aaaaaaaaaaaa")], known, announced, &Settings::default(), false);
        assert_eq!(steps.len(), 1);
        steps.remove(0)
    };
    assert_eq!(one(&[], &announced).action, Action::Create);
    assert_eq!(one(&[known(name("popularity", 1, "aaaaaaaaaaaa"), "Running")], &announced).action, Action::Create);
    for (state, action) in
        [("Running", Action::Keep), ("Stopped", Action::Start), ("Failed", Action::Restart), ("Recovering", Action::Keep)]
    {
        assert_eq!(one(&[known(name("given", 1, "aaaaaaaaaaaa"), state)], &announced).action, action, "{state}");
    }
    let (old, new) = (known(name("given", 1, "bbbbbbbbbbbb"), "Running"), known(name("given", 2, "aaaaaaaaaaaa"), "Running"));
    assert_eq!(one(std::slice::from_ref(&old), &announced).action, Action::Replace);
    let cut_off = one(&[new.clone(), old.clone()], &announced);
    assert_eq!((cut_off.action, cut_off.goes.len()), (Action::TakeOver, 1));
    announced.announce("given", 2);
    assert_eq!(one(&[old.clone(), new.clone()], &announced).action, Action::TakeOver, "the old one is still there");
    assert_eq!(one(std::slice::from_ref(&new), &announced).action, Action::Keep);
    // Back to an earlier text: its state has stood still since, so it begins again, too.
    let back = known(name("given", 3, "bbbbbbbbbbbb"), "Running");
    let step = one(&[new, back], &announced);
    assert_eq!((step.action, step.goes.len()), (Action::Replace, 2));
    let all = plan(
        &[name("given", 1, "bbbbbbbbbbbb")],
        &[old, known(name("gone", 1, "cccccccccccc"), "Running")],
        &announced,
        &Settings::default(),
        true,
    );
    assert_eq!(all.iter().map(|s| s.action).collect::<Vec<_>>(), [Action::Keep, Action::Orphan]);
}
