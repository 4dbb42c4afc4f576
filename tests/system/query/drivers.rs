//! Flight SQL, spoken with the driver that Python people use.

use std::path::PathBuf;
use std::process::Command;

use serving::flight;
use tests::{KEY, parts};
use tokio_util::sync::CancellationToken;

use super::town;

const SCRIPT: &str = include_str!("adbc.py");

#[tokio::test(flavor = "multi_thread")]
async fn adbc_connects_asks_and_is_told() {
    let Some(python) = python() else { return };
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

/// A Python that has the driver.
fn python() -> Option<PathBuf> {
    let python = parts::python()?;
    let has =
        Command::new(&python).args(["-c", "import adbc_driver_flightsql.dbapi, pyarrow"]).output().is_ok_and(|out| out.status.success());
    if !has {
        parts::missing("the Python package adbc-driver-flightsql", "run deploy/python.sh");
    }
    has.then_some(python)
}
