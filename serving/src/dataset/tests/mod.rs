#![allow(clippy::unwrap_used)]

mod examples;
mod leaks;
mod town;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, AsArray, RecordBatch};
use features::embed::{HashingEncoder, TextEncoder};
use features::event::Event;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipelines::lake::write_events;

use super::*;

/// A lake of these events, below a data folder of its own.
async fn lake(events: &[Event]) -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().join("data"), ..Config::default() };
    write_events(&config.lake_place(), events).await.unwrap();
    (dir, config)
}

fn encoder() -> Option<Arc<dyn TextEncoder>> {
    Some(Arc::new(HashingEncoder::new(16)))
}

fn spec() -> Spec {
    Spec {
        from: None,
        to: None,
        window: TimeDelta::hours(30),
        shares: Shares { by: SplitBy::Viewer, valid: 0.2, test: 0.3 },
        sample: None,
        vectors: true,
        again: false,
    }
}

async fn made(config: &Config, out: &Path, spec: &Spec) -> anyhow::Result<Made> {
    let shelf = Shelf::open(out.to_str().unwrap()).unwrap();
    make(config, encoder(), spec, &shelf, |_| ()).await
}

/// Files of a dataset by name.
fn files(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let days = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("dt="));
    let names = days.map(|day| day.join("impressions.parquet")).filter(|file| file.exists());
    names.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect::<BTreeMap<_, _>>()
}

/// Every row of a dataset, in the order of files.
fn rows(out: &Path) -> RecordBatch {
    let mut all = Vec::new();
    for (_, bytes) in files(out) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        all.extend(reader.map(Result::unwrap));
    }
    arrow::compute::concat_batches(&all[0].schema(), &all).unwrap()
}

/// A dataset of some events.
async fn dataset(events: &[Event]) -> RecordBatch {
    let (dir, config) = lake(events).await;
    let out = dir.path().join("out");
    made(&config, &out, &spec()).await.unwrap();
    rows(&out)
}

/// What some columns hold of each row, bit for bit, by the impression.
fn by_impression(rows: &RecordBatch, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<ArrayData>> {
    let schema = rows.schema();
    let places: Vec<usize> = (0..rows.num_columns()).filter(|at| wanted(&schema.field(*at).metadata()["role"])).collect();
    let row = |at: usize| places.iter().map(|place| rows.column(*place).slice(at, 1).to_data()).collect();
    rows["event_id"].as_string::<i32>().iter().enumerate().map(|(at, id)| (id.unwrap().to_owned(), row(at))).collect()
}

fn text<'a>(rows: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    rows[name].as_string::<i32>().iter().map(Option::unwrap_or_default).collect()
}

fn flags(rows: &RecordBatch, name: &str) -> Vec<Option<bool>> {
    rows[name].as_boolean().iter().collect()
}

fn doubles(rows: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    rows[name].as_primitive::<arrow::datatypes::Float64Type>().iter().collect()
}

fn lists(rows: &RecordBatch, name: &str) -> Vec<Vec<String>> {
    let list = |list: Option<arrow::array::ArrayRef>| list.unwrap().as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    rows[name].as_list::<i32>().iter().map(list).collect()
}
