//! Each fault is brought about, and found by its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use features::topic::Topic;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::commits::Commits;
use super::super::files::Files;
use super::super::*;
use super::{committed, now};
use crate::bus::{Offsets, Record};
use crate::query::session;
use crate::snapshots::open_store;
use crate::testing;

struct Lake {
    dir: tempfile::TempDir,
}

impl Lake {
    async fn new() -> Self {
        let lake = Self { dir: tempfile::tempdir().unwrap() };
        committed(lake.place(), &interactions(), 40).await;
        assert_eq!(lake.kinds().await, Vec::<&str>::new());
        lake
    }

    fn place(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    async fn findings(&self) -> Vec<Finding> {
        verify(self.place(), &[], None, &|_, _| {}).await.unwrap().findings
    }

    async fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<&str> = self.findings().await.iter().map(|found| found.what).collect();
        kinds.dedup();
        kinds
    }

    /// Files of a partition's day, in the order of offsets.
    fn files(&self) -> Vec<PathBuf> {
        let folder = self.dir.path().join("interactions/dt=2026-10-28");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut of_one: Vec<(FileName, PathBuf)> = names.map(|path| (self.name(&path), path)).filter(|(n, _)| n.partition == 0).collect();
        of_one.sort();
        assert!(of_one.len() > 2);
        of_one.into_iter().map(|(_, path)| path).collect()
    }

    fn name(&self, path: &Path) -> FileName {
        FileName::parse(path.strip_prefix(self.dir.path()).unwrap().to_str().unwrap()).unwrap()
    }

    fn renamed(&self, path: &Path, first: i64, last: i64) -> PathBuf {
        self.dir.path().join(FileName { first, last, ..self.name(path) }.path())
    }
}

fn interactions() -> Vec<Record> {
    let mut records = testing::records(&testing::events(41, 900));
    records.retain(|record| record.topic.as_ref() == "interactions");
    records
}

fn read(path: &Path) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap()
}

fn write(path: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn files_that_went_away_or_came_from_elsewhere_are_found() {
    let lake = Lake::new().await;
    let files = lake.files();
    let kept = std::fs::read(&files[0]).unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    let found = lake.findings().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what == "missing" && found[0].detail.contains("rows of offsets") && !found[0].remedy.is_empty(), "{found:?}");
    std::fs::write(&files[0], &kept).unwrap();
    assert_eq!(lake.kinds().await, Vec::<&str>::new());

    let name = lake.name(&files[0]);
    let foreign = lake.renamed(&files[0], 900_000, 900_000 + name.last - name.first);
    std::fs::write(&foreign, &kept).unwrap();
    assert_eq!(lake.kinds().await, ["unlisted"]);
    std::fs::remove_file(foreign).unwrap();

    let cutting = lake.renamed(&files[0], name.first + 1, name.last + 1);
    std::fs::write(&cutting, &kept).unwrap();
    assert_eq!(lake.kinds().await, ["overlap", "unlisted"]);
    std::fs::remove_file(cutting).unwrap();

    compact(lake.place(), &super::compacting::plan(256), now(), &|_, _, _| {}).await.unwrap();
    std::fs::write(&files[0], &kept).unwrap();
    let found = lake.findings().await;
    assert!(found.len() == 1 && found[0].what == "left_over" && found[0].remedy.contains("lake compact"), "{found:?}");
    let rows = session(lake.place()).await.unwrap().table("interactions").await.unwrap().count().await.unwrap();
    assert_eq!(rows, interactions().len(), "queries leave it out meanwhile");
}

#[tokio::test]
async fn what_is_wrong_inside_of_a_file_is_found() {
    let lake = Lake::new().await;
    let path = lake.files().remove(0);
    let kept = std::fs::read(&path).unwrap();
    let rows = read(&path);
    assert!(rows.num_rows() > 1);

    std::fs::write(&path, &kept[..kept.len() - 30]).unwrap();
    assert_eq!(lake.kinds().await, ["unreadable"]);
    let mut flipped = kept.clone();
    flipped[60..80].fill(0xff);
    std::fs::write(&path, flipped).unwrap();
    assert!(lake.kinds().await.iter().all(|kind| *kind == "unreadable" || *kind == "outside_day"), "{:?}", lake.findings().await);

    write(&path, &rows.slice(0, rows.num_rows() - 1));
    assert_eq!(lake.kinds().await, ["row_count"]);

    let backwards = arrow::array::UInt32Array::from_iter_values((0..rows.num_rows() as u32).rev());
    write(&path, &take_record_batch(&rows, &backwards).unwrap());
    assert_eq!(lake.kinds().await, ["unsorted"]);

    let position = rows.schema().index_of("position").unwrap();
    let mut columns = rows.columns().to_vec();
    columns[position] = Arc::new(StringArray::from(vec!["x"; rows.num_rows()])) as ArrayRef;
    let mut fields: Vec<Field> = rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[position] = Field::new("position", DataType::Utf8, true);
    let other = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    write(&path, &other);
    let found = lake.findings().await;
    assert!(found[0].what == "schema" && found[0].detail.contains("`position`"), "{found:?}");

    let extra = Arc::new(Int64Array::from(vec![1; rows.num_rows()])) as ArrayRef;
    let with = RecordBatch::try_from_iter_with_nullable(
        rows.schema().fields().iter().map(|f| (f.name().clone(), rows[f.name().as_str()].clone(), f.is_nullable())).chain([(
            "mood".to_owned(),
            extra,
            true,
        )]),
    );
    write(&path, &with.unwrap());
    assert!(lake.findings().await.iter().any(|f| f.what == "schema" && f.detail.contains("mood")));
    write(&path, &rows.project(&(1..rows.num_columns()).collect::<Vec<_>>()).unwrap());
    assert!(lake.findings().await.iter().any(|f| f.what == "schema" && f.detail.contains("event_id")));
    std::fs::write(&path, &kept).unwrap();
    assert_eq!(lake.kinds().await, Vec::<&str>::new());
}

