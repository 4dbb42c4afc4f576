//! `import`: data sets of others, and events as files.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use features::event::Event;
use pipelines::bus::Bus;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::Global;
use super::send::{CHUNK, Sender};
use crate::import::{Gowalla, Links, Network, OkCupid, Placing, Row, Source, SpeedDating, event_files, speed_dating};
use crate::wiring::Log;

/// How many left-out rows are told on the terminal.
const TOLD: usize = 20;

/// What can be imported.
#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// The Columbia speed-dating experiment, from its original CSV.
    #[command(after_help = "Example:\n  hongniang import speed-dating 'Speed Dating Data.csv' --data-dir ~/.local/share/hongniang")]
    SpeedDating(SpeedDatingArgs),
    /// Events as JSON lines, CSV or Parquet: every file below a folder. docs/IMPORT.md has the columns.
    #[command(
        after_help = "Files are read in this order: profiles*, moments*, interactions*, presence*, messages*, others (*.jsonl only).\n\nExamples:\n  hongniang import events export/ --dry-run --errors refused.jsonl\n  hongniang import events interactions-2026.parquet --brokers 127.0.0.1:9092"
    )]
    Events(EventsArgs),
    /// OkCupid profiles (Parquet or CSV): people of what the columns say.
    #[command(after_help = "Example:\n  hongniang import okcupid profiles_revised.csv --dry-run")]
    Okcupid(OkCupidArgs),
    /// Who wrote to whom when (src, dst, ts): message_sent facts.
    #[command(
        after_help = "Columns: src, dst, ts (seconds since 1970), in Parquet, CSV, or text without a header.\n\nExample:\n  hongniang import messages CollegeMsg.txt"
    )]
    Messages(NetworkArgs),
    /// Who gave to whom when (giver, receiver, ts): likes from giver to receiver.
    #[command(
        after_help = "Columns: giver, receiver, ts (seconds since 1970), in Parquet, CSV, or text without a header.\n\nExample:\n  hongniang import gifts ratebeer_transfers.parquet"
    )]
    Gifts(NetworkArgs),
    /// Gowalla: homes, check-ins and friendships below a folder.
    #[command(
        after_help = "Files: *users_home* (user, lat, lon), *checkins* (user, ts, lat, lon), *friends* (u, v), each .parquet or .csv.\n\nExample:\n  hongniang import gowalla geo/"
    )]
    Gowalla(NetworkArgs),
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
    /// Fails when more rows than this have to be left out; nothing is sent then.
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
    /// The folder, or a single file.
    #[arg(value_name = "DIR")]
    place: PathBuf,
    /// Leaves out columns that the tables do not have, instead of refusing the file.
    #[arg(long)]
    ignore_unknown: bool,
    #[command(flatten)]
    common: Common,
}

/// Flags of `okcupid`.
#[derive(Debug, Args)]
pub(super) struct OkCupidArgs {
    /// The file.
    file: PathBuf,
    /// User ids are the row's number plus this.
    #[arg(long, default_value_t = 2_000_000)]
    offset: u64,
    /// When people were as old as they say (RFC 3339); the data does not tell.
    #[arg(long, value_name = "TIME", default_value = "2012-06-30T00:00:00Z")]
    at: DateTime<Utc>,
    #[command(flatten)]
    common: Common,
}

/// Flags of data sets that have people's numbers and times.
#[derive(Debug, Args)]
pub(super) struct NetworkArgs {
    /// The file, or the folder.
    place: PathBuf,
    /// User ids are those of the data plus this [default: 3000000 for messages, 4000000 for gifts, 5000000 for gowalla].
    #[arg(long)]
    offset: Option<u64>,
    /// Moves the data in time, so that the last row falls here (RFC 3339).
    #[arg(long, value_name = "TIME")]
    shift_to: Option<DateTime<Utc>>,
    #[command(flatten)]
    common: Common,
}

impl NetworkArgs {
    fn placing(&self, offset: u64) -> Placing {
        Placing { offset: self.offset.unwrap_or(offset), shift_to: self.shift_to }
    }
}

/// What a command brings in.
fn source_of(command: ImportCommand, now: DateTime<Utc>) -> anyhow::Result<(Source, Common)> {
    Ok(match command {
        ImportCommand::SpeedDating(args) => {
            let bytes = std::fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
            let name = args.file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let options = SpeedDating { offset: args.offset, shift_to: args.shift_to };
            (Source::Rows(speed_dating(&name, &bytes, options, now)), args.common)
        }
        ImportCommand::Events(args) => {
            (Source::Files { files: event_files(&args.place)?, ignore_unknown: args.ignore_unknown }, args.common)
        }
        ImportCommand::Okcupid(args) => (Source::Recorded(Box::new(OkCupid::new(&args.file, args.offset, args.at))), args.common),
        ImportCommand::Messages(args) => {
            (Source::Recorded(Box::new(Network::open(&args.place, Links::Messages, args.placing(3_000_000))?)), args.common)
        }
        ImportCommand::Gifts(args) => {
            (Source::Recorded(Box::new(Network::open(&args.place, Links::Gifts, args.placing(4_000_000))?)), args.common)
        }
        ImportCommand::Gowalla(args) => (Source::Recorded(Box::new(Gowalla::open(&args.place, args.placing(5_000_000))?)), args.common),
    })
}

