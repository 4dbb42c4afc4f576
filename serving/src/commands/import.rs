//! `import speed-dating FILE` and `import events DIR`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use features::ids::derived_event_id;
use pipelines::bus::Bus;

use super::Global;
use super::simulate::send;
use crate::import::{Parsed, SpeedDating, json_lines, speed_dating};
use crate::wiring::Log;

/// What can be imported.
#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// The Columbia speed-dating experiment, from its original CSV.
    #[command(after_help = "Example:\n  hongniang import speed-dating 'Speed Dating Data.csv' --data-dir ~/.local/share/hongniang")]
    SpeedDating(SpeedDatingArgs),
    /// Events as JSON lines: every *.jsonl of a folder, by name; one event of docs/EVENTS.md per line, `event_id` may be left out.
    Events(EventsArgs),
}

/// Flags of every import.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Only reads and tells.
    #[arg(long)]
    dry_run: bool,
    /// Begins at the first row again; without it an import goes on after the last row that was acknowledged.
    #[arg(long)]
    restart: bool,
    /// Fails when more rows than this have to be left out.
    #[arg(long, value_name = "N")]
    max_errors: Option<usize>,
    /// Writes every row that was left out, as JSON lines.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

/// Flags of `speed-dating`.
#[derive(Debug, Args)]
pub(super) struct SpeedDatingArgs {
    /// The CSV.
    file: PathBuf,
    /// User ids are `iid` plus this.
    #[arg(long, default_value_t = 1_000_000)]
    offset: u64,
    /// Moves the experiment in time, so that its last wave falls here (RFC 3339).
    #[arg(long)]
    shift_to: Option<DateTime<Utc>>,
    #[command(flatten)]
    common: Common,
}

/// Flags of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// The folder.
    folder: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(global: &Global, command: ImportCommand) -> anyhow::Result<()> {
    match command {
        ImportCommand::SpeedDating(args) => {
            let bytes = read(&args.file)?;
            let parsed = speed_dating(&name(&args.file), &bytes, SpeedDating { offset: args.offset, shift_to: args.shift_to }, Utc::now());
            finish(global, &args.common, parsed).await
        }
        ImportCommand::Events(args) => {
            let mut all = Parsed::default();
            for file in files(&args.folder)? {
                let parsed = json_lines(&name(&file), &read(&file)?, Utc::now());
                all.events.extend(parsed.events);
                all.refused.extend(parsed.refused);
            }
            finish(global, &args.common, all).await
        }
    }
}

fn name(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files: Vec<PathBuf> =
        listed.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect();
    files.sort();
    anyhow::ensure!(!files.is_empty(), "{} has no *.jsonl", folder.display());
    Ok(files)
}

async fn finish(global: &Global, common: &Common, parsed: Parsed) -> anyhow::Result<()> {
    for refused in parsed.refused.iter().take(20) {
        eprintln!("{}:{}: {}", refused.file, refused.line, refused.reason);
    }
    if let Some(file) = &common.errors {
        let lines: Vec<String> = parsed.refused.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        std::fs::write(file, lines.join("\n") + "\n").with_context(|| format!("{} cannot be written", file.display()))?;
    }
    eprintln!("{} events; {} rows left out", parsed.events.len(), parsed.refused.len());
    let bearable = common.max_errors.is_none_or(|most| parsed.refused.len() <= most);
    anyhow::ensure!(bearable, "more rows had to be left out than --max-errors allows; nothing was sent");
    if common.dry_run {
        return Ok(());
    }
    let config = global.load()?;
    let log = Log::open(&config).await?;
    let sent = send_on(&log.bus, &config.data_dir, common, &parsed).await?;
    eprintln!("{sent} events sent");
    log.close().await;
    Ok(())
}

/// Sends what a former run of the same import has not; the checkpoint moves with every acknowledged part.
async fn send_on(bus: &Bus, data_dir: &Path, common: &Common, parsed: &Parsed) -> anyhow::Result<usize> {
    let ids: Vec<String> = parsed.events.iter().map(|e| e.event_id().to_string()).collect();
    let import = derived_event_id(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = data_dir.join("state/imports");
    std::fs::create_dir_all(&folder)?;
    let checkpoint = folder.join(import.to_string());
    let done = std::fs::read_to_string(&checkpoint).ok().and_then(|n| n.trim().parse::<usize>().ok()).filter(|_| !common.restart);
    let done = done.unwrap_or(0).min(parsed.events.len());
    if done > 0 {
        eprintln!("{done} events were sent before; --restart sends them again, and the gate drops them");
    }
    send(bus, "import", &parsed.events[done..], |sent| Ok(std::fs::write(&checkpoint, (done + sent).to_string())?)).await?;
    Ok(parsed.events.len() - done)
}
