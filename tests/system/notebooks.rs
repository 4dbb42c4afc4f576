//! The notebooks, run from top to bottom without a browser on a town such as `make up` makes: they draw, and come to the figures that `hongniang query` and
//! `hongniang experiments report` come to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{binary, parts};

use crate::layout::root;

const NOTEBOOKS: [&str; 5] = ["1_lake", "2_activity", "3_portraits", "4_recommendations", "5_experiment"];
const EVENINGS: usize = 3;
/// How long the town may say nothing.
const PATIENCE: Duration = Duration::from_secs(180);

fn notebook(name: &str) -> PathBuf {
    root().join("notebooks").join(name).with_extension("ipynb")
}

fn run_notebooks(python: &Path, out: &Path, more: &[&Path]) -> Output {
    let mut command = Command::new(python);
    command.arg(root().join("notebooks/run.py")).arg("--out").arg(out).args(more);
    command.env_remove("HONGNIANG_EXPERIMENT").env_remove("HONGNIANG_PLANNED_USERS").env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap()
}

#[test]
fn notebooks_are_kept_without_outputs() {
    let found = std::fs::read_dir(root().join("notebooks")).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let mut found: Vec<String> = found.filter_map(|name| name.strip_suffix(".ipynb").map(str::to_owned)).collect();
    found.sort();
    assert_eq!(found, NOTEBOOKS);
    for name in NOTEBOOKS {
        let book: Value = serde_json::from_slice(&std::fs::read(notebook(name)).unwrap()).unwrap();
        let cells = book["cells"].as_array().unwrap();
        let code = || cells.iter().filter(|cell| cell["cell_type"] == "code");
        let plain = |cell: &Value| cell["outputs"] == json!([]) && cell["execution_count"].is_null() && cell["metadata"] == json!({});
        assert!(code().count() > 4, "{name} has few cells");
        assert!(code().all(plain), "{name} has outputs: run `notebooks/run.py --strip` before you commit it");
        let first = cells[0]["source"].as_array().unwrap()[0].as_str().unwrap();
        assert!(cells[0]["cell_type"] == "markdown" && first.starts_with(&format!("# {} · ", &name[..1])), "{name} begins with {first}");
    }
}

