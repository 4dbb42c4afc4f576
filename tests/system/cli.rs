//! The binary as people and scripts run it: what it prints, to which stream, in which form, and how it ends.

use std::path::Path;
use std::process::Command;

use features::topic::Topic;
use pipelines::bus::{Bus, BusConfig};
use serde_json::{Value, json};
use tests::{Judge, Mood, Run, TestApp, binary, person};
use tokio::task::block_in_place;

/// A run of `hongniang` in a folder of its own, with nothing of the caller's in its environment.
fn run_with(folder: &Path, variables: &[(&str, &str)], words: &[&str]) -> Run {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HONGNIANG__") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.args(words).current_dir(folder).envs(variables.iter().copied()).output().unwrap().into()
}

fn run(folder: &Path, words: &[&str]) -> Run {
    run_with(folder, &[], words)
}

#[test]
fn help_and_mistakes_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]).well();
    for word in ["up", "pipeline", "simulate", "--data-dir", "Examples"] {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    assert!(run(folder.path(), &["import", "events", "--help"]).well().out.contains("Examples"));
    assert!(run(folder.path(), &["--version"]).well().out.starts_with("hongniang "));
    for wrong in [&["dance"][..], &["up", "--towns", "3"], &["pipeline", "list", "--format", "xml"]] {
        let run = run(folder.path(), wrong);
        assert_eq!(run.code, Some(2), "{wrong:?}");
        assert!(run.out.is_empty() && run.err.contains("--help"), "{wrong:?}: {}", run.err);
    }
    assert!(run(folder.path(), &["openapi"]).well().json()["paths"]["/v1/recommendations"].is_object());
}

