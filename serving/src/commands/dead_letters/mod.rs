//! `dead-letters list|show|fix|replay`.

mod fix;
mod replay;
mod set;
mod show;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use pipelines::dead_letters::{self as letters, Letter, LetterFilter, LetterId};
use serde::Serialize;

use self::fix::FixArgs;
use self::replay::ReplayArgs;
use self::show::ShowArgs;
use super::Global;
use super::report::{ReportArgs, print};
use crate::wiring::Log;

/// What can be done with what was refused.
#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Which letters there are: the newest, or by cause.
    #[command(
        after_help = "Examples:\n  hongniang dead-letters list --by reason                  how many of each cause\n  hongniang dead-letters list --reason birth_date --since 2h --state open\n  hongniang dead-letters list --limit 1000 --format csv --brokers kafka:9092"
    )]
    List(ListArgs),
    /// One letter: why, from where, and the record with the fault marked.
    #[command(
        after_help = "Examples:\n  hongniang dead-letters show 0-153\n  hongniang dead-letters show 0-153 --raw > record.json      the bytes as they came"
    )]
    Show(ShowArgs),
    /// Corrects a letter, judges it as the gate does, and sends it to `inbox`.
    #[command(
        after_help = "The event keeps its event_id, so that it counts once however often it is sent. The letter stays, and is told as `fixed`.\n\nExamples:\n  hongniang dead-letters fix 0-153                           in $EDITOR\n  hongniang dead-letters fix 0-153 --set profile.birth_date=1999-02-03 --set position:=3 --set tags:='[\"猫\"]'\n  hongniang dead-letters fix 0-153 --with record.json --dry-run"
    )]
    Fix(FixArgs),
    /// Sends letters again whose cause is gone; those that would be refused again stay.
    #[command(
        after_help = "What was sent is marked, and a second call leaves it alone; an event that was filed meanwhile is dropped by the gate, by its event_id.\n\nExamples:\n  hongniang dead-letters replay --reason 'unknown kind' --since 2026-11-20 --dry-run\n  hongniang dead-letters replay --id 0-153 --id 2-7\n  hongniang dead-letters replay --all --format json"
    )]
    Replay(ReplayArgs),
}

pub(super) async fn run(global: &Global, command: DeadLettersCommand) -> anyhow::Result<()> {
    match command {
        DeadLettersCommand::List(args) => list(global, args).await,
        DeadLettersCommand::Show(args) => show::show(global, &args).await,
        DeadLettersCommand::Fix(args) => fix::fix(global, &args).await,
        DeadLettersCommand::Replay(args) => replay::replay(global, &args).await,
    }
}

/// Which letters.
#[derive(Debug, Clone, Args)]
pub(super) struct FilterArgs {
    /// Refused by this job.
    #[arg(long)]
    job: Option<String>,
    /// Came from this topic.
    #[arg(long, visible_alias = "source")]
    topic: Option<String>,
    /// Reason contains this.
    #[arg(long)]
    reason: Option<String>,
    /// Refused since: a time, a day, or so long ago as 30m, 2h or 7d.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
}

impl FilterArgs {
    fn any(&self) -> bool {
        self.job.is_some() || self.topic.is_some() || self.reason.is_some() || self.since.is_some()
    }

    fn filter(&self, open: bool) -> LetterFilter {
        let since = self.since.map(|since| match since {
            Since::At(at) => at,
            Since::Ago(ago) => Utc::now().checked_sub_signed(ago).unwrap_or(DateTime::<Utc>::MIN_UTC),
        });
        LetterFilter { job: self.job.clone(), topic: self.topic.clone(), reason: self.reason.clone(), since, open }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

fn since(text: &str) -> Result<Since, String> {
    let ago = text.char_indices().next_back().and_then(|(at, unit)| {
        let number: i64 = text[..at].parse().ok()?;
        match unit {
            's' => TimeDelta::try_seconds(number),
            'm' => TimeDelta::try_minutes(number),
            'h' => TimeDelta::try_hours(number),
            'd' => TimeDelta::try_days(number),
            _ => None,
        }
    });
    let day = || text.parse::<chrono::NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    ago.map(Since::Ago)
        .or_else(|| text.parse().ok().or_else(day).map(Since::At))
        .ok_or_else(|| "expected a time (2026-11-20T08:00:00Z), a day (2026-11-20), or how long ago (30m, 2h, 7d)".to_owned())
}

/// What became of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateArg {
    /// Nothing yet.
    Open,
    /// Sent again as they were.
    Replayed,
    /// Sent again, corrected.
    Fixed,
    /// Any.
    All,
}

impl StateArg {
    fn accepts(self, letter: &Letter) -> bool {
        let name = letter.state().name();
        match self {
            Self::All => true,
            Self::Open => name == "open",
            Self::Replayed => name == "replayed",
            Self::Fixed => name == "fixed",
        }
    }
}

/// By what letters are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Job, topic and reason, without the numbers and quotes in it.
    Reason,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Newest so many.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    which: FilterArgs,
    /// What became of them.
    #[arg(long, value_enum, default_value = "all")]
    state: StateArg,
    /// Counts all of them instead, most first.
    #[arg(long, value_enum)]
    by: Option<By>,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Serialize)]
