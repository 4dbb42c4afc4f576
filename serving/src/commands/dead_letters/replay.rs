//! `dead-letters replay`.

use chrono::Utc;
use clap::Args;
use pipelines::dead_letters::{self as letters, Letter, LetterId, Outcome};
use serde::Serialize;

use super::{FilterArgs, one, origin};
use crate::commands::Global;
use crate::commands::report::{ReportArgs, print};
use crate::wiring::Log;

/// Flags of `replay`.
#[derive(Debug, Args)]
pub(in crate::commands) struct ReplayArgs {
    /// These letters.
    #[arg(long = "id", value_name = "LETTER", conflicts_with_all = ["job", "topic", "reason", "since", "all"])]
    ids: Vec<LetterId>,
    #[command(flatten)]
    which: FilterArgs,
    /// Every letter that was not sent yet.
    #[arg(long)]
    all: bool,
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
    /// Says what would become of each and sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// Also those that were sent before.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Serialize)]
struct ReplayRow {
    id: String,
    origin: String,
    outcome: &'static str,
    event_id: String,
    reason: String,
}

pub(super) async fn replay(global: &Global, args: &ReplayArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.ids.is_empty() || args.which.any() || args.all,
        "say which letters: --id, --reason, --topic, --job, --since, or --all"
    );
    let log = Log::open(&global.load()?).await?;
    let mut found =
        if args.ids.is_empty() { letters::list(&log.bus, &args.which.filter(!args.again), args.limit).await? } else { Vec::new() };
    for id in &args.ids {
        found.push(one(&log, *id).await?);
    }
    // In the order in which they were refused: of two words about one thing the later one must come last.
    found.sort_by_key(|letter| (letter.letter.refused_at, letter.id));
    let done = letters::replay(&log.bus, &found, (args.dry_run, args.again), Utc::now()).await?;
    log.close().await;
    let rows: Vec<ReplayRow> = found.iter().zip(&done).map(|(letter, done)| row(letter, &done.outcome, args.dry_run)).collect();
    print(&rows, args.report.format)?;
    let sent = done.iter().filter(|done| matches!(done.outcome, Outcome::Sent(_))).count();
    let verb = if args.dry_run { "would be sent" } else { "sent" };
    eprintln!("{sent} of {} letters {verb} to inbox", done.len());
    Ok(())
}

fn row(letter: &Letter, outcome: &Outcome, dry_run: bool) -> ReplayRow {
    let reason = match outcome {
        Outcome::Sent(_) => String::new(),
        Outcome::SentBefore => "--again sends it once more".to_owned(),
        Outcome::Refused(reason) => reason.clone(),
        Outcome::Derived => {
            format!("a job makes records of `{}` from events; they are made again by themselves, or by `backfill`", letter.letter.topic)
        }
        Outcome::Cut => format!("only the beginning was kept; the whole record is at {} as long as the log keeps it", origin(letter)),
    };
    let event_id = if let Outcome::Sent(id) = outcome { id.to_string() } else { String::new() };
    let outcome = if dry_run && matches!(outcome, Outcome::Sent(_)) { "would be sent" } else { outcome.name() };
    ReplayRow { id: letter.id.to_string(), origin: origin(letter), outcome, event_id, reason }
}