#[test]
fn texts_are_judged_as_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let judge = |words: &[&str]| run(folder.path(), &[&["moderate", "--format", "json"][..], words].concat());
    let good = judge(&["周末一起爬山吗？", "What a view!"]).well().json();
    assert!(good.as_array().unwrap().iter().all(|row| row["verdict"] == "accept" && row["categories"] == ""), "{good}");
    let bad = judge(&["--kind", "nickname", "加 Ｖ 信 abc123"]);
    assert_eq!(bad.code, Some(3), "{}", bad.err);
    assert_eq!((&bad.json()[0]["verdict"], &bad.json()[0]["categories"]), (&json!("refuse"), &json!("contact")));
    assert_eq!((&bad.json()[0]["checks"], &bad.json()[0]["normalised"]), (&json!("contacts, words"), &json!("加 v 信 abc123")));
    judge(&["--kind", "image", "albums/1.jpg"]).fails_naming(&["--kind image", "--service"]);
    judge(&["--service", "x"]).fails_naming(&["--service", "moderation.service.url"]);
    let flagged = judge(&["--kind", "moment", "加 Ｖ 信 abc123"]).well().json();
    assert_eq!(flagged[0]["verdict"], "flag");
    std::fs::write(folder.path().join("own.txt"), "[other]\n菠萝披萨\n").unwrap();
    std::fs::write(
        folder.path().join("hongniang.toml"),
        "[moderation]\nlists = [\"own.txt\"]\n[moderation.comment]\nrefuse = [\"other\"]\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("texts.txt"), "菠蘿 披薩\n傻逼\n").unwrap();
    let own = judge(&["--file", "texts.txt"]);
    let verdicts: Vec<Value> = own.json().as_array().unwrap().iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!((own.code, verdicts), (Some(3), vec![json!("refuse"), json!("flag")]));
    let csv = run(folder.path(), &["moderate", "--format", "csv", "hello"]).well().out;
    assert_eq!(csv.lines().next(), Some("number,verdict,categories,checks,entries,normalised"));
    std::fs::write(folder.path().join("own.txt"), "[food]\n菠萝披萨\n").unwrap();
    judge(&["x"]).fails_naming(&["own.txt:1", "[food]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_moderation_service_can_be_tried() {
    let service = Judge::open(&[("杀猪盘", "scam", None), ("maybe", "裸露", Some("flag"))]).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hongniang.toml"), service.toml()).unwrap();
    let judge = |words: &[&str]| block_in_place(|| run(folder.path(), &[&["moderate", "--format", "json"][..], words].concat()));
    assert_eq!(judge(&["杀猪盘"]).well().json()[0]["verdict"], "accept", "without the flag nothing is sent");
    assert_eq!(service.bodies(), Vec::<Value>::new());
    let told = judge(&["--service", "杀猪盘", "加微信 abc123", "What a view!"]);
    let rows: Vec<Value> =
        told.json().as_array().unwrap().iter().map(|row| json!([row["verdict"], row["categories"], row["checks"]])).collect();
    assert_eq!(told.code, Some(3));
    assert_eq!(rows, [json!(["refuse", "scam", "service"]), json!(["flag", "contact", "contacts, words"]), json!(["accept", "", ""])]);
    let photos = judge(&["--service", "--kind", "image", "u/maybe.jpg", "u/1.jpg"]).well().json();
    assert_eq!((&photos[0]["verdict"], &photos[0]["categories"], &photos[0]["entries"]), (&json!("flag"), &json!("other"), &json!("裸露")));
    assert_eq!(photos[1]["verdict"], "accept");
    service.set(Mood::Status(500));
    let away = judge(&["--service", "爬山"]);
    assert_eq!(away.json()[0]["verdict"], "unjudged");
    away.fails_naming(&["moderation.service", "status 500", "docs/MODERATION.md"]);
    assert_eq!(service.unsigned(), 0);
    std::fs::write(
        folder.path().join("hongniang.toml"),
        service.toml().replace("secret = \"a secret of the judge\"", "secret = \"short\""),
    )
    .unwrap();
    judge(&["x"]).fails_naming(&["moderation.service.secret", "16"]);
}

#[test]
fn lists_come_in_three_forms() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = run(folder.path(), &["pipeline", "list", "--format", "json"]).well().json();
    let names: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    for name in ["gate", "features", "lake", "embedder", "assembler"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let csv = run(folder.path(), &["pipeline", "list", "--format", "csv"]).well().out;
    assert_eq!(csv.lines().next(), Some("name,runs,does"));
    assert_eq!(csv.lines().count(), names.len() + 1);
    assert!(jobs.as_array().unwrap().iter().all(|job| job["runs"] == "here"), "{jobs}");
    let arroyo = [("HONGNIANG__FEATURES__RUNTIME", "arroyo")];
    let rests = run_with(folder.path(), &arroyo, &["pipeline", "list", "--format", "csv"]).well().out;
    assert!(rests.lines().any(|line| line.starts_with("features,arroyo,")) && rests.contains("gate,here,"), "{rests}");
    run_with(folder.path(), &arroyo, &["pipeline", "run", "features", "--data-dir", "data"]).fails_naming(&["pipeline deploy", "embedded"]);
    let table = run(folder.path(), &["pipeline", "list"]).well().out;
    assert!(names.iter().all(|name| table.contains(name)), "{table}");
    run(folder.path(), &["pipeline", "run", "laundry", "--data-dir", "data"]).fails_naming(&["laundry"]);

    let models = run(folder.path(), &["models", "list", "--format", "json"]).well().json();
    let known: Vec<&str> = models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert!(known.contains(&"use-multilingual") && known.contains(&"multilingual-e5-small"), "{known:?}");
    run(folder.path(), &["models", "pull", "oracle"]).fails_naming(&["oracle"]);
}

#[test]
fn tables_are_migrated_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let states = |words: &[&str]| {
        let lines = run(at, &[words, &["--data-dir", "data", "--format", "json"]].concat()).well().json();
        let state = |line: &Value| (line["version"].as_i64().unwrap(), line["state"].as_str().unwrap().to_owned());
        lines.as_array().unwrap().iter().map(state).collect::<Vec<_>>()
    };
    let all = states(&["migrate"]);
    assert!(all[0] == (1, "pending".to_owned()) && all.iter().all(|(_, state)| state == "pending"), "{all:?}");
    assert_eq!(states(&["migrate", "up"]).len(), all.len());
    assert!(states(&["migrate", "status"]).iter().all(|(_, state)| state == "applied"));
    assert!(states(&["migrate", "up"]).is_empty(), "a repeat does nothing");
    assert_eq!(states(&["migrate", "down", "--steps", "1"]), [(all.len() as i64, "taken back".to_owned())]);
    assert!(run(at, &["migrate", "up", "--data-dir", "data"]).well().out.contains("applied"));
    assert!(run(at, &["migrate", "up", "--data-dir", "data"]).well().out.contains("nothing to do"));
    assert!(run(at, &["migrate", "--data-dir", "data", "--format", "csv"]).well().out.starts_with("version,name,state,applied_at\n"));
    let wrong = run_with(at, &[("HONGNIANG__DATABASE__URL", "oracle://me:secret@db/x")], &["migrate"]);
    wrong.fails_naming(&["database.url", "postgres://"]);
    assert!(!wrong.err.contains("secret"), "{}", wrong.err);
    let away = run_with(
        at,
        &[("HONGNIANG__DATABASE__URL", "postgres://me:secret@127.0.0.1:9/x"), ("HONGNIANG__DATABASE__WAIT_S", "1")],
        &["migrate"],
    );
    away.fails_naming(&["postgres://127.0.0.1:9/x", "database.url"]);
    assert!(!away.err.contains("secret"), "{}", away.err);
}

#[test]
fn keys_of_logins_are_listed_and_turned() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let keys = || run(at, &["auth", "keys", "--data-dir", "data", "--format", "json"]).well().json();
    let first = keys();
    assert!(first.as_array().unwrap().len() == 1 && first[0]["signs"] == true, "{first}");
    assert!(run(at, &["auth", "rotate", "--data-dir", "data"]).well().out.contains("signs from"));
    let both = keys();
    assert_eq!((&both[0]["kid"], &both[0]["signs"], &both[1]["signs"]), (&first[0]["kid"], &json!(true), &json!(false)), "{both}");
    let abroad = [("HONGNIANG__HTTP__LISTEN", "0.0.0.0:80"), ("HONGNIANG__HTTP__SERVICE_KEYS", "[a-key-of-sixteen-characters]")];
    let console = [&abroad[..], &[("HONGNIANG__AUTH__SMS__PROVIDER", "console")]].concat();
    run_with(at, &console, &["auth", "keys", "--data-dir", "data"]).fails_naming(&["auth.sms.provider", "console_anywhere"]);
    run_with(at, &abroad, &["auth", "keys", "--data-dir", "data"]).well();
}