struct LetterRow {
    id: String,
    refused_at: String,
    job: String,
    origin: String,
    state: &'static str,
    reason: String,
    raw: String,
}

#[derive(Serialize)]
struct GroupRow {
    letters: u64,
    open: u64,
    job: String,
    topic: String,
    reason: String,
    first: String,
    last: String,
    example: String,
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn origin(letter: &Letter) -> String {
    format!("{}/{}@{}", letter.letter.topic, letter.letter.partition, letter.letter.offset)
}

pub(super) async fn list(global: &Global, args: ListArgs) -> anyhow::Result<()> {
    let log = Log::open(&global.load()?).await?;
    if args.by.is_some() {
        anyhow::ensure!(matches!(args.state, StateArg::All | StateArg::Open), "--state: with --by use open or all");
        let found = letters::groups(&log.bus, &args.which.filter(args.state == StateArg::Open)).await?;
        log.close().await;
        let row = |g: letters::Group| GroupRow {
            letters: g.letters,
            open: g.open,
            job: g.job,
            topic: g.topic,
            reason: g.reason,
            first: time(g.first),
            last: time(g.last),
            example: g.example.to_string(),
        };
        return tell(&found.into_iter().map(row).collect::<Vec<_>>(), &args.report);
    }
    let found = match args.state {
        StateArg::All => letters::list(&log.bus, &args.which.filter(false), args.limit).await?,
        StateArg::Open => letters::list(&log.bus, &args.which.filter(true), args.limit).await?,
        // Few are sent again, and those lie anywhere.
        sent => {
            let mut found = Vec::new();
            letters::scan(&log.bus, &args.which.filter(false), |letter| found.extend(sent.accepts(&letter).then_some(letter))).await?;
            found.sort_by_key(|letter| std::cmp::Reverse((letter.letter.refused_at, letter.id)));
            found.truncate(args.limit);
            found
        }
    };
    log.close().await;
    let row = |letter: Letter| LetterRow {
        id: letter.id.to_string(),
        refused_at: letter.letter.refused_at.to_rfc3339(),
        job: letter.letter.job.clone(),
        origin: origin(&letter),
        state: letter.state().name(),
        reason: letter.letter.reason.clone(),
        raw: letters::raw(&letter.letter)
            .map_or_else(|_| letter.letter.raw.clone(), |bytes| String::from_utf8_lossy(&bytes).chars().take(160).collect()),
    };
    tell(&found.into_iter().map(row).collect::<Vec<_>>(), &args.report)
}

fn tell<T: Serialize>(rows: &[T], report: &ReportArgs) -> anyhow::Result<()> {
    if rows.is_empty() {
        eprintln!("nothing was refused");
    }
    print(rows, report.format)
}

/// The letter of that name.
async fn one(log: &Log, id: LetterId) -> anyhow::Result<Letter> {
    letters::find(&log.bus, id).await?.with_context(|| format!("there is no letter {id}; `hongniang dead-letters list` shows them"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_a_day_or_how_long_ago() {
        assert_eq!(since("2h").unwrap(), Since::Ago(TimeDelta::hours(2)));
        assert_eq!(since("2026-11-20").unwrap(), Since::At("2026-11-20T00:00:00Z".parse().unwrap()));
        assert_eq!(since("2026-11-20T08:00:00Z").unwrap(), Since::At("2026-11-20T08:00:00Z".parse().unwrap()));
        for wrong in ["", "h", "2y", "yesterday", "99999999999999999999d", "9223372036854775807d", "猫"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