/// A cell of code for a notebook.
fn cell(source: &str) -> Value {
    json!({"cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [], "source": [source]})
}

#[test]
fn a_cell_that_fails_and_a_blank_figure_are_told() {
    let Some(python) = parts::of_python("python") else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, source: &str| {
        let book = json!({"cells": [cell(source)], "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
        std::fs::write(folder.path().join(name), book.to_string()).unwrap();
        folder.path().join(name)
    };
    let fails = write("fails.ipynb", "wanted = 7\nwanted / 0");
    let blank = write("blank.ipynb", "import matplotlib.pyplot as plt\nplt.subplots(figsize=(8, 8))[1].axis('off')\nplt.show()");
    let run = run_notebooks(&python, folder.path(), &[&fails, &blank]);
    let err = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{err}");
    for word in ["fails.ipynb: a cell failed", "wanted / 0", "ZeroDivisionError", "blank.ipynb: blank figures: blank_1.png"] {
        assert!(err.contains(word), "{word} is not told: {err}");
    }
    assert!(!err.contains('\u{1b}'), "colours of a terminal are in no log: {err}");
}

/// `hongniang up` as `make up` starts it, with a smaller town.
struct Town {
    node: Child,
    folder: tempfile::TempDir,
}

impl Town {
    /// Grown, with its evenings over.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Command::new(binary())
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "error",
                "--town",
                "600",
                "--town-evenings",
                &EVENINGS.to_string(),
                "--config",
            ])
            .arg(root().join("deploy/town.toml"))
            .arg("--data-dir")
            .arg(folder.path())
            .env("HONGNIANG__MODEL__ENCODER", "hashing")
            .env("HONGNIANG__LAKE__FLUSH_S", "1")
            .env("HONGNIANG__KAFKA__PARTITIONS", "2")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let town = Self { node, folder };
        // Read apart: a town that never gets so far keeps its output open.
        let (say, hear) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut said: Vec<String> = Vec::new();
        while !said.last().is_some_and(|line| line.contains("is in the lake within")) {
            said.push(hear.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{e}: the evenings do not end: {said:#?}")));
        }
        let opened =
            |line: &String| line.split_once(" pages opened").and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok());
        let pages: Vec<u64> = said.iter().filter_map(opened).collect();
        assert!(pages.len() == EVENINGS && pages.iter().all(|pages| *pages > 100), "{said:#?}");
        town.wait_for_pages(pages.iter().sum());
        town
    }

    /// Waits until so many pages, and all answers to them, are in the lake.
    fn wait_for_pages(&self, pages: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.query("SELECT COUNT(*) FROM pages") != json!(pages) {
            assert!(Instant::now() < deadline, "{pages} pages were opened, and are not in the lake after a minute");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn hongniang(&self, words: &[&str]) -> Value {
        let output = Command::new(binary()).args(words).args(["--format", "json", "--data-dir"]).arg(self.folder.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", text(&output.stdout), text(&output.stderr)))
    }

    /// The only value of the only row.
    fn query(&self, sql: &str) -> Value {
        let rows = self.hongniang(&["query", sql]);
        rows[0].as_object().and_then(|row| row.values().next()).cloned().unwrap_or_else(|| panic!("{sql}: {rows}"))
    }

    /// Ends it in order, so that nothing is written any more.
    fn rest(&mut self) {
        Command::new("kill").args(["-TERM", &self.node.id().to_string()]).status().unwrap();
        assert!(self.node.wait().unwrap().success());
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // A test that failed leaves no server behind.
        drop(self.node.kill());
        drop(self.node.wait());
    }
}

#[test]
fn notebooks_run_on_the_town_and_agree_with_the_commands() {
    let Some(python) = parts::of_python("python") else { return };
    let mut town = Town::start();
    town.rest();
    let (out, lake) = (town.folder.path().join("out"), town.folder.path().join("lake"));
    let run = run_notebooks(&python, &out, &[Path::new("--lake"), &lake]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{} {}", text(&run.stdout), text(&run.stderr));
    println!("{}", text(&run.stdout));
    let told: BTreeMap<&str, Value> = NOTEBOOKS.into_iter().map(|name| (name, figures(&out, name))).collect();
    agree_with_queries(&town, &told);
    agree_with_the_report(&town, &told["5_experiment"]);
}

/// The key figures of a notebook, after a look at what else came of it.
fn figures(out: &Path, name: &str) -> Value {
    let told: Value = serde_json::from_slice(&std::fs::read(out.join(format!("{name}.json"))).unwrap()).unwrap();
    let pictures = told["pictures"].as_u64().unwrap();
    assert!(pictures >= 3 && out.join(format!("{name}_{pictures}.png")).exists(), "{name} draws {pictures} pictures");
    let page = std::fs::read_to_string(out.join(format!("{name}.html"))).unwrap();
    assert_eq!(page.matches("<b>Figure.</b>").count() as u64, pictures, "every picture of {name} says what it shows");
    told["figures"].clone()
}

const LIKED: &str =
    "WITH shown AS (SELECT actor_id, target_id, MIN(event_time) AS seen, MAX(CASE WHEN propensity IS NULL THEN 0 ELSE 1 END) AS served
    FROM interactions WHERE kind = 'impression' GROUP BY actor_id, target_id),
  likes AS (SELECT actor_id, target_id, MIN(event_time) AS liked FROM interactions WHERE kind = 'like' GROUP BY actor_id, target_id)
  SELECT COUNT(*) FROM shown s JOIN likes l ON l.actor_id = s.actor_id AND l.target_id = s.target_id AND l.liked >= s.seen";
const BACK: &str = " JOIN likes b ON b.actor_id = s.target_id AND b.target_id = s.actor_id";

fn agree_with_queries(town: &Town, told: &BTreeMap<&str, Value>) {
    let day = told["2_activity"]["day"].as_str().unwrap();
    let on_the_day =
        format!("SELECT COUNT(DISTINCT user_id) FROM presence WHERE kind = 'app_open' AND CAST(event_time AS DATE) = DATE '{day}'");
    let matched = format!("{LIKED}{BACK}");
    let (liked_here, matched_here) = (format!("{LIKED} WHERE s.served = 1"), format!("{matched} WHERE s.served = 1"));
    let asked = [
        ("1_lake", "people", "SELECT COUNT(DISTINCT user_id) FROM profiles"),
        ("1_lake", "interactions", "SELECT COUNT(*) FROM interactions"),
        ("1_lake", "impressions", "SELECT COUNT(*) FROM interactions WHERE kind = 'impression'"),
        ("1_lake", "likes", "SELECT COUNT(*) FROM interactions WHERE kind = 'like'"),
        ("1_lake", "app_opens", "SELECT COUNT(*) FROM presence WHERE kind = 'app_open'"),
        ("2_activity", "dau", on_the_day.as_str()),
        ("2_activity", "senders", "SELECT COUNT(DISTINCT sender_id) FROM messages WHERE kind = 'message_sent'"),
        ("2_activity", "pairs_liked", LIKED),
        ("2_activity", "pairs_matched", matched.as_str()),
        ("3_portraits", "portraits", "SELECT COUNT(DISTINCT user_id) FROM portraits"),
        ("3_portraits", "versions", "SELECT COUNT(*) FROM portraits"),
        ("4_recommendations", "pages", "SELECT COUNT(*) FROM pages"),
        ("4_recommendations", "items", "SELECT COUNT(*) FROM (SELECT unnest(items) FROM pages)"),
        (
            "4_recommendations",
            "impressions_served",
            "SELECT COUNT(*) FROM interactions WHERE kind = 'impression' AND propensity IS NOT NULL",
        ),
        ("4_recommendations", "likes_served", liked_here.as_str()),
        ("4_recommendations", "matches_served", matched_here.as_str()),
    ];
    let wrong = asked.iter().map(|(name, figure, sql)| (name, figure, &told[*name][*figure], town.query(sql)));
    let wrong: Vec<_> = wrong.filter(|(_, _, notebook, query)| *notebook != query || **notebook == json!(0)).collect();
    assert!(wrong.is_empty(), "figures of a notebook and of a query: {wrong:#?}");
}

/// Every number of the decisive metric, by arm.
fn agree_with_the_report(town: &Town, told: &Value) {
    let config = root().join("deploy/town.toml");
    let words = ["experiments", "report", "--metric", "like_rate", "--config", config.to_str().unwrap()];
    let rows = town.hongniang(&words);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let close = |ours: &Value, theirs: &Value, what: &str| {
        let (Some(ours), Some(theirs)) = (ours.as_f64(), theirs.as_f64()) else { panic!("{what}: {ours} and {theirs}") };
        assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3), "{what}: the notebook has {ours}, the report {theirs}");
    };
    for row in rows {
        let arm = row["arm"].as_str().unwrap();
        close(&told["split_p"], &row["split_p"], "split_p");
        let pairs =
            [("users", "users"), ("impressions", "impressions"), ("likes", "likes"), ("matches", "matches"), ("like_rate", "value")];
        let ends = [("like_rate_low", "low"), ("like_rate_high", "high")];
        for (ours, theirs) in pairs.into_iter().chain(ends) {
            close(&told[format!("{arm}/{ours}")], &row[theirs], &format!("{arm} {ours}"));
        }
        if row["arm"] != row["control"] {
            for what in ["difference", "difference_low", "difference_high", "always_low", "always_high"] {
                close(&told[format!("{arm}/{what}")], &row[what], &format!("{arm} {what}"));
            }
        }
    }
    assert_eq!(told["control"], rows[0]["control"]);
}
