//! Files that older versions wrote are read, and a change of a schema that would end that is refused.
//!
//! `pipelines/golden/schemas` has the columns of every table as they were when files of them may have been written; `pipelines/golden/lake` is a
//! lake as the version of 2026-11-24 wrote it (`make_lake.py`), before interactions had `experiments` and `propensity` and before there were commits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use chrono::{DateTime, TimeDelta, Utc};
use features::event::Event;
use features::sets::feature_sets;
use features::topic::Topic;

use super::super::commits::Commits;
use super::super::files::Files;
use super::super::*;
use super::{committed, ids, now};
use crate::past::Past;
use crate::query::{batch_features, session};
use crate::snapshots::open_store;
use crate::tables::{events, lake_tables, schema};
use crate::testing;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Every column and what is inside of it, by path, with its type and whether it may be null.
fn lines(fields: &Fields, at: &str, out: &mut BTreeMap<String, String>) {
    for field in fields {
        let path = format!("{at}{}", field.name());
        let null = if field.is_nullable() { "may be null" } else { "not null" };
        let (kind, inside) = inside(field.data_type());
        out.insert(path.clone(), format!("{kind}, {null}"));
        if let Some(fields) = inside {
            lines(fields, &format!("{path}."), out);
        }
    }
}

fn inside(kind: &DataType) -> (String, Option<&Fields>) {
    match kind {
        DataType::Struct(fields) => ("record".to_owned(), Some(fields)),
        DataType::List(item) => {
            let (kind, fields) = inside(item.data_type());
            (format!("list of {kind}"), fields)
        }
        other => (other.to_string(), None),
    }
}

fn columns(schema: &Schema) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    lines(schema.fields(), "", &mut out);
    out
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|line| line.split_once(": ")).map(|(path, kind)| (path.to_owned(), kind.to_owned())).collect()
}

fn print(columns: &BTreeMap<String, String>) -> String {
    columns.iter().map(|(path, kind)| format!("{path}: {kind}\n")).collect()
}

/// What of a change readers would not survive.
fn breaks(table: &str, golden: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, kind) in golden {
        match now.get(path) {
            None => broken.push(format!(
                "`{table}.{path}` is gone: queries, notebooks and older files have it. Keep it; write the new one beside it under a new name"
            )),
            Some(other) if other != kind => broken.push(format!(
                "`{table}.{path}` was `{kind}` and is `{other}`: older files cannot be read as that. Keep it; add a column of the new type under a new name"
            )),
            Some(_) => {}
        }
    }
    for (path, kind) in now.iter().filter(|(path, _)| !golden.contains_key(*path)) {
        if kind.ends_with("not null") {
            broken.push(format!("`{table}.{path}` is new and not null: older files lack it. Let it be null"));
        }
    }
    broken
}

#[test]
fn schemas_only_grow_by_columns_that_may_be_null() {
    let (mut broken, mut new) = (Vec::new(), Vec::new());
    for (table, schema) in lake_tables() {
        let path = golden().join(format!("schemas/{table}.txt"));
        let now = columns(&schema);
        let written = std::fs::read_to_string(&path).map(|text| parse(&text));
        let found = written.as_ref().map_or_else(|_| Vec::new(), |golden| breaks(table, golden, &now));
        let fits = found.is_empty();
        broken.extend(found);
        if fits && written.ok().as_ref() != Some(&now) {
            if updating() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, print(&now)).unwrap();
            } else {
                new.push(table);
            }
        }
    }
    assert!(broken.is_empty(), "readers would break:\n  {}", broken.join("\n  "));
    assert!(
        new.is_empty(),
        "{new:?} grew in a way that readers survive: note it with `UPDATE_GOLDEN=1 cargo test -p pipelines schemas_only_grow` and commit it"
    );
}

#[test]
fn a_change_that_breaks_readers_is_named_with_what_to_do() {
    let golden = parse("id: Utf8, not null\nitems: list of record, may be null\nitems.n: Int64, not null\n");
    let now = |text: &str| breaks("t", &golden, &parse(text)).join(" ");
    assert_eq!(now("id: Utf8, not null\nitems: list of record, may be null\nitems.n: Int64, not null\nmore: Utf8, may be null\n"), "");
    assert!(now("key: Utf8, not null\nitems: list of record, may be null\nitems.n: Int64, not null\n").contains("`t.id` is gone"));
    assert!(now("id: Utf8, not null\nitems: list of record, may be null\n").contains("`t.items.n` is gone"));
    assert!(
        now("id: Int64, not null\nitems: list of record, may be null\nitems.n: Int64, not null\n").contains("add a column of the new type")
    );
    assert!(now("id: Utf8, may be null\nitems: list of record, may be null\nitems.n: Int64, not null\n").contains("was `Utf8, not null`"));
    let added = now("id: Utf8, not null\nitems: list of record, may be null\nitems.n: Int64, not null\nmore: Utf8, not null\n");
    assert!(added.contains("`t.more` is new and not null"), "{added}");
}

fn first() -> DateTime<Utc> {
    "2026-10-28T00:00:00Z".parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn old_lake() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&golden().join("lake"), dir.path());
    dir
}