#[tokio::test]
async fn rows_of_another_day_and_too_many_rows_are_found() {
    let lake = Lake::new().await;
    let path = lake.files().remove(0);
    let name = lake.name(&path);
    let moved = FileName { day: "2026-12-24".parse().unwrap(), first: 800_000, last: 800_000, ..name.clone() };
    std::fs::create_dir_all(lake.dir.path().join("interactions/dt=2026-12-24")).unwrap();
    std::fs::copy(&path, lake.dir.path().join(moved.path())).unwrap();
    let found = lake.findings().await;
    let kinds: Vec<&str> = found.iter().map(|f| f.what).collect();
    assert_eq!(kinds, ["outside_day", "too_many_rows", "unlisted"], "{found:?}");
    assert!(found[0].detail.contains("2026-10-28"), "{found:?}");
}

#[tokio::test]
async fn a_flush_that_was_committed_and_not_moved_in_is_found_until_the_next_start() {
    let lake = Lake::new().await;
    let files = Files::new(open_store(lake.place()).unwrap());
    let (mut commits, mut positions) = Commits::claim(files.clone()).await.unwrap();
    let last = positions.get("interactions", 0).unwrap();
    let name = FileName { first: last, last, ..lake.name(&lake.files()[0]) };
    let bytes = std::fs::read(&lake.files()[0]).unwrap();
    let rows = read(&lake.files()[0]).num_rows() as u64;
    commits.stage().put(&name, bytes).await.unwrap();
    positions.set("interactions", 0, last + 1);
    // A folder where the file must be: the move fails after the commit.
    std::fs::create_dir_all(lake.dir.path().join(name.path()).join("x")).unwrap();
    commits.commit(&positions, &[(name.clone(), rows)]).await.unwrap_err();
    std::fs::remove_dir_all(lake.dir.path().join(name.path())).unwrap();
    assert_eq!(lake.kinds().await, ["unfinished"]);
    Commits::claim(files).await.unwrap();
    assert_eq!(lake.kinds().await, ["too_many_rows"], "moved in; the test gave it a name of one offset");
}

#[tokio::test]
async fn positions_outside_of_the_log_are_found() {
    let lake = Lake::new().await;
    let (_, positions) = Commits::claim(Files::new(open_store(lake.place()).unwrap())).await.unwrap();
    let bounds = |begin: i64, end: i64| {
        let (mut from, mut to) = (Offsets::default(), positions.clone());
        for at in positions.0.keys() {
            from.set(&at.0, at.1, begin);
        }
        to.0.values_mut().for_each(|next| *next += end);
        LogBounds { begin: from, end: to }
    };
    let kinds = async |log: LogBounds| -> Vec<&'static str> {
        let mut kinds: Vec<_> = verify(lake.place(), &[], Some(&log), &|_, _| {}).await.unwrap().findings.iter().map(|f| f.what).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(bounds(0, 7)).await, Vec::<&str>::new());
    assert_eq!(kinds(bounds(0, -1)).await, ["beyond_log"]);
    assert_eq!(kinds(bounds(1 << 40, 1 << 41)).await, ["lost"]);
    assert_eq!(kinds(LogBounds::default()).await, ["beyond_log"], "a log without the partition");
    let mut unknown = bounds(0, 0);
    unknown.begin.set("moments", 0, 5);
    unknown.end.set("moments", 0, 9);
    let found = verify(lake.place(), &[], Some(&unknown), &|_, _| {}).await.unwrap().findings;
    assert!(found.len() == 1 && found[0].what == "lost" && found[0].place == "moments/0", "{found:?}");
}

#[tokio::test]
async fn a_lake_of_before_there_was_a_manifest_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    write_events(place, &testing::events(42, 300)).await.unwrap();
    assert_eq!(verify(place, &[], None, &|_, _| {}).await.unwrap().findings, []);
    compact(place, &super::compacting::plan(256), now(), &|_, _, _| {}).await.unwrap();
    let path = dir.path().join("moments");
    let day = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(day).unwrap();
    let found = verify(place, &[Topic::Moments.name().to_owned()], None, &|_, _| {}).await.unwrap().findings;
    assert_eq!(found.iter().map(|f| f.what).collect::<Vec<_>>(), ["missing"], "from now on it is known what was there");
}
