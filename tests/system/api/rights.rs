//! Whoever is erased is nowhere in the data folder any more: looked for byte by byte, and within what is packed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use features::event::Event;
use features::sets::feature_sets;
use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig, Offsets};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use serving::config::Config;
use serving::town::{Town, TownSpec};
use tests::{Run, TestApp, binary, person};

use super::logins::{Inbox, ask, log_in};

const PHONE: &str = "+8613812345678";
/// What nobody else has: a nickname, a bio, texts of Moments, a comment.
pub(super) const WORDS: [&str; 6] =
    ["琥珀松鼠Quetzalina", "oboewhistler", "双簧管协奏曲", "glockenspielnight", "钟琴排练厅", "marimbaremark"];
const TOWN: u32 = 100;

pub(super) fn quick(config: &mut Config) {
    config.rights.gather_s = 0;
    config.lake.flush_s = 0.5;
    config.assembler.snapshot_s = 1;
    config.ledger.snapshot_s = 1;
    config.indexer.snapshot_s = 1;
}

/// What gives somebody away: texts, and the id as numbers are kept.
pub(super) struct Traces {
    texts: Vec<(String, Vec<u8>)>,
}

impl Traces {
    pub(super) fn of(id: &str) -> Self {
        let number: u64 = id.parse().unwrap();
        let mut texts: Vec<(String, Vec<u8>)> = WORDS.iter().map(|word| ((*word).to_owned(), word.as_bytes().to_vec())).collect();
        texts.extend([id, &PHONE[1..], &PHONE[3..]].map(|text| (text.to_owned(), text.as_bytes().to_vec())));
        texts.push(("the id, little-endian".to_owned(), number.to_le_bytes().to_vec()));
        texts.push(("the id, big-endian".to_owned(), number.to_be_bytes().to_vec()));
        let (mut varint, mut rest) = (Vec::new(), number);
        while rest >= 128 {
            varint.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        varint.push(u8::try_from(rest).unwrap());
        texts.push(("the id, as a varint".to_owned(), varint));
        Self { texts }
    }

    pub(super) fn within(&self, bytes: &[u8]) -> Vec<String> {
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        self.texts.iter().filter(|(_, needle)| has(needle)).map(|(name, _)| name.clone()).collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file as it lies there, and what is under zstd in it.
fn in_files(folder: &Path, traces: &Traces) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let mut here = traces.within(&bytes);
        // Snapshots have a head of 20 bytes before what is packed.
        for from in [0, 20] {
            let packed = bytes.get(from..).filter(|rest| rest.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
            here.extend(packed.and_then(|rest| zstd::decode_all(rest).ok()).map(|raw| traces.within(&raw)).unwrap_or_default());
        }
        if !here.is_empty() {
            found.insert(path.strip_prefix(folder).unwrap().display().to_string(), here);
        }
    }
    found
}

/// Every value of every column of the lake, and the people in the records of decks.
pub(super) async fn in_lake(folder: &Path, id: &str, traces: &Traces) -> BTreeMap<String, Vec<String>> {
    let session = pipelines::query::session(folder.join("lake").to_str().unwrap()).await.unwrap();
    let (mut found, id) = (BTreeMap::new(), HashSet::from([id.parse::<u64>().unwrap()]));
    for (table, _) in pipelines::tables::lake_tables() {
        let rows = session.sql(&format!("SELECT * FROM {table}")).await.unwrap().collect().await.unwrap();
        let mut lines = arrow::json::LineDelimitedWriter::new(Vec::new());
        lines.write_batches(&rows.iter().collect::<Vec<_>>()).unwrap();
        lines.finish().unwrap();
        let text = lines.into_inner();
        let mut here = traces.within(&text);
        for line in text.split(|b| *b == b'\n').filter(|line| table == "decks" && !line.is_empty()) {
            let row: Value = serde_json::from_slice(line).unwrap();
            if serving::recommend::names(row["record"].as_str().unwrap(), &id) {
                here.push("a deck in which they were scored".to_owned());
            }
        }
        if !here.is_empty() {
            found.insert(table.to_owned(), here);
        }
    }
    found
}

/// Every record of the event log, unpacked.
async fn in_log(brokers: &str, id: &str, traces: &Traces) -> BTreeMap<String, Vec<String>> {
    let bus = Bus::new(BusConfig { brokers: brokers.to_owned(), ..BusConfig::default() }).unwrap();
    let id = HashSet::from([id.parse::<u64>().unwrap()]);
    let fixed = Topic::ALL.iter().map(|topic| topic.name().to_owned());
    let topics: Vec<String> = fixed.chain(feature_sets().iter().map(features::sets::FeatureSet::topic)).collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all = bus.sweep("test", &topics, &Offsets::default()).await.unwrap();
    all.each(|record| {
        let bytes = [record.key.clone().unwrap_or_default(), record.value.clone().unwrap_or_default()].concat();
        let mut here = traces.within(&bytes);
        if let Some(Ok(Event::Deck(deck))) = record.value.as_deref().map(Event::decode)
            && serving::recommend::names(&deck.record, &id)
        {
            here.push("a deck in which they were scored".to_owned());
        }
        if !here.is_empty() {
            found.entry(record.topic.to_string()).or_default().extend(here);
        }
    })
    .await
    .unwrap();
    found
}

/// A town with somebody in it who has an account, a profile, Moments, and to do with others.
async fn somebody_of_a_town(app: &TestApp, inbox: &Inbox) -> (String, String) {
    let events = Town::new(TownSpec { users: TOWN, days: 3, seed: 7, until: chrono::Utc::now() }).events();
    for chunk in events.chunks(500) {
        app.inside.sink.publish(chunk).await.unwrap();
    }
    let login = log_in(app, inbox, PHONE, "小米 14").await;
    let (id, token) = (login["user_id"].as_str().unwrap().to_owned(), login["access_token"].as_str().unwrap().to_owned());
    let mut profile = person(WORDS[0], "female", "male");
    profile["bio"] = format!("{} {}", WORDS[1], WORDS[2]).into();
    let own = async |method, path: &str, body: Value| ask(app, &token, method, path, Some(&body)).await;
    own(Method::PUT, &format!("/v1/users/{id}"), profile).await.expect(200);
    for text in [WORDS[3], WORDS[4]] {
        own(Method::POST, "/v1/moments", json!({"author_id": id, "title": text, "text": format!("{text} 周末排练")})).await.expect(201);
    }
    app.until("the town is there", async || app.get("/v1/jobs").await.json()["people"].as_u64() > Some(u64::from(TOWN))).await;
    // A suitor who is where she is, so that they are shown to each other.
    app.with_user(1_000, &person("Bob", "male", "female")).await;
    let did = |kind: &str, target: u64| json!({"kind": kind, "actor_id": id, "target_id": target.to_string()});
    let mut items: Vec<Value> = (1..20).map(|target| did("like", target)).collect();
    items.push(did("block", 21));
    let about = app.post("/v1/moments", &json!({"author_id": "3", "text": "周末"})).await.expect(201)["moment_id"].clone();
    items.push(json!({"kind": "comment", "actor_id": id, "target_id": "3", "moment_id": about, "text": WORDS[5]}));
    let many = items.len();
    let done = own(Method::POST, "/v1/interactions", json!({ "items": items })).await.expect(200);
    assert_eq!(done["accepted"], many, "{done}");
    for actor in [2, 3, 5, 1_000] {
        app.interact("like", actor, id.parse().unwrap()).await;
        app.interact("profile_view", actor, id.parse().unwrap()).await;
    }
    app.interact("report", 22, id.parse().unwrap()).await;
    own(Method::POST, "/v1/presence", json!({"items": [{"kind": "app_open", "user_id": id}]})).await.expect(200);
    for viewer in [id.parse().unwrap(), 1_000, 2, 4, 6, 8] {
        app.recommend(viewer, 30).await;
    }
    (id, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_whoever_is_erased() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        quick(config);
    })
    .await;
    let (id, token) = somebody_of_a_town(&app, &inbox).await;
    let traces = Traces::of(&id);
    app.until("she is found", async || {
        let hits = app.get(&format!("/v1/search?q={}", WORDS[3])).await.expect(200);
        hits["items"].as_array().is_some_and(|items| items.iter().any(|hit| hit["user_id"] == id.as_str()))
    })
    .await;
    app.until("she is in the lake, and in what jobs have saved", async || {
        let (lake, saved) = (in_lake(app.folder(), &id, &traces).await, in_files(&app.folder().join("state"), &traces));
        let tables = ["profiles", "moments", "interactions", "presence", "decks", "pages", "embeddings", "portraits"];
        let jobs = ["state/assembler", "state/features", "ledger", "portraits.table"].map(|name| name.trim_start_matches("state/"));
        tables.iter().all(|table| lake.contains_key(*table)) && jobs.iter().all(|job| saved.keys().any(|path| path.contains(job)))
    })
    .await;
    assert!(in_log(&app.brokers, &id, &traces).await.len() > 8, "the search finds what is there");

    let asked = ask(&app, &token, Method::DELETE, "/v1/me", None).await.expect(202);
    assert_eq!(asked["state"], "waiting");
    // From the answer on: shown to nobody, and no token is good.
    assert_eq!(ask(&app, &token, Method::GET, &format!("/v1/users/{id}"), None).await.problem(401), "invalid_token");
    assert_eq!(app.get(&format!("/v1/users/{id}")).await.problem(404), "unknown_user");
    assert_eq!(app.put(&format!("/v1/users/{id}"), &person("Ann", "female", "male")).await.problem(409), "being_erased");
    let page = app.recommend(1_000, 50).await;
    assert!(page["items"].as_array().unwrap().iter().all(|item| item["user_id"] != id.as_str()), "{page}");
    let state = format!("/v1/erasures/{}", asked["erasure_id"].as_str().unwrap());
    app.until("it is done", async || ask(&app, "", Method::GET, &state, None).await.expect(200)["state"] == "done").await;
    let receipt = ask(&app, "", Method::GET, &state, None).await.expect(200);
    for place in ["features", "portraits", "lake", "tables", "log"] {
        let parts = receipt["receipt"]["places"][place].as_object().unwrap_or_else(|| panic!("{place}: {receipt}"));
        assert!(parts.values().all(|count| count.as_u64() > Some(0)) && !parts.is_empty(), "{place}: {receipt}");
    }
    assert_eq!(traces.within(receipt.to_string().as_bytes()), Vec::<String>::new(), "the receipt tells nothing of her");
    assert_eq!(ask(&app, "", Method::GET, "/v1/erasures/none", None).await.problem(404), "unknown_erasure");

    assert_eq!(in_log(&app.brokers, &id, &traces).await, BTreeMap::new());
    assert_eq!(in_lake(app.folder(), &id, &traces).await, BTreeMap::new());
    // Everybody else lives on.
    assert_eq!(app.get("/v1/users/1000").await.expect(200)["nickname"], "Bob");
    let people = app.get("/v1/jobs").await.json()["people"].clone();
    assert_eq!(people, TOWN + 1, "the town and Bob");
    let folder = app.stop().await;
    assert_eq!(in_files(folder.path(), &traces), BTreeMap::new(), "in files");
    assert_eq!(in_lake(folder.path(), &id, &traces).await, BTreeMap::new(), "in the lake");
    let verified = pipelines::lake::verify(folder.path().join("lake").to_str().unwrap(), &[], None, &|_, _| {}).await.unwrap();
    assert_eq!(verified.findings, []);

    // And the next start has nobody back, and may welcome them.
    let app = TestApp::start_in(folder, |config| {
        inbox.configure(&mut config.auth);
        config.auth.codes.pause_s = 0;
        quick(config);
    })
    .await;
    assert_eq!(app.get("/v1/jobs").await.json()["people"], TOWN + 1);
    // Vectors find somebody for every word; it is not her, and the word is nowhere.
    let found = app.get(&format!("/v1/search?q={}", WORDS[3])).await.expect(200);
    let hers = |hit: &Value| hit["user_id"] == id.as_str() || hit.to_string().contains(WORDS[3]);
    assert!(!found["items"].as_array().unwrap().iter().any(hers), "{found}");
    let again = log_in(&app, &inbox, PHONE, "").await;
    assert!(again["created"] == true && again["user_id"] != id.as_str(), "a new account: {again}");
    app.stop().await;
}

/// The command on a data folder on which no node runs.
fn hongniang(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).args(["--log", "error", "--data-dir"]).arg(folder).current_dir(folder);
    let settings = [
        ("MODEL__ENCODER", "hashing"),
        ("KAFKA__PARTITIONS", "2"),
        ("LAKE__FLUSH_S", "0.5"),
        ("ASSEMBLER__SNAPSHOT_S", "1"),
        ("LEDGER__SNAPSHOT_S", "1"),
        ("INDEXER__SNAPSHOT_S", "1"),
    ];
    command.envs(settings.map(|(key, value)| (format!("HONGNIANG__{key}"), value)));
    command
}