#[test]
fn what_is_wrong_with_a_cluster_is_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["pipeline", "render"]).fails_naming(&["--bootstrap", "kafka.brokers"]);
    run(at, &["pipeline", "render", "--features", "charm", "--bootstrap", "kafka:9092"]).fails_naming(&["`charm`", "popularity"]);
    let sql = run(at, &["pipeline", "render", "--features", "popularity", "--bootstrap", "kafka:9092", "--generation", "7"]).well().out;
    for word in ["SET updating_ttl", "bootstrap_servers = 'kafka:9092'", "CAST(7 AS BIGINT) AS generation", "hongniang-popularity-g7-"] {
        assert!(sql.contains(word), "{word}: {sql}");
    }
    let rows = run(at, &["pipeline", "render", "--bootstrap", "kafka:9092", "--format", "json"]).well().json();
    assert_eq!(rows.as_array().unwrap().len(), features::sets::feature_sets().len());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let url = format!("http://{closed}");
    run(at, &["pipeline", "list", "--arroyo", &url]).fails_naming(&[&url, "--arroyo"]);
    run(at, &["pipeline", "stop", "--arroyo", "arroyo:5115"]).fails_naming(&["arroyo:5115", "http://127.0.0.1:5115"]);
    run(at, &["pipeline", "deploy", "--arroyo", &url, "--data-dir", "data"]).fails_naming(&["no node runs on data", "hongniang up"]);
    run(at, &["pipeline", "deploy", "--arroyo", &url, "--features", "charm"]).fails_naming(&["`charm`"]);
}

