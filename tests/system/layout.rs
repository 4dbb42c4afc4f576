//! The rules of the house: who may know whom, how long a file and a function may be, what lies at the top.

mod imports;

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
    // Below the repository: where it lies says nothing.
    let in_tests =
        path.strip_prefix(root()).unwrap_or(path).components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "benches")));
    if in_tests || name == "tests.rs" || matches!(name, "testing.rs" | "samples.rs") || name == "contract.rs" {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    Some(text.split("\n#[cfg(test)]\n").next().unwrap().to_owned())
}

fn production_files() -> Vec<(PathBuf, String)> {
    let files = CRATES.iter().flat_map(|name| rust_files(&root().join(name).join("src")));
    let found: Vec<_> = files.filter_map(|path| production(&path).map(|text| (path, text))).collect();
    assert!(found.len() > 100, "rules that look at nothing hold: only {} files", found.len());
    found
}

fn complain(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// What a rule finds in all production files; the path is told from the repository's root.
fn in_all_files(rule: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let here = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    production_files().iter().flat_map(|(path, text)| rule(&here(path), text)).collect()
}

/// What a crate must not depend on, by its manifest.
fn wrong_dependencies(name: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let known = manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).filter(|d| CRATES.contains(d));
    known.filter(|d| !allowed.contains(d)).map(|d| format!("{name} depends on {d}")).collect()
}

#[test]
fn dependencies_point_one_way() {
    let manifest = |name: &str| std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
    let broken: Vec<String> = MAY_KNOW.iter().flat_map(|(name, allowed)| wrong_dependencies(name, allowed, &manifest(name))).collect();
    complain("features ◄ index ◄ ranker ◄ serving, and features, index ◄ pipelines ◄ serving", &broken);
}

fn forbidden_words(here: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (_, word, why) in FORBIDDEN.iter().filter(|(room, ..)| here.starts_with(room)) {
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(word) && !line.trim_start().starts_with("//"));
        broken.extend(lines.map(|(i, _)| format!("{here}:{} has `{word}`: {why}", i + 1)));
    }
    broken
}

#[test]
fn forbidden_words_stay_out() {
    complain("imports against the rules", &in_all_files(forbidden_words));
}

fn knows_qdrant_edge(here: &str, text: &str) -> Vec<String> {
    if text.contains("qdrant_edge::") { vec![here.to_owned()] } else { Vec::new() }
}

#[test]
fn only_one_file_knows_qdrant_edge() {
    let knows = in_all_files(knows_qdrant_edge);
    assert_eq!(knows.len(), 1, "qdrant_edge is used in exactly one file, so that it can be replaced: {knows:?}");
}

/// The rooms of serving: folders with routes, but for the frame that joins them and what starts it.
const ROOMS: [&str; 13] = [
    "auth",
    "entitlements",
    "flight",
    "interactions",
    "moments",
    "ops",
    "recommend",
    "relations",
    "reviews",
    "rights",
    "search",
    "users",
    "web",
];
const NO_ROOMS: [&str; 2] = ["http", "wiring"];

#[test]
fn every_folder_with_routes_is_a_room() {
    let source = root().join("serving/src");
    let folders = std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let routes = |name: &String| {
        let text = std::fs::read_to_string(source.join(name).join("mod.rs")).unwrap_or_default();
        text.contains("router") || text.contains("Router")
    };
    let mut found: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).filter(routes).collect();
    found.retain(|name| !NO_ROOMS.contains(&name.as_str()));
    found.sort();
    assert_eq!(found, ROOMS, "a new room is held to the rule of rooms, too");
}

/// What a room names of another, or of everything at once.
fn other_rooms(here: &str, text: &str) -> Vec<String> {
    let Some(inside) = here.strip_prefix("serving/src/") else { return Vec::new() };
    let module: Vec<&str> = inside.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    let Some(room) = ROOMS.iter().find(|room| module.first() == Some(room)) else { return Vec::new() };
    let paths = imports::own_paths(&module, text);
    let wrong =
        paths.iter().filter(|path| path.first().is_some_and(|first| first == "*" || (first != room && ROOMS.contains(&first.as_str()))));
    wrong.map(|path| format!("{here} names crate::{}", path.join("::"))).collect()
}

#[test]
fn rooms_of_serving_do_not_import_each_other() {
    complain("a room of serving knows another only by a trait that wiring hands in", &in_all_files(other_rooms));
}

fn too_long(here: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > 400 { vec![format!("{here} has {lines}")] } else { Vec::new() }
}

