//! The rules of the house: who may know whom, how long a file and a function may be, what lies at the top.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

const CRATES: [&str; 5] = ["features", "index", "ranker", "pipelines", "serving"];

/// What each crate may depend on among ours.
const MAY_KNOW: [(&str, &[&str]); 5] = [
    ("features", &[]),
    ("index", &["features"]),
    ("ranker", &["features", "index"]),
    ("pipelines", &["features", "index"]),
    ("serving", &["features", "index", "ranker", "pipelines"]),
];

/// What must not be imported where (room, word, why).
const FORBIDDEN: [(&str, &str, &str); 9] = [
    ("features/src", "std::net", "features opens no socket"),
    ("features/src", "Utc::now", "features reads no clock"),
    ("features/src", "SystemTime::now", "features reads no clock"),
    ("index/src", "Utc::now", "the index takes time as an argument"),
    ("ranker/src", "Utc::now", "the ranker takes time as an argument"),
    ("ranker/src", "rand::rng()", "the ranker's chance is seeded"),
    ("ranker/src", "qdrant_edge", "the ranker knows the VectorIndex trait only"),
    ("pipelines/src", "axum", "jobs serve no HTTP"),
    ("features/src", "rdkafka", "features knows no Kafka client"),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The source before its inline tests.
fn production(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let in_tests = path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "benches")));
    if in_tests || name == "tests.rs" || matches!(name, "testing.rs" | "samples.rs") || name == "contract.rs" {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    Some(text.split("\n#[cfg(test)]\n").next().unwrap().to_owned())
}

fn production_files() -> Vec<(PathBuf, String)> {
    let files = CRATES.iter().flat_map(|name| rust_files(&root().join(name).join("src")));
    files.filter_map(|path| production(&path).map(|text| (path, text))).collect()
}

fn complain(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn dependencies_point_one_way() {
    let mut broken = Vec::new();
    for (name, allowed) in MAY_KNOW {
        let manifest: toml::Table = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap().parse().unwrap();
        let known: BTreeSet<&str> =
            manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).filter(|d| CRATES.contains(d)).collect();
        broken.extend(known.iter().filter(|d| !allowed.contains(d)).map(|d| format!("{name} depends on {d}")));
    }
    complain("features ◄ index ◄ ranker ◄ serving, and features, index ◄ pipelines ◄ serving", &broken);
}

#[test]
fn forbidden_words_stay_out() {
    let mut broken = Vec::new();
    for (path, text) in production_files() {
        let here = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        for (room, word, why) in FORBIDDEN {
            for (i, line) in text.lines().enumerate().filter(|(_, line)| here.starts_with(room) && line.contains(word)) {
                if !line.trim_start().starts_with("//") {
                    broken.push(format!("{here}:{} has `{word}`: {why}", i + 1));
                }
            }
        }
    }
    complain("imports against the rules", &broken);
}

#[test]
fn only_one_file_knows_qdrant_edge() {
    let knows: Vec<String> =
        production_files().iter().filter(|(_, t)| t.contains("qdrant_edge::")).map(|(p, _)| p.display().to_string()).collect();
    assert_eq!(knows.len(), 1, "qdrant_edge is used in exactly one file, so that it can be replaced: {knows:?}");
}

#[test]
fn rooms_of_serving_do_not_import_each_other() {
    let rooms = ["recommend", "users", "interactions", "moments", "search", "web"];
    let mut broken = Vec::new();
    for (path, text) in production_files() {
        let Some(room) = rooms.iter().find(|room| path.starts_with(root().join("serving/src").join(room))) else { continue };
        for other in rooms.iter().filter(|other| other != &room) {
            if text.contains(&format!("crate::{other}::")) {
                broken.push(format!("{} imports crate::{other}", path.display()));
            }
        }
    }
    complain("a room of serving knows another only by a trait that wiring hands in", &broken);
}

#[test]
fn files_stay_under_400_lines() {
    let long = production_files().into_iter().map(|(p, t)| (t.lines().count(), p)).filter(|(n, _)| *n > 400);
    complain("files of at most 400 lines of production code", &long.map(|(n, p)| format!("{} has {n}", p.display())).collect::<Vec<_>>());
}

/// Functions of a formatted source with their number of lines: from `fn` to the brace at the same indent.
fn functions(text: &str) -> Vec<(usize, usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let head = body.split('(').next().unwrap_or("");
        let is_fn = head.split_whitespace().any(|w| w == "fn") && !body.starts_with("//") && !head.contains('"');
        if is_fn && !body.ends_with(';') {
            let indent = &line[..line.len() - body.len()];
            let close = lines[i..].iter().position(|l| *l == format!("{indent}}}"));
            let name = head.rsplit("fn ").next().unwrap_or("").to_owned();
            found.push((i + 1, close.map_or(1, |n| n + 1), name));
        }
    }
    found
}

#[test]
fn functions_stay_under_60_lines() {
    let mut broken = Vec::new();
    for (path, text) in production_files() {
        let long = functions(&text).into_iter().filter(|(_, n, _)| *n > 60);
        broken.extend(long.map(|(at, n, name)| format!("{}:{at} {name} has {n}", path.display())));
    }
    complain("functions of at most 60 lines", &broken);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let mut broken = Vec::new();
    for (path, text) in production_files() {
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let marked = ["TODO", "FIXME", "XXX"].iter().any(|w| line.contains(w)) || code.contains("todo!(") || code.contains(".unwrap()");
            if marked {
                broken.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    complain("no unwrap and no note-to-self in production code", &broken);
}

#[test]
fn the_top_level_stays_tidy() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "pipelines",
        "features",
        "ranker",
        "index",
        "serving",
        "notebooks",
        "tests",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Makefile",
        "LICENSE",
        "docs",
        "deploy",
        "rustfmt.toml",
        "deny.toml",
        ".gitignore",
        ".ci",
        ".git",
        ".cargo",
    ]
    .into();
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tops: BTreeSet<&str> = listed.lines().filter_map(|l| l.split('/').next()).collect();
    let extra: Vec<String> = tops.difference(&allowed).map(|t| (*t).to_owned()).collect();
    complain("top level", &extra);
}

#[test]
fn the_rules_can_fail() {
    let source = "impl X {\n    fn short() {\n        1\n    }\n    fn long() {\n        1;\n        2;\n    }\n}\n";
    assert_eq!(functions(source), [(2, 3, "short".to_owned()), (5, 4, "long".to_owned())]);
}