#[test]
fn a_flag_beats_a_variable_beats_a_file_beats_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let config = |variables: &[(&str, &str)], words: &[&str]| {
        let out = run_with(folder.path(), variables, &[&["config"], words].concat()).well().out;
        let read: toml::Table = out.parse().unwrap();
        (read["data_dir"].as_str().unwrap().to_owned(), read["http"]["listen"].as_str().unwrap().to_owned())
    };
    let (variables, flags) = ([("HONGNIANG__HTTP__LISTEN", "127.0.0.1:2222")], ["--listen", "127.0.0.1:3333"]);
    assert_eq!(config(&[], &[]), ("hongniang-data".to_owned(), "127.0.0.1:7878".to_owned()));
    std::fs::write(folder.path().join("hongniang.toml"), "data_dir = \"from-file\"\n[http]\nlisten = \"127.0.0.1:1111\"\n").unwrap();
    assert_eq!(config(&[], &[]), ("from-file".to_owned(), "127.0.0.1:1111".to_owned()));
    assert_eq!(config(&variables, &[]).1, "127.0.0.1:2222");
    assert_eq!(config(&variables, &flags), ("from-file".to_owned(), "127.0.0.1:3333".to_owned()));
    std::fs::write(folder.path().join("other.toml"), "data_dir = \"from-other\"\n").unwrap();
    assert_eq!(config(&[], &["--config", "other.toml"]), ("from-other".to_owned(), "127.0.0.1:7878".to_owned()));
    let defaults = run(folder.path(), &["config", "--defaults"]).well().out;
    assert!(defaults.contains("# ") && defaults.parse::<toml::Table>().is_ok(), "documented, and a configuration");
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["config", "--config", "none.toml"]).fails_naming(&["none.toml", "does not exist"]);
    std::fs::write(at.join("key.toml"), "[http]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
    let remedy = "hongniang config --defaults";
    run(at, &["config", "--config", "key.toml"]).fails_naming(&["listen_on", remedy]);
    std::fs::write(at.join("section.toml"), "[htpp]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    run(at, &["up", "--config", "section.toml"]).fails_naming(&["htpp", remedy]);
    std::fs::write(at.join("value.toml"), "[ranker.draw]\ntemperature = \"warm\"\n").unwrap();
    run(at, &["config", "--config", "value.toml"]).fails_naming(&["temperature"]);
    std::fs::write(at.join("broken.toml"), "[http\n").unwrap();
    run(at, &["config", "--config", "broken.toml"]).fails_naming(&["broken.toml"]);
    run_with(at, &[("HONGNIANG__HTTP__PORT", "1")], &["config"]).fails_naming(&["port"]);
    run(at, &["config", "--listen", "everywhere"]).fails_naming(&["listen"]);
    run(at, &["up", "--listen", "0.0.0.0:1"]).fails_naming(&["http.service_keys"]);
    run(at, &["serve"]).fails_naming(&["kafka.brokers"]);
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let examine = |variables: &[(&str, &str)], words: &[&str]| {
        let run = run_with(folder.path(), variables, &[&["doctor", "--format", "json", "--data-dir", "data"], words].concat());
        let findings = run.json().as_array().unwrap().clone();
        let bad: Vec<Value> = findings.iter().filter(|f| f["good"] == false).cloned().collect();
        assert_eq!(run.code, Some(i32::from(!bad.is_empty())), "{findings:?}");
        bad
    };
    let hashing = ("HONGNIANG__MODEL__ENCODER", "hashing");
    let mut bad = examine(&[hashing], &["--listen", "127.0.0.1:0"]);
    bad.retain(|f| f["what"] != "disk"); // a test machine may be nearly full
    assert_eq!(bad, Vec::<Value>::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let wrong = examine(&[("HONGNIANG__MODEL__ENCODER", "oracle")], &["--listen", &address, "--brokers", &address]);
    for (what, word) in [("address", "--listen"), ("model", "models pull"), ("event log", "")] {
        let found = wrong.iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("{what}: {wrong:?}"));
        assert!(found["detail"].as_str().unwrap().contains(word), "{found}");
    }
    let unknown = examine(&[("HONGNIANG__HTTP__PORT", "1")], &[]);
    assert!(unknown[0]["what"] == "configuration" && unknown[0]["detail"].as_str().unwrap().contains("port"), "{unknown:?}");
}

#[test]
fn a_town_is_shown_without_being_grown() {
    let folder = tempfile::tempdir().unwrap();
    let words =
        ["simulate", "--users", "80", "--days", "3", "--seed", "7", "--until", "2026-10-01T00:00:00Z", "--dry-run", "--format", "csv"];
    let first = run(folder.path(), &words).well();
    assert!(first.out.starts_with("metric,value,target\n"), "{}", first.out);
    assert!(first.out.contains("likes received, Gini") || first.out.contains("\"likes received, Gini\""), "{}", first.out);
    assert_eq!(run(folder.path(), &words).well().out, first.out, "the same flags, the same town");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    run(folder.path(), &["simulate", "--users", "1", "--dry-run"]).fails_naming(&["--users"]);
}

#[test]
fn the_lake_is_asked_by_sql() {
    let folder = tempfile::tempdir().unwrap();
    let empty = run(folder.path(), &["query", "SELECT kind, actor_id FROM interactions"]).well();
    assert!(empty.out.contains("kind") && empty.out.contains("actor_id"), "the columns are shown: {}", empty.out);
    assert!(empty.err.contains("no rows"), "{}", empty.err);
    run(folder.path(), &["query", "SELECT nothing FROM interactions"]).fails_naming(&["nothing"]);
    run(folder.path(), &["query", "SELECT * FROM secrets"]).fails_naming(&["secrets"]);
    run(folder.path(), &["query", "SELEKT"]).fails_naming(&["SELEKT"]);
}

/// Commands beside a running server: what it refused, what it has in its lake, and an import through its log.
#[tokio::test(flavor = "multi_thread")]
async fn commands_work_beside_a_server() {
    let app = TestApp::start_with(|config| config.lake.flush_s = 0.2).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    app.interact("like", 1, 2).await;
    let data = app.folder().display().to_string();
    let beside = |words: &[&str]| block_in_place(|| run(app.folder(), &[words, &["--data-dir", &data, "--log", "error"]].concat()));
    let none = beside(&["pipeline", "dead-letters"]).well();
    assert!(none.err.contains("nothing was refused"), "{}", none.err);

    let bus = Bus::new(BusConfig { brokers: app.brokers.clone(), ..BusConfig::default() }).unwrap();
    let producer = bus.producer().unwrap();
    producer.send(Topic::Inbox.name(), b"7", Some("不是 JSON".as_bytes())).await.unwrap();
    producer.send(Topic::Inbox.name(), b"7", Some(br#"{"kind":"wink"}"#)).await.unwrap();
    let letters = |words: &[&str]| {
        let found = beside(&[&["pipeline", "dead-letters", "--format", "json"], words].concat()).well().json();
        found.as_array().unwrap().clone()
    };
    app.until("both are refused", async || letters(&[]).len() == 2).await;
    let told = letters(&["--reason", "wink"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["origin"].as_str().unwrap().starts_with("inbox/") && told[0]["job"] == "gate", "{told:?}");
    assert!(letters(&["--job", "gate"]).iter().any(|l| l["raw"] == "不是 JSON"), "what came is shown");
    assert_eq!((letters(&["--limit", "1"]).len(), letters(&["--job", "lake"]).len()), (1, 0));

    let source = app.folder().join("export");
    std::fs::create_dir(&source).unwrap();
    let row = |target: u64| json!({"kind": "profile_view", "actor_id": "1", "target_id": target.to_string(), "event_time": "2026-10-01T08:00:00Z"});
    std::fs::write(source.join("interactions.jsonl"), format!("{}\nnonsense\n{}\n", row(2), row(3))).unwrap();
    let place = source.display().to_string();
    let dry = beside(&["import", "events", &place, "--dry-run"]).well();
    assert!(dry.err.contains("interactions.jsonl:2") && dry.err.contains("2 events; 1 rows left out"), "{}", dry.err);
    beside(&["import", "events", &place, "--max-errors", "0"]).fails_naming(&["--max-errors"]);
    let sent = beside(&["import", "events", &place]).well();
    assert!(sent.err.contains("import: 2 of 2 events") && sent.err.contains("2 events sent"), "the end is told: {}", sent.err);

    let count = "SELECT kind, COUNT(*) AS n FROM interactions GROUP BY kind ORDER BY kind";
    let rows = async || beside(&["query", count, "--format", "json"]).well().out;
    app.until("the lake has them", async || rows().await.trim() == r#"[{"kind":"like","n":1},{"kind":"profile_view","n":2}]"#).await;
    assert_eq!(beside(&["query", count, "--format", "csv"]).well().out, "kind,n\nlike,1\nprofile_view,2\n");
    assert!(beside(&["query", count]).well().out.contains("| profile_view | 2 |"));
    app.stop().await;
}
