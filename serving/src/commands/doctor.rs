//! `doctor`: whether everything that is needed is there, and what to do where it is not.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pipelines::bus::Bus;
use serde::Serialize;

use super::Global;
use super::report::{ReportArgs, print};
use crate::config::Config;
use crate::db::{self, Db, Kind, State};
use crate::models::ModelStore;

/// Flags of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 0 when everything is well, else with 1.\n\nExamples:\n  hongniang doctor\n  hongniang doctor --brokers kafka:9092 --format json"
)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    detail: String,
}

fn finding(what: &'static str, result: Result<String, String>) -> Finding {
    let good = result.is_ok();
    Finding { what, good, detail: result.unwrap_or_else(|e| e) }
}

/// Exit code 0 when everything is well, 1 otherwise.
pub(super) async fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = match global.load() {
        Err(error) => vec![finding("configuration", Err(format!("{error:#}")))],
        Ok(config) => vec![
            finding("configuration", Ok("is well".to_owned())),
            finding("data folder", writable(&config.data_dir)),
            finding("disk", room(&config.data_dir)),
            finding("model", model(&config)),
            finding("event log", log(&config).await),
            finding("database", database(&config).await),
            finding("address", address(&config)),
        ],
    };
    print(&findings, args.report.format)?;
    Ok(if findings.iter().all(|f| f.good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn writable(folder: &Path) -> Result<String, String> {
    let probe = folder.join(".doctor");
    let tried = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, vec![0u8; 1 << 20]))
        .and_then(|()| std::fs::remove_file(&probe));
    tried
        .map(|()| format!("{} can be written", folder.display()))
        .map_err(|e| format!("{}: {e}; free space or choose another --data-dir", folder.display()))
}

/// Kilobytes below which there is little room: segments, snapshots and Parquet files are written anew before old ones go.
const LITTLE_KB: u64 = 2 << 20;

fn room(folder: &Path) -> Result<String, String> {
    let df = std::process::Command::new("df").arg("-Pk").arg(folder).output().map_err(|e| format!("`df` cannot be asked: {e}"))?;
    let told = String::from_utf8_lossy(&df.stdout);
    let free = told.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)).and_then(|kb| kb.parse::<u64>().ok());
    match free {
        Some(kb) if kb >= LITTLE_KB => Ok(format!("{} GiB free", kb >> 20)),
        Some(kb) => Err(format!("{} MiB free in {}; make room, 2 GiB at least", kb >> 10, folder.display())),
        None => Err(format!("`df` does not tell the free space of {}", folder.display())),
    }
}

fn model(config: &Config) -> Result<String, String> {
    if config.model.encoder == "hashing" {
        return Ok("hashing: no weights needed".to_owned());
    }
    let store = ModelStore::open().map_err(|e| e.to_string())?;
    let name = if config.model.encoder.is_empty() { &store.manifest().default_encoder } else { &config.model.encoder };
    store
        .encoder(name)
        .map(|e| format!("{} of {} dimensions is there", e.name(), e.dim()))
        .map_err(|e| format!("{e}; run `hongniang models pull {name}`"))
}

async fn log(config: &Config) -> Result<String, String> {
    if config.kafka.brokers.is_empty() {
        return Ok("embedded".to_owned());
    }
    let bus = Bus::new(config.kafka.clone()).map_err(|e| e.to_string())?;
    bus.ping(Duration::from_secs(5)).await.map(|()| format!("{} answers", config.kafka.brokers)).map_err(|e| e.to_string())
}

async fn database(config: &Config) -> Result<String, String> {
    let (settings, place) = (&config.database, config.database.shown(&config.data_dir));
    let embedded = settings.kind()? == Kind::Sqlite;
    if embedded && !settings.file(&config.data_dir).exists() {
        return Ok(format!("{place} is made at the first start"));
    }
    let db = Db::open(settings, &config.data_dir).await.map_err(|e| e.to_string())?;
    let told = db::status(&db).await;
    db.close().await;
    match told.map_err(|e| e.to_string())?.iter().filter(|m| m.state == State::Pending).count() {
        0 => Ok(format!("{place} is up to date")),
        missing if embedded || settings.migrate => Ok(format!("{place} lacks {missing} migrations; the next start applies them")),
        missing => Err(format!("{place} lacks {missing} migrations; run `hongniang migrate up`")),
    }
}

fn address(config: &Config) -> Result<String, String> {
    let listen = config.http.listen;
    std::net::TcpListener::bind(listen)
        .map(|_| format!("{listen} is free"))
        .map_err(|e| format!("{listen}: {e}; stop what uses it or choose another --listen"))
}
