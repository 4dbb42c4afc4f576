//! `hongniang query`, one shot and in conversation.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tests::{binary, parts};

use super::town;

struct Ran {
    good: bool,
    out: String,
    err: String,
}

/// Runs a program in a folder with something on its standard input.
fn run(folder: &Path, mut command: Command, input: &str) -> Ran {
    command.current_dir(folder).env("XDG_STATE_HOME", folder.join("state")).env("TERM", "xterm").env_remove("RUST_LOG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { good: done.status.success(), out: text(done.stdout), err: text(done.stderr) }
}

fn query(folder: &Path, words: &[&str], input: &str) -> Ran {
    let mut command = Command::new(binary());
    command.args(["query", "--data-dir"]).arg(folder).args(words);
    run(folder, command, input)
}

fn well(folder: &Path, words: &[&str], input: &str) -> Ran {
    let ran = query(folder, words, input);
    assert!(ran.good, "{words:?} {input}: {} {}", ran.out, ran.err);
    ran
}

fn fails(folder: &Path, words: &[&str], input: &str, told: &[&str]) {
    let ran = query(folder, words, input);
    assert!(!ran.good, "{words:?} {input}: {}", ran.out);
    for word in told {
        assert!(ran.err.contains(word), "{word} is not told: {}", ran.err);
    }
}

const BY_KIND: &str = "SELECT kind, COUNT(*) AS n FROM interactions GROUP BY kind ORDER BY kind";

#[tokio::test]
async fn answers_come_in_every_form_and_from_every_source() {
    let (folder, _, interactions) = town().await;
    let at = folder.path();
    let json: Value = serde_json::from_str(&well(at, &[BY_KIND, "--format", "json"], "").out).unwrap();
    let rows = json.as_array().unwrap();
    let counted: u64 = rows.iter().map(|row| row["n"].as_u64().unwrap()).sum();
    assert_eq!(counted, interactions as u64);
    let lines = well(at, &["--format", "jsonl"], &format!("-- from a pipe\n{BY_KIND};")).out;
    assert_eq!(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>(), *rows);
    std::fs::write(at.join("report.sql"), BY_KIND).unwrap();
    let csv = well(at, &["-f", "report.sql", "--format", "csv"], "").out;
    assert_eq!(csv.lines().next(), Some("kind,n"));
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let table = well(at, &[BY_KIND], "");
    assert!(table.out.starts_with("+-") && table.out.contains("| like "), "{}", table.out);
    assert!(table.err.contains(&format!("{} rows in ", rows.len())), "{}", table.err);
    assert_eq!(well(at, &[BY_KIND, "--quiet"], "").err, "");
    let wide = well(at, &["SELECT profile['nickname'] AS \"名字\", profile['tags'] AS tags FROM profiles LIMIT 1", "-x"], "").out;
    assert!(wide.starts_with("-[ 1 ]-") && wide.contains("名字 "), "{wide}");
    let explained = well(at, &["EXPLAIN SELECT actor_id FROM interactions WHERE event_time >= '2026-11-19'"], "").out;
    assert!(explained.contains("dt=2026-11-19") && !explained.contains("dt=2026-11-18"), "{explained}");
}

#[tokio::test]
async fn results_go_to_files_and_come_back_as_lakes_do() {
    let (folder, _, interactions) = town().await;
    let at = folder.path();
    let told = well(at, &["SELECT * FROM interactions", "--output", "all.parquet"], "").err;
    assert!(told.contains("to all.parquet"), "{told}");
    let file = std::fs::read(at.join("all.parquet")).unwrap();
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    well(at, &["SELECT tags FROM interactions", "-o", "tags.csv"], "");
    let csv = std::fs::read_to_string(at.join("tags.csv")).unwrap();
    assert_eq!(csv.lines().count(), interactions + 1, "lists are texts in CSV");
    assert!(csv.contains("\"[\"\""), "as JSON: {}", &csv[..200]);
    fails(at, &["SELECT 1", "--format", "parquet"], "", &["--output"]);
    fails(at, &["SELECT 1; SELECT 2", "--output", "x.csv"], "", &["one statement"]);
    fails(at, &["SELECT CAST(kind AS INT) FROM interactions", "-o", "x.csv"], "", &["Cast"]);
    assert!(!at.join("x.csv").exists() && !at.join("x.csv.part").exists(), "half a result is none");
    let elsewhere = well(at, &[BY_KIND, "--format", "csv", "--place", &at.join("lake").display().to_string()], "").out;
    assert_eq!(elsewhere, well(at, &[BY_KIND, "--format", "csv"], "").out);
    fails(at, &[BY_KIND, "--place", "nowhere"], "", &["--place", "nowhere"]);
    assert!(!at.join("nowhere").exists());
}

#[tokio::test]
async fn a_script_talks_as_people_do_and_only_reads() {
    let (folder, _, interactions) = town().await;
    let at = folder.path();
    let talk = "\\d\n\\d interactions\n\\df\nCREATE VIEW mine AS SELECT * FROM interactions WHERE actor_id = '7';\n\\x\n\\format csv\nSELECT COUNT(*) >= 0 AS fine FROM mine;\n\\q\nSELECT nonsense;";
    let ran = well(at, &[], talk);
    let rows = indicatif_count(interactions);
    for told in ["features.popularity", rows.as_str(), "forward", "actor_id", "geo_km", "fine\ntrue"] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert!(ran.out.contains("When it happened."), "columns have meanings: {}", ran.out);
    fails(at, &["SELECT * FROM likes"], "", &["no table `likes`", "interactions", "features.popularity"]);
    fails(at, &["SELECT actr_id FROM interactions"], "", &["actr_id", "actor_id"]);
    fails(at, &[], "\\dance\n", &["\\dance", "\\?"]);
    fails(at, &["INSERT INTO presence SELECT * FROM presence"], "", &["INSERT INTO is refused", "only read"]);
    fails(at, &["COPY (SELECT 1) TO 'x.csv'"], "", &["COPY is refused", "--output"]);
    fails(at, &["CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'"], "", &["refused"]);
    fails(at, &["SET datafusion.runtime.memory_limit = '1T'"], "", &["refused"]);
    fails(at, &["  ; -- nothing"], "", &["no statement"]);
}

/// 1234 as 1,234.
fn indicatif_count(n: usize) -> String {
    let digits = n.to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap()).collect();
    parts.join(",")
}

