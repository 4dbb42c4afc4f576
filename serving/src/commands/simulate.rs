//! `simulate`: a town grows through `inbox`, like any traffic.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use features::event::Event;
use features::topic::Topic;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipelines::bus::{Bus, OutRecord};

use super::Global;
use super::report::{ReportArgs, print};
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
        let sent = grow(&log.bus, spec).await?;
        eprintln!("{sent} events are in `{}`", Topic::Inbox.name());
        log.close().await;
    }
    Ok(())
}

/// Lets a town grow through `inbox`; the number of events.
///
/// # Errors
/// When the event log fails.
pub(crate) async fn grow(bus: &Bus, spec: TownSpec) -> anyhow::Result<u64> {
    let events = tokio::task::spawn_blocking(move || Town::new(spec).events()).await?;
    send(bus, "town", &events, |_| Ok(())).await?;
    Ok(events.len() as u64)
}

/// Sends events through `inbox` with a progress bar (plain lines where there is no terminal); `acknowledged` hears how many are durable.
pub(super) async fn send(
    bus: &Bus,
    what: &str,
    events: &[Event],
    acknowledged: impl Fn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let producer = bus.producer()?;
    let bar = bar(what, events.len() as u64);
    let plain = bar.is_hidden();
    let mut sent = 0;
    for (i, chunk) in events.chunks(5_000).enumerate() {
        let record = |e: &Event| OutRecord::new(Topic::Inbox.name(), e.actor().to_string(), Some(e.encode()));
        producer.send_all(chunk.iter().map(record).collect()).await?;
        sent += chunk.len();
        acknowledged(sent)?;
        bar.inc(chunk.len() as u64);
        if plain && i % 10 == 9 {
            eprintln!("{what}: {sent} of {} events", events.len());
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn bar(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} events, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