async fn rows(place: &str, topic: Topic) -> RecordBatch {
    let batches = session(place).await.unwrap().table(topic.name()).await.unwrap().collect().await.unwrap();
    let columns: Vec<usize> = (0..schema(topic).unwrap().fields().len()).collect();
    let batches: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&columns).unwrap()).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[tokio::test]
async fn files_of_an_older_version_are_read_by_everything_that_reads() {
    let dir = old_lake();
    let place = dir.path().to_str().unwrap();
    let interactions = rows(place, Topic::Interactions).await;
    assert!(interactions.num_rows() > 50);
    for lacked in ["experiments", "propensity"] {
        assert_eq!(interactions[lacked].null_count(), interactions.num_rows(), "{lacked}");
    }
    let mut all = Vec::new();
    for topic in Topic::LIVED {
        all.extend(events(&rows(place, topic).await).unwrap());
    }
    assert!(all.iter().any(|event| matches!(event, Event::Profile(p) if p.profile.is_some())));
    // The same events written by this version: batch features and the past are the same.
    let again = tempfile::tempdir().unwrap();
    let there = again.path().to_str().unwrap();
    write_events(there, &all).await.unwrap();
    for set in feature_sets() {
        let of = async |place: &str| -> BTreeMap<String, i64> {
            batch_features(place, set).await.unwrap().into_iter().map(|row| (row.record_key(), row.version)).collect()
        };
        let old = of(place).await;
        assert!(!old.is_empty(), "{}", set.name);
        assert_eq!(old, of(there).await, "{}", set.name);
    }
    let end = first() + TimeDelta::days(3);
    let mut pasts = Vec::new();
    for place in [place, there] {
        let mut past = Past::begin(place, None, TimeDelta::days(60)).await.unwrap();
        assert_eq!(past.advance(end).await.unwrap(), all.len());
        pasts.push(past.portraits().len());
    }
    assert_eq!(pasts[0], 5);
    assert_eq!(pasts[0], pasts[1]);
}

#[tokio::test]
async fn an_older_lake_goes_on_and_is_compacted_with_what_comes_after() {
    let dir = old_lake();
    let place = dir.path().to_str().unwrap();
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    let old = ids(place).await;
    let (_, positions) = Commits::claim(Files::new(open_store(place).unwrap())).await.unwrap();
    assert!(positions.get("interactions", 0).unwrap() > 50);
    let mut more = testing::events(62, 400);
    more.retain(|event| event.event_time() >= first() && event.event_time() < first() + TimeDelta::days(2));
    let mut records = testing::records(&more);
    // Into the same partition as the old ones.
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    for record in &mut records {
        let offset = next.entry(record.topic.to_string()).or_default();
        (record.partition, record.offset) = (0, *offset);
        *offset += 1;
    }
    committed(place, &records, 1_000).await;
    let all = ids(place).await;
    assert_eq!(all.len(), old.len() + more.len());
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    let plan = super::compacting::plan(256);
    assert!(compact(place, &plan, now(), &|_, _, _| {}).await.unwrap().len() >= 8);
    assert_eq!(ids(place).await, all);
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    assert_eq!(rows(place, Topic::Interactions).await["propensity"].null_count(), rows(place, Topic::Interactions).await.num_rows());
}

#[tokio::test]
async fn fields_that_are_added_inside_of_records_are_null_in_older_files() {
    let newest = schema(Topic::Pages).unwrap();
    let at = newest.index_of("items").unwrap();
    let DataType::List(item) = newest.field(at).data_type() else { panic!("a list") };
    let DataType::Struct(fields) = item.data_type() else { panic!("of records") };
    let before: Vec<Field> = fields.iter().filter(|field| field.name() != "profile").map(|field| field.as_ref().clone()).collect();
    let mut columns: Vec<Field> = newest.fields().iter().map(|field| field.as_ref().clone()).collect();
    columns[at] = Field::new("items", DataType::List(std::sync::Arc::new(Field::new("item", DataType::Struct(before.into()), true))), true);
    let older = std::sync::Arc::new(Schema::new(columns));
    let json = r#"{"event_id":"01936f00-0000-7000-8000-000000000001","event_time":"2026-11-24T00:00:00Z","kind":"page_served","deck_id":"d","viewer_id":"1","first":0,"next":1,"language":"zh","items":[{"user_id":"2","position":0,"score":1,"worth":1,"propensity":1,"sources":["hot"],"generation":1,"version":1}],"removed":[],"body_sha256":"x","body_bytes":1}"#;
    let mut decoder = arrow::json::ReaderBuilder::new(older.clone()).build_decoder().unwrap();
    decoder.decode(json.as_bytes()).unwrap();
    let old = decoder.flush().unwrap().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("pages/dt=2026-11-24");
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join("pages-0-0-0.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, older, None).unwrap();
    writer.write(&old).unwrap();
    writer.close().unwrap();
    let read = rows(dir.path().to_str().unwrap(), Topic::Pages).await;
    let items = read["items"].as_list::<i32>().value(0);
    let items = items.as_struct();
    assert_eq!(items.column_by_name("user_id").unwrap().as_string::<i32>().value(0), "2");
    assert!(items.column_by_name("profile").unwrap().is_null(0));
    assert_eq!(events(&read).unwrap().len(), 1);
}