/// The command at a terminal, which `script` gives it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    seen: Receiver<String>,
    /// What was shown and not yet expected.
    shown: String,
}

impl Terminal {
    fn open(folder: &Path) -> Self {
        let mut command = Command::new("script");
        // `exec`: a shell that waits for the command would end itself by Ctrl-C, and its status would be the one told.
        command.args(["-qec", &format!("exec {} query --data-dir . --format csv", binary().display()), "/dev/null"]).current_dir(folder);
        command.env("XDG_STATE_HOME", folder.join("state")).env("TERM", "xterm").env_remove("RUST_LOG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, seen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut bytes) {
                if send.send(String::from_utf8_lossy(&bytes[..n]).into_owned()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, seen, shown: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Whether something is shown within a while; what came before it is forgotten.
    fn shows(&mut self, text: &str, patience: Duration) -> bool {
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return true;
            }
            let Ok(more) = self.seen.recv_timeout(patience) else { return false };
            self.shown.push_str(&more);
        }
    }

    fn expect(&mut self, text: &str) {
        assert!(self.shows(text, Duration::from_secs(60)), "{text:?} is not shown: {:?}", self.shown);
    }

    /// Presses Ctrl-C and then types a statement until it is answered: what is typed before the line is clear again goes with it.
    fn after_a_break(&mut self, statement: &str, answer: &str) {
        let answered = (0..20).any(|_| {
            self.press("\x03");
            self.shows("nothing but a pause", Duration::from_millis(500));
            self.press(statement);
            self.shows(answer, Duration::from_secs(10))
        });
        assert!(answered, "{answer:?} is not shown: {:?}", self.shown);
    }
}

const PROMPT: &str = "hongniang> ";

#[tokio::test]
async fn a_conversation_goes_on_after_mistakes_and_keeps_its_history() {
    if Command::new("script").arg("--version").output().is_err() {
        return parts::missing("script", "install bsdutils");
    }
    let (folder, _, _) = town().await;
    let mut terminal = Terminal::open(folder.path());
    terminal.expect(PROMPT);
    terminal.press("SELECT nonsense;\r");
    terminal.expect("nonsense.");
    terminal.expect(PROMPT);
    terminal.press("SELECT 40 +\r2 AS answer;\r");
    terminal.expect("answer\r\n42");
    terminal.expect(PROMPT);
    terminal.press("sel");
    terminal.after_a_break("SELECT COUNT(*) FROM interac\t WHERE actor_\t = '7';\r", "count(*)\r\n"); // Tab completes words
    terminal.expect(PROMPT);
    terminal.press("SELECT COUNT(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3;\r");
    // Ctrl-C is pressed until it is seen: before the query runs it would be a key like any other.
    let stopped = (0..200).any(|_| {
        terminal.press("\x03");
        terminal.shows("cancelled after", Duration::from_millis(300))
    });
    assert!(stopped, "{:?}", terminal.shown);
    terminal.after_a_break("SELECT 'still' || ' here' AS word;\r", "word\r\nstill here");
    terminal.expect(PROMPT);
    terminal.press("\x04");
    let status = terminal.child.wait().unwrap();
    assert!(status.success(), "{status}: {:?}", terminal.shown);
    let history = std::fs::read_to_string(folder.path().join("state/hongniang/query_history")).unwrap();
    assert!(history.contains("SELECT 40 +") && history.contains("still"), "{history}");
}
