//! SQL over the lake as analysts meet it: the command, the conversation, and Flight SQL with the drivers of others.

mod drivers;
mod flight;
mod shell;

use chrono::{DateTime, Utc};
use serving::config::Config;
use serving::town::{Town, TownSpec};
use tempfile::TempDir;

/// The day after the last one of the town.
const UNTIL: &str = "2026-11-20T00:00:00Z";

/// A data folder with the lake of a small town, without anything else of a platform, and how many interactions it has.
async fn town() -> (TempDir, Config, usize) {
    let folder = tempfile::tempdir().unwrap();
    let until: DateTime<Utc> = UNTIL.parse().unwrap();
    let events = Town::new(TownSpec { users: 600, days: 10, seed: 5, until }).events();
    let config = Config { data_dir: folder.path().to_path_buf(), ..Config::default() };
    pipelines::lake::write_events(&config.lake_place(), &events).await.unwrap();
    let interactions = events.iter().filter(|e| e.topic() == features::topic::Topic::Interactions).count();
    assert!(interactions > 1000, "{interactions}");
    (folder, config, interactions)
}
