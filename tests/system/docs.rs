//! Documents that are generated from the code are what the code says.

use std::path::Path;

use crate::layout::root;

#[test]
fn events_md_is_what_the_types_say() {
    let path = root().join("docs/EVENTS.md");
    let generated = features::docs::events_markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "docs/EVENTS.md is out of date: run `UPDATE_DOCS=1 make test` and commit it");
}

/// Holds what lies between two lines of a document to what the code says, or writes it anew.
fn holds_generated(document: &str, source: &str, generated: &str) {
    let (begin, end) = (format!("<!-- generated from {source}: begin -->\n"), "<!-- end -->\n");
    let path = root().join(document);
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let right = format!("{before}{begin}{generated}{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &right).unwrap();
        return;
    }
    assert!(written == right, "{document} is out of date: run `UPDATE_DOCS=1 make test` and commit it");
}

#[test]
fn import_md_has_the_columns() {
    holds_generated("docs/IMPORT.md", "serving/src/import/events/columns.rs", &serving::import::columns_markdown());
}

#[test]
fn query_md_has_the_functions() {
    let rows = pipelines::query::FUNCTIONS.map(|(call, gives)| format!("| `{call}` | {gives} |\n"));
    let generated = format!("| function | gives |\n| --- | --- |\n{}", rows.concat());
    holds_generated("docs/QUERY.md", "pipelines/src/query/udf/mod.rs", &generated);
}

#[test]
fn relations_md_has_the_states_and_rules() {
    holds_generated("docs/RELATIONS.md", "features/src/relations/rules.rs", &features::relations::markdown());
}

#[test]
fn profiles_md_has_the_points() {
    holds_generated("docs/PROFILES.md", "features/src/profile/completeness.rs", &features::profile::completeness::markdown());
}

#[test]
fn dataset_md_has_the_columns() {
    holds_generated("docs/DATASET.md", "serving/src/dataset/columns.rs", &serving::dataset::columns_markdown());
}

/// Names of folders at the top whose files documents cite.
const CITED: [&str; 10] = ["features", "index", "ranker", "pipelines", "serving", "tests", "deploy", "docs", "notebooks", ".ci"];

/// `a/{b,c}.rs` is two paths.
fn spelled_out(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| rest.split_once('}').map(|(inner, after)| (before, inner, after))) {
        Some((before, inner, after)) => inner.split(',').flat_map(|one| spelled_out(&format!("{before}{}{after}", one.trim()))).collect(),
        None => vec![path.to_owned()],
    }
}

/// Paths from the repository's root that a text in backticks means: those that begin with a folder of ours, without what names a thing in a file.
fn cited(words: &str) -> Vec<String> {
    let path = words.split("::").next().unwrap_or("").trim_end_matches('/');
    let first = path.split('/').next().unwrap_or("");
    let means_a_path = path.contains('/') && CITED.contains(&first) && !path.contains([' ', '<', '*', '$']);
    if means_a_path { spelled_out(path) } else { Vec::new() }
}

/// Every path a document cites that is not there: in backticks from the root, in links from where the document lies.
fn dead(document: &Path, text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2).flat_map(cited).map(|path| root().join(path));
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|to| !to.contains("://") && !to.starts_with('#'));
    let linked = links.map(|to| document.parent().unwrap().join(to.split('#').next().unwrap_or(to)));
    let gone = quoted.chain(linked).filter(|path| !path.exists());
    gone.map(|path| format!("{} cites {}", document.display(), path.display())).collect()
}

#[test]
fn what_documents_cite_is_there() {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).chain(["ARCHITECTURE.md", "README.md"].map(|n| root().join(n)));
    let gone: Vec<String> = documents.flat_map(|path| dead(&path, &std::fs::read_to_string(&path).unwrap())).collect();
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn a_dead_citation_is_found() {
    let of = |text: &str| dead(&root().join("docs/X.md"), text).len();
    assert_eq!(of("`tests/system/gone.rs`"), 1);
    assert_eq!(of("`tests/system/{docs,gone}.rs` and [gone](GONE.md) and [also](../gone.png)"), 3);
    assert_eq!(
        of("`tests/system/docs.rs`, `tests/system/docs.rs::dead`, `docs/`, [events](EVENTS.md#moments), [site](https://example.com/x)"),
        0
    );
    assert_eq!(of("`features/sql/*.sql`, `features.<name>`, `serving ──► x`, `a/b`"), 0, "what is no path of ours");
}
