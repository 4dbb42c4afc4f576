//! Documents that are generated from the code are what the code says.

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

#[test]
fn import_md_has_the_columns() {
    const BEGIN: &str = "<!-- generated from serving/src/import/events/columns.rs: begin -->\n";
    const END: &str = "<!-- end -->\n";
    let path = root().join("docs/IMPORT.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let generated = format!("{before}{BEGIN}{}{END}{after}", serving::import::columns_markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &generated).unwrap();
        return;
    }
    assert!(written == generated, "docs/IMPORT.md is out of date: run `UPDATE_DOCS=1 make test` and commit it");
}