/// Without a server, killed again and again: the next one goes on, and in the end nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_at_the_command_line_survives_kills() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        quick(config);
    })
    .await;
    let (id, _) = somebody_of_a_town(&app, &inbox).await;
    let traces = Traces::of(&id);
    app.until("she is in the lake", async || in_lake(app.folder(), &id, &traces).await.len() > 6).await;
    let folder = app.stop().await;
    assert!(in_files(folder.path(), &traces).len() > 8, "the search finds what is there");
    let run = |args: &[&str]| Run::from(hongniang(folder.path(), args).output().unwrap());
    run(&["forget", &id]).fails_naming(&["--yes", "--dry-run"]);
    let there = run(&["forget", &id, "--dry-run", "--format", "json"]).well().json();
    let places: HashSet<&str> = there.as_array().unwrap().iter().map(|line| line["place"].as_str().unwrap()).collect();
    for place in ["tables", "features", "portraits", "lake", "log"] {
        assert!(places.contains(place), "{place}: {there}");
    }
    assert!(in_lake(folder.path(), &id, &traces).await.len() > 6, "a dry run does nothing");
    for wait in [400, 3_000, 6_000, 9_000] {
        let mut command = hongniang(folder.path(), &["forget", &id, "--yes"]);
        let mut forgetting = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        forgetting.kill().unwrap(); // it may have ended already
        forgetting.wait().unwrap();
    }
    let receipt = run(&["forget", &id, "--yes", "--format", "json"]).well().json();
    assert_eq!(receipt["state"], "done", "{receipt}");
    assert_eq!(in_files(folder.path(), &traces), BTreeMap::new(), "in files");
    assert_eq!(in_lake(folder.path(), &id, &traces).await, BTreeMap::new(), "in the lake");
    let acts = run(&["audit", "--format", "json"]).well().json();
    let acts: Vec<&str> = acts.as_array().unwrap().iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    assert!(acts.contains(&"erasure_requested") && acts.contains(&"erasure_done"), "{acts:?}");
}