pub(super) async fn run(global: &Global, command: ImportCommand) -> anyhow::Result<()> {
    let now = Utc::now();
    let (source, common) = source_of(command, now)?;
    let errors = common.errors.clone();
    let (source, survey) = tokio::task::spawn_blocking(move || Survey::of(&source, errors.as_deref(), now).map(|s| (source, s))).await??;
    eprintln!("{} events; {} rows left out", survey.events, survey.refused);
    let bearable = common.max_errors.is_none_or(|most| survey.refused <= most);
    anyhow::ensure!(bearable, "more rows had to be left out than --max-errors allows; nothing was sent");
    if common.dry_run {
        return Ok(());
    }
    let config = global.load()?;
    let log = Log::open(&config).await?;
    let sent = send(&log.bus, source, &survey, Checkpoint::open(&config.data_dir, &survey.identity)?, common.restart, now).await?;
    eprintln!("{sent} events sent");
    log.close().await;
    Ok(())
}

/// What a first reading of a source finds.
struct Survey {
    events: u64,
    refused: usize,
    /// The same for the same events in the same order.
    identity: String,
}

impl Survey {
    fn of(source: &Source, errors: Option<&Path>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let told = |file: &Path| format!("{} cannot be written", file.display());
        let mut errors = errors.map(|file| File::create(file).map(BufWriter::new).with_context(|| told(file))).transpose()?;
        let (mut events, mut refused, mut identity) = (0, 0, Sha256::new());
        source.read(now, &mut |row: Row| {
            match row {
                Ok(event) => {
                    events += 1;
                    identity.update(event.event_id().as_bytes());
                }
                Err(row) => {
                    refused += 1;
                    if refused <= TOLD {
                        eprintln!("{}:{}: {}", row.file, row.line, row.reason);
                    } else if refused == TOLD + 1 && errors.is_none() {
                        eprintln!("… --errors FILE tells all");
                    }
                    if let Some(out) = &mut errors {
                        writeln!(out, "{}", serde_json::to_string(&row)?)?;
                    }
                }
            }
            Ok(())
        })?;
        if let Some(mut out) = errors {
            out.flush()?;
        }
        Ok(Self { events, refused, identity: identity.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect() })
    }
}

/// How many events of an import were acknowledged.
struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    fn open(data_dir: &Path, identity: &str) -> anyhow::Result<Self> {
        let folder = data_dir.join("state/imports");
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self { path: folder.join(identity) })
    }

    /// What cannot be read counts as nothing: sending again is harmless.
    fn read(&self) -> u64 {
        std::fs::read_to_string(&self.path).ok().and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }

    fn write(&self, done: u64) -> anyhow::Result<()> {
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, done.to_string())?;
        Ok(std::fs::rename(&beside, &self.path)?)
    }
}

/// Sends what a former run of the same import has not; the checkpoint moves with every acknowledged chunk.
async fn send(
    bus: &Bus,
    source: Source,
    survey: &Survey,
    checkpoint: Checkpoint,
    restart: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<u64> {
    let mut done = if restart { 0 } else { checkpoint.read().min(survey.events) };
    if done > 0 {
        eprintln!("{done} events were sent before; --restart sends them again, and the gate drops them");
    }
    let before = done;
    let mut sender = Sender::new(bus, "import", survey.events - done)?;
    let (chunks, mut next) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || hand_out(&source, before, &chunks, now));
    while let Some(chunk) = next.recv().await {
        let chunk: Vec<Event> = chunk;
        sender.send(&chunk).await.with_context(|| format!("{done} events are acknowledged; the same command goes on there"))?;
        done += chunk.len() as u64;
        checkpoint.write(done)?;
    }
    reader.await??;
    Ok(done - before)
}

/// Reads the source a second time and hands out what comes after `skip` events, in chunks.
fn hand_out(source: &Source, mut skip: u64, chunks: &mpsc::Sender<Vec<Event>>, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    source.read(now, &mut |row| {
        match row {
            Ok(_) if skip > 0 => skip -= 1,
            Ok(event) => chunk.push(event),
            Err(_) => {}
        }
        if chunk.len() == CHUNK {
            chunks.blocking_send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))).context("the import has ended")?;
        }
        Ok(())
    })?;
    if !chunk.is_empty() {
        chunks.blocking_send(chunk).context("the import has ended")?;
    }
    Ok(())
}
