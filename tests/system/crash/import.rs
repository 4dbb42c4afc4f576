//! Imports, beside a server and alone.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use features::ids::derived_event_id;
use reqwest::Client;
use tests::binary;

use super::{Node, caught_up, filed};

const PEOPLE: u64 = 80;
const ROWS: u64 = 90_000;

/// People and what they did, with a bad row among them; the ids of the good rows.
fn write_source(folder: &Path) -> HashSet<String> {
    let mut people = "user_id,nickname,gender,birth_date,created_at,genders,city\n".to_owned();
    for id in 1..=PEOPLE {
        let (gender, wants) = if id % 2 == 0 { ("female", "male") } else { ("male", "female") };
        writeln!(people, "{id},p{id},{gender},1996-05-04,2026-09-01T00:00:00Z,{wants},上海").unwrap();
    }
    let mut rows = "event_id,kind,event_time,actor_id,target_id,tags,deck_id,position\n".to_owned();
    let mut ids = HashSet::new();
    for row in 0..ROWS {
        let (actor, step) = (1 + row % PEOPLE, 1 + row / PEOPLE % (PEOPLE - 1));
        let (target, kind) = (1 + (actor - 1 + step) % PEOPLE, ["impression", "like", "profile_view", "pass"][(row % 7 % 4) as usize]);
        let id = derived_event_id(&["crash", &row.to_string()]).to_string();
        let (hour, minute, second) = (row / 3_600 % 24, row / 60 % 60, row % 60);
        writeln!(rows, "{id},{kind},2026-10-01T{hour:02}:{minute:02}:{second:02}Z,{actor},{target},咖啡|hiking,deck-{actor},{step}")
            .unwrap();
        ids.insert(id.clone());
        if row == ROWS / 2 {
            writeln!(rows, "{id},{kind},yesterday,{actor},{target},,,").unwrap();
        }
    }
    std::fs::write(folder.join("profiles.csv"), people).unwrap();
    std::fs::write(folder.join("interactions.csv"), rows).unwrap();
    ids
}

fn start(source: &Path, data: &Path) -> Child {
    Command::new(binary()).args(["import", "events"]).arg(source).arg("--data-dir").arg(data).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many events the checkpoint of the import names.
fn checkpoint(data: &Path) -> u64 {
    let files = std::fs::read_dir(data.join("state/imports")).into_iter().flatten().flatten();
    files.filter(|f| f.path().extension().is_none()).filter_map(|f| std::fs::read_to_string(f.path()).ok()?.parse().ok()).max().unwrap_or(0)
}

/// Waits until the import has come so far, or has ended.
fn until(import: &mut Child, data: &Path, target: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while checkpoint(data) < target && import.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the import does not come to {target}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets the import run to its end; what it said.
fn finish(import: Child) -> String {
    let output = import.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_go_on_where_kill_9_stopped_them() {
    let (source, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = write_source(source.path());
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let chance = |round: u64, of: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round * 1_442_695_040_888_963_407) % of;
    let mut reached = Vec::new();
    for round in 0..4 {
        // Odd rounds: beside a server, which is killed too; even ones: the import has the log to itself.
        let node = if round % 2 == 1 { Some(Node::start(data.path(), &client).await) } else { None };
        let mut import = start(source.path(), data.path());
        until(&mut import, data.path(), (ROWS * round / 5 + chance(round, ROWS / 6)).max(1));
        std::thread::sleep(Duration::from_millis(chance(round + 9, 20)));
        if let Some(node) = node {
            node.kill();
        }
        import.kill().unwrap();
        import.wait().unwrap();
        reached.push(checkpoint(data.path()));
    }
    println!("killed after {reached:?} acknowledged events");
    assert!(reached[0] > 0 && reached.is_sorted() && reached[3] < ROWS + PEOPLE, "killed on the way: {reached:?}");
    let node = Node::start(data.path(), &client).await;
    let said = finish(start(source.path(), data.path()));
    assert!(said.contains("interactions.csv:45003: ") && said.contains("were sent before"), "{said}");
    assert!(finish(start(source.path(), data.path())).contains("0 events sent"), "a repeat sends nothing");
    caught_up(&node, &client).await;
    node.stop();
    let filed = filed(data.path()).await;
    assert_eq!(filed.len(), ids.len(), "every row is filed, and nothing else");
    assert!(ids.iter().all(|id| filed.contains_key(id)));
}