/// The files of an archive.
fn unzipped(bytes: Vec<u8>) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let read = |name: String| {
        let text = std::io::read_to_string(archive.by_name(&name).unwrap()).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_everything_of_oneself_and_of_others_what_one_could_see() {
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| {
        inbox.configure(&mut config.auth);
        config.rights.exports_per_day = 2;
        quick(config);
    })
    .await;
    let login = log_in(&app, &inbox, PHONE, "小米 14").await;
    let (id, token) = (login["user_id"].as_str().unwrap().to_owned(), login["access_token"].as_str().unwrap().to_owned());
    let own = async |method, path: &str, body: Value| ask(&app, &token, method, path, Some(&body)).await;
    own(Method::PUT, &format!("/v1/users/{id}"), person("小红", "female", "male")).await.expect(200);
    for (other, name) in [(2, "Bob"), (3, "Eve")] {
        app.with_user(other, &person(name, "male", "female")).await;
    }
    let mine = own(Method::POST, "/v1/moments", json!({"author_id": id, "text": "周末去爬山"})).await.expect(201)["moment_id"].clone();
    let bobs = app.post("/v1/moments", &json!({"author_id": "2", "text": "在海边"})).await.expect(201)["moment_id"].clone();
    let comment = |actor: &str, target: &str, moment: &Value, text: &str| json!({"kind": "comment", "actor_id": actor, "target_id": target, "moment_id": moment, "text": text});
    let given = json!({"items": [comment(&id, "2", &bobs, "what a view")]});
    assert_eq!(own(Method::POST, "/v1/interactions", given).await.expect(200)["accepted"], 1);
    let report = json!({"kind": "report", "actor_id": "3", "target_id": id, "text": "a secret of the reporter"});
    let items = json!({"items": [comment("2", &id, &mine, "真好看 lovely"), report, {"kind": "block", "actor_id": "3", "target_id": id}]});
    assert_eq!(app.post("/v1/interactions", &items).await.expect(200)["accepted"], 3);
    let rows = async |table: &str| {
        let session = pipelines::query::session(app.folder().join("lake").to_str().unwrap()).await.unwrap();
        session.table(table).await.unwrap().count().await.unwrap()
    };
    for (table, least) in [("interactions", 6), ("moments", 2), ("profiles", 3), ("portraits", 3)] {
        app.until(&format!("{table} are in the lake"), async || rows(table).await >= least).await;
    }
    let client = reqwest::Client::new();
    let answer = client.get(format!("{}/v1/me/export", app.address)).bearer_auth(&token).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "application/zip"));
    let files = unzipped(answer.bytes().await.unwrap().to_vec());
    let json_of = |name: &str| -> Value { serde_json::from_str(&files[name]).unwrap_or_else(|e| panic!("{name}: {e}: {}", files[name])) };
    assert!(
        files["index.html"].contains("您的数据")
            && files.keys().all(|name| name == "index.html" || files["index.html"].contains(name.as_str()))
    );
    assert_eq!(json_of("profile.json")["nickname"], "小红");
    assert_eq!(json_of("moments.json")[0]["text"], "周末去爬山");
    let texts = |rows: Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["text"].as_str().filter(|text| !text.is_empty()).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(json_of("interactions_given.json")), ["what a view"]);
    assert_eq!(texts(json_of("interactions_received.json")), ["真好看 lovely"]);
    let counts = json_of("interactions_received_counts.json");
    assert_eq!(counts, json!([{"kind": "comment", "count": 1}, {"kind": "follow", "count": 1}]), "nobody is told of reports and blocks");
    let tables = json_of("tables.json");
    let others = |table: &str| tables[table].as_array().unwrap().iter().map(|row| row["other_id"].to_string()).collect::<Vec<_>>();
    assert!(others("relations").len() == 1 && others("relations")[0].contains('2'), "not who blocks: {tables}");
    assert!(tables.get("reviews").is_none() && tables.get("review_reports").is_none(), "{tables}");
    assert_eq!(tables["identities"][0]["subject"], "…5678", "{tables}");
    assert_eq!(tables["sessions"][0]["device"], "小米 14");
    let portrait = json_of("portrait.json")[0].clone();
    assert_eq!(portrait["user_id"], id.as_str());
    assert!(portrait["counters"]["popularity.likes"].is_number() && portrait.get("version").is_none(), "{portrait}");
    let all: String = files.values().map(String::as_str).collect();
    for secret in ["secret of the reporter", &PHONE[1..], "refresh_hash", &token] {
        assert!(!all.contains(secret), "{secret}");
    }
    let again = async || ask(&app, &token, Method::GET, "/v1/me/export", None).await;
    let second = client.get(format!("{}/v1/me/export", app.address)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(second.status().as_u16(), 200);
    assert_eq!(again().await.problem(429), "rate_limited");
    app.stop().await;
}
