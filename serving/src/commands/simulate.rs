//! `simulate`: a town grows through `inbox`, like any traffic.

use chrono::{DateTime, Utc};
use clap::Args;
use features::event::Event;
use features::topic::Topic;
use pipelines::bus::Bus;

use super::Global;
use super::report::{ReportArgs, print};
use super::send::{CHUNK, Sender};
use crate::town::{Town, TownSpec, stats};
use crate::wiring::Log;

/// Flags of `simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hongniang simulate --users 2000 --days 14 --seed 1 --dry-run --stats\n  hongniang simulate --users 500 --brokers 127.0.0.1:9092"
)]
pub(super) struct SimulateArgs {
    /// How many people.
    #[arg(long, default_value_t = 2000)]
    users: u32,
    /// How many days of life.
    #[arg(long, default_value_t = 14)]
    days: u32,
    /// The seed of everything; the same seed grows the same town.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When the last day ends, RFC 3339; now, when left out.
    #[arg(long)]
    until: Option<DateTime<Utc>>,
    /// Sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// Prints how uneven the town is, beside real data.
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) async fn run(global: &Global, args: SimulateArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.users >= 2 && args.days >= 1, "a town needs --users of at least 2 and --days of at least 1");
    let spec = TownSpec { users: args.users, days: args.days, seed: args.seed, until: args.until.unwrap_or_else(Utc::now) };
    if args.stats || args.dry_run {
        let town = Town::new(spec.clone());
        let events = town.events();
        print(&stats(&town, &events), args.report.format)?;
    }
    if !args.dry_run {
        let log = Log::open(&global.load()?).await?;
        let sent = grow(&log.bus, spec).await?.len();
        eprintln!("{sent} events are in `{}`", Topic::Inbox.name());
        log.close().await;
    }
    Ok(())
}

/// Lets a town grow through `inbox`; what has happened there.
///
/// # Errors
/// When the event log fails.
pub(crate) async fn grow(bus: &Bus, spec: TownSpec) -> anyhow::Result<Vec<Event>> {
    let events = tokio::task::spawn_blocking(move || Town::new(spec).events()).await?;
    let mut sender = Sender::new(bus, "town", events.len() as u64)?;
    for chunk in events.chunks(CHUNK) {
        sender.send(chunk).await?;
    }
    Ok(events)
}
