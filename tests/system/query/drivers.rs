//! The tools of others: Flight SQL spoken with the driver that Python people use, and DuckDB on the same files.

use std::path::PathBuf;
use std::process::Command;

use serving::bench::QUERIES;
use serving::flight;
use tests::{KEY, binary, parts};
use tokio_util::sync::CancellationToken;

use super::town;
use crate::layout::root;

const SCRIPT: &str = include_str!("adbc.py");

#[tokio::test(flavor = "multi_thread")]
async fn adbc_connects_asks_and_is_told() {
    let Some(python) = python_with("adbc_driver_flightsql.dbapi") else { return };
    let (folder, mut config, interactions) = town().await;
    config.flight.listen = "127.0.0.1:0".to_owned();
    let stop = CancellationToken::new();
    let address = flight::start(&config, stop.clone()).await.unwrap().unwrap();
    let script = folder.path().join("adbc.py");
    std::fs::write(&script, SCRIPT).unwrap();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(python).arg(script).args([format!("grpc://{address}"), KEY.to_owned(), interactions.to_string()]).output().unwrap()
    });
    let done = run.await.unwrap();
    let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success() && told.contains("all is well"), "{told}");
    stop.cancel();
}

/// DuckDB is the judge of what typical questions are answered.
#[tokio::test(flavor = "multi_thread")]
async fn duckdb_gives_the_same_answers() {
    let Some(python) = python_with("duckdb") else { return };
    let (_folder, config, _) = town().await;
    let script = root().join("deploy/compare/duckdb.py");
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(python);
        command.arg(script).arg(config.lake_place()).args(["--rounds", "1", "--hongniang"]).arg(binary()).output().unwrap()
    });
    let done = run.await.unwrap();
    let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{told}");
    assert_eq!(told.matches(" equal ").count(), QUERIES.len(), "{told}");
}

/// A Python that has a package.
fn python_with(package: &str) -> Option<PathBuf> {
    let python = parts::of_python("python")?;
    let has = Command::new(&python).args(["-c", &format!("import {package}")]).output().is_ok_and(|out| out.status.success());
    if !has {
        parts::missing(&format!("the Python package {package}"), "run deploy/python.sh");
    }
    has.then_some(python)
}