#[test]
fn files_stay_under_400_lines() {
    complain("files of at most 400 lines of production code", &in_all_files(too_long));
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

fn long_functions(here: &str, text: &str) -> Vec<String> {
    let long = functions(text).into_iter().filter(|(_, n, _)| *n > 60);
    long.map(|(at, n, name)| format!("{here}:{at} {name} has {n}")).collect()
}

#[test]
fn functions_stay_under_60_lines() {
    complain("functions of at most 60 lines", &in_all_files(long_functions));
}

fn left_for_later(here: &str, text: &str) -> Vec<String> {
    let marked = |line: &str| {
        let code = line.split("//").next().unwrap_or("");
        ["TODO", "FIXME", "XXX"].iter().any(|w| line.contains(w)) || code.contains("todo!(") || code.contains(".unwrap()")
    };
    let lines = text.lines().enumerate().filter(|(_, line)| marked(line));
    lines.map(|(i, line)| format!("{here}:{}: {}", i + 1, line.trim())).collect()
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    complain("no unwrap and no note-to-self in production code", &in_all_files(left_for_later));
}

/// A test that skips by itself: it would pass in silence, whatever the switch says.
fn skips_alone(here: &str, text: &str) -> Vec<String> {
    let alone = ["ln!(\"skipped", "\"CI\""];
    let lines = text.lines().enumerate().filter(|(_, line)| alone.iter().any(|word| line.contains(word)));
    lines.map(|(i, line)| format!("{here}:{}: {}", i + 1, line.trim())).collect()
}

#[test]
fn no_test_skips_in_silence() {
    let folders = CRATES.iter().map(|name| root().join(name)).chain([root().join("tests/src"), root().join("tests/system")]);
    let files = folders.flat_map(|folder| rust_files(&folder)).filter(|path| !path.ends_with("system/layout.rs"));
    let broken: Vec<String> =
        files.flat_map(|path| skips_alone(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap())).collect();
    complain("a part that is missing is told by tests::parts, which fails where parts are required", &broken);
}

#[test]
fn a_missing_part_fails_where_parts_are_required() {
    let judged = |switch| tests::parts::judge(switch, "kcat", "install it");
    assert!(judged(Some("required")).unwrap_err().contains("kcat is missing: install it"));
    assert_eq!(judged(None).unwrap(), "kcat is missing: install it");
    assert!(judged(Some("optional")).is_ok());
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains("HONGNIANG_TEST_PARTS ?= required"), "`make test` requires them");
}

/// What lies at the top of the repository.
const TOP: [&str; 19] = [
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
];
const HIDDEN: [&str; 3] = [".ci", ".git", ".cargo"];

/// What of these files lies at the top and does not belong there.
fn untidy(files: &str) -> Vec<String> {
    let tops: BTreeSet<&str> = files.lines().filter_map(|l| l.split('/').next()).collect();
    tops.into_iter().filter(|top| !TOP.contains(top) && !HIDDEN.contains(top)).map(str::to_owned).collect()
}

#[test]
fn the_top_level_stays_tidy() {
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success());
    complain("top level", &untidy(&String::from_utf8(listed.stdout).unwrap()));
}

#[test]
fn every_rule_can_fail() {
    let source = "impl X {\n    fn short() {\n        1\n    }\n    fn long() {\n        1;\n        2;\n    }\n}\n";
    assert_eq!(functions(source), [(2, 3, "short".to_owned()), (5, 4, "long".to_owned())]);
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    1;\n".repeat(lines));
    assert_eq!(long_functions("a.rs", &function(58)), Vec::<String>::new());
    assert_eq!(long_functions("a.rs", &function(59)), ["a.rs:1 f has 61"]);
    assert_eq!((too_long("a.rs", &"\n".repeat(400)).len(), too_long("a.rs", &"\n".repeat(401)).len()), (0, 1));
    for (room, word, _) in FORBIDDEN {
        assert_eq!(forbidden_words(&format!("{room}/x.rs"), &format!("use {word};")).len(), 1, "{room} {word}");
        assert_eq!(forbidden_words(&format!("{room}/x.rs"), &format!("// {word}")).len(), 0, "a comment may name {word}");
        assert_eq!(forbidden_words("serving/src/x.rs", word).len(), 0, "serving may use {word}");
    }
    assert_eq!(knows_qdrant_edge("a.rs", "use qdrant_edge::Edge;"), ["a.rs"]);
    let wrong = wrong_dependencies("index", &["features"], "[dependencies]\nfeatures = \"1\"\nranker = \"1\"\nserde = \"1\"");
    assert_eq!(wrong, ["index depends on ranker"]);
    for line in ["x.unwrap();", "// TODO later", "todo!()", "/* FIXME */"] {
        assert_eq!(left_for_later("a.rs", line).len(), 1, "{line}");
    }
    assert_eq!(skips_alone("a.rs", "println!(\"skipped: no kcat\");\nvar_os(\"CI\")").len(), 2);
    assert_eq!(untidy("README.md\nserving/src/lib.rs\nnotes.txt\nscratch/a.rs"), ["notes.txt", "scratch"]);
}

#[test]
fn a_room_that_names_another_is_found_in_every_form() {
    let forms =
        ["use crate::users::X;", "use crate::{http, users};", "use crate::users;", "crate::users::f()", "use super::super::users::X;"];
    for form in forms.into_iter().chain(["use crate::*;"]) {
        assert_eq!(other_rooms("serving/src/recommend/http.rs", form).len(), 1, "{form}");
        assert_eq!(other_rooms("serving/src/http/frame.rs", form).len(), 0, "the frame joins rooms: {form}");
    }
    assert_eq!(other_rooms("serving/src/ops/mod.rs", "use super::users::X;"), ["serving/src/ops/mod.rs names crate::users::X"]);
    for room in ROOMS {
        let other = if room == "users" { "ops" } else { "users" };
        assert_eq!(other_rooms(&format!("serving/src/{room}/mod.rs"), &format!("use crate::{other}::X;")).len(), 1, "{room}");
        assert_eq!(
            other_rooms(&format!("serving/src/{room}/http.rs"), &format!("use crate::{room}::X; use super::service;")).len(),
            0,
            "{room}"
        );
    }
}
