//! `eval`: the protocols of evaluation, on the lake.

mod lake;
mod town;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use datafusion::prelude::SessionContext;
use ranker::eval::protocols::contacts::DAY;
use ranker::eval::{Bootstrap, Row};
use serde::Serialize;

use super::Global;
use super::off_policy::{self, OffPolicyArgs};
use super::report::{Format, ReportArgs, render, say};
use crate::eval::report::{Plot, told, write_html, write_parquet};
use crate::eval::{Findings, IdRange, answers, cold, contacts, likes, meetings_of, messages, partners, warm};

/// What can be evaluated.
#[derive(Debug, Subcommand)]
pub(super) enum EvalCommand {
    /// Who will match, among people who meet for an evening: warm (the first 70 % of it are known) and cold (sign-up answers only).
    #[command(
        after_help = "Needs likes and passes of decks that whole groups shared, as `import speed-dating` brings them.\n\nExample:\n  hongniang import speed-dating 'Speed Dating Data.csv' --data-dir D    # then `up`, until the lake has it\n  hongniang eval meetings --data-dir D --answers 'Speed Dating Data.csv' --html meetings.html"
    )]
    Meetings(MeetingsArgs),
    /// Whether a first message will be answered within seven days.
    #[command(
        after_help = "Needs message_sent facts, as `import messages` brings them.\n\nExample:\n  hongniang eval contacts --data-dir D --history 0.6 --history 0.8 --format csv"
    )]
    Contacts(ContactsArgs),
    /// With whom somebody will begin to exchange likes, both ways.
    #[command(
        after_help = "Needs likes, as `import gifts` brings them.\n\nExample:\n  hongniang eval partners --data-dir D --until 2011-03-02T08:00:00Z --days 365"
    )]
    Partners(PartnersArgs),
    /// The ranking, its parts and the arms of experiments against what people did in a lake after a split in time: imported, simulated or lived.
    Lake(lake::LakeArgs),
    /// Every strategy in a simulated town, where the hidden truth tells what each page is worth, and how far from the best it is.
    Town(town::TownArgs),
    /// What fairness costs: a simulated town lives some days with each setting of the knobs; matches against how unevenly likes fall.
    Fairness(town::FairnessArgs),
    /// What other policies would have earned, from a log with propensities: IPS, SNIPS, direct, doubly robust.
    OffPolicy(OffPolicyArgs),
}

/// Flags of every evaluation.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Only people with ids in this range, e.g. 1000000-1999999; imports place theirs at their --offset.
    #[arg(long, value_name = "FROM-TO")]
    ids: Option<IdRange>,
    /// How often the rows are drawn again for an interval.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    replicates: u32,
    /// The seed of these draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: Output,
}

impl Common {
    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { replicates: self.replicates, level: 0.95, seed: self.seed }
    }

    fn people(&self) -> IdRange {
        self.ids.unwrap_or(IdRange::ALL)
    }
}

/// Where the rows go.
#[derive(Debug, Args)]
pub(super) struct Output {
    #[command(flatten)]
    report: ReportArgs,
    /// Also writes the rows as Parquet.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Also writes a page with pictures, in one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Flags of `meetings`.
#[derive(Debug, Args)]
pub(super) struct MeetingsArgs {
    /// Sign-up answers for the cold half: the original file, or a table with the same columns (iid, age, race, …).
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// User ids are the `iid` of --answers plus this, as in the import.
    #[arg(long, default_value_t = 1_000_000)]
    offset: u64,
    /// Decks whose name begins with this are evenings.
    #[arg(long, value_name = "TEXT", default_value = "wave-")]
    decks: String,
    #[command(flatten)]
    common: Common,
}

/// Flags of `contacts`.
#[derive(Debug, Args)]
pub(super) struct ContactsArgs {
    /// The share of contacts that is history; give it several times to see how much it matters.
    #[arg(long, value_name = "SHARE", default_values_t = [0.7])]
    history: Vec<f64>,
    #[command(flatten)]
    common: Common,
}

/// Flags of `partners`.
#[derive(Debug, Args)]
pub(super) struct PartnersArgs {
    /// When it is asked (RFC 3339); likes before it are known. May be given several times. Without it: --days before the last like.
    #[arg(long, value_name = "TIME")]
    until: Vec<DateTime<Utc>>,
    /// Within how many days after it both must have begun.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(global: &Global, command: EvalCommand) -> anyhow::Result<()> {
    let lake = async || anyhow::Ok(pipelines::query::session(&global.load()?.lake_place()).await?);
    match command {
        EvalCommand::OffPolicy(args) => off_policy::run(args).await,
        EvalCommand::Lake(args) => lake::run(global, args).await,
        EvalCommand::Town(args) => town::run(global, args).await,
        EvalCommand::Fairness(args) => town::fairness(global, args).await,
        EvalCommand::Meetings(args) => {
            let found = meetings(&lake().await?, &args).await?;
            args.common.output.tell("Meetings: who will match 见面：谁会互相喜欢", &found)
        }
        EvalCommand::Contacts(args) => {
            for share in &args.history {
                anyhow::ensure!((0.0..1.0).contains(share), "--history: {share} is not a share; give a number of 0 or more, below 1");
            }
            let rows = messages(&lake().await?, args.common.people()).await?;
            some(rows.len(), "message_sent facts", "hongniang import messages FILE")?;
            let (shares, bootstrap) = (args.history.clone(), args.common.bootstrap());
            let found = tokio::task::spawn_blocking(move || contacts(&rows, &shares, bootstrap)).await?;
            anyhow::ensure!(
                !found.measures().is_empty(),
                "there are too few messages: before and after the split some must be answered and some not"
            );
            args.common.output.tell("First contacts: who will answer 首次联系：谁会回复", &found)
        }
        EvalCommand::Partners(args) => {
            let rows = likes(&lake().await?, args.common.people()).await?;
            some(rows.len(), "likes", "hongniang import gifts FILE")?;
            let last = rows.iter().map(|like| like.at).max().unwrap_or_default() - i64::from(args.days) * DAY;
            let asked: Vec<i64> = args.until.iter().map(DateTime::timestamp).collect();
            let moments = if asked.is_empty() { vec![last] } else { asked };
            let (days, bootstrap) = (i64::from(args.days), args.common.bootstrap());
            let found = tokio::task::spawn_blocking(move || partners(&rows, &moments, days, bootstrap)).await?;
            args.common.output.tell("New partners: with whom an exchange begins 新伙伴：谁会开始互赠", &found)
        }
    }
}

/// Warm, and cold when there are answers.
async fn meetings(lake: &SessionContext, args: &MeetingsArgs) -> anyhow::Result<Findings> {
    let read = meetings_of(lake, &args.decks, args.common.people()).await?;
    some(read.meetings.len(), "meetings of a man and a woman who both said yes or no", "hongniang import speed-dating FILE")?;
    if read.left_out > 0 {
        eprintln!(
            "{} meetings; {} left out: one side said nothing, or is not known as a man or a woman",
            read.meetings.len(),
            read.left_out
        );
    }
    let answered = args.answers.as_deref().map(|file| answers(file, args.offset)).transpose()?;
    let bootstrap = args.common.bootstrap();
    let (found, without) = tokio::task::spawn_blocking(move || {
        let mut found = warm(&read.meetings, bootstrap);
        let without = answered.map(|answers| {
            let (more, without) = cold(&read.meetings, &answers, bootstrap);
            found.append(more);
            without
        });
        (found, without)
    })
    .await?;
    match without {
        None => eprintln!("warm only; --answers FILE, the original file, adds the cold half"),
        Some(0) => {}
        Some(count) => eprintln!("{count} meetings left out of the cold half: somebody has no answers; is --offset that of the import?"),
    }
    Ok(found)
}

/// Refuses an empty lake with what would fill it.
fn some(count: usize, what: &str, import: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        count > 0,
        "the lake has no {what}: `{import}` brings some, and `hongniang up` with the same --data-dir files them in the lake within lake.flush_s seconds"
    );
    Ok(())
}

impl Output {
    /// Prints the rows and writes the files that were asked for.
    fn tell(&self, title: &str, found: &Findings) -> anyhow::Result<()> {
        self.tell_with(title, found, &found.plots())
    }

    /// The same with pictures of one's choice.
    fn tell_with(&self, title: &str, found: &Findings, plots: &[Plot]) -> anyhow::Result<()> {
        self.write(title, &found.rows(), plots)?;
        if self.report.format != Format::Table {
            return say(render(&found.rows(), self.report.format)?);
        }
        say(render(&found.measures().iter().map(Line::of).collect::<Vec<_>>(), Format::Table)?)?;
        let bins = bins(&found.reliability());
        if bins.is_empty() { Ok(()) } else { say(render(&bins, Format::Table)?) }
    }

    /// The same for rows without reliability tables.
    fn tell_rows(&self, title: &str, rows: &[Row], plots: &[Plot]) -> anyhow::Result<()> {
        self.write(title, rows, plots)?;
        if self.report.format != Format::Table {
            return say(render(rows, self.report.format)?);
        }
        say(render(&rows.iter().map(Line::of).collect::<Vec<_>>(), Format::Table)?)
    }

    fn write(&self, title: &str, rows: &[Row], plots: &[Plot]) -> anyhow::Result<()> {
        if let Some(file) = &self.parquet {
            write_parquet(file, rows).with_context(|| "--parquet")?;
        }
        if let Some(file) = &self.html {
            write_html(file, title, rows, plots).with_context(|| "--html")?;
        }
        Ok(())
    }
}

/// A row for people: numbers with as many digits as are worth reading.
#[derive(Debug, Serialize)]
struct Line<'a> {
    strategy: &'a str,
    slice: &'a str,
    metric: &'a str,
    value: String,
    low: String,
    high: String,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        let end = |end: Option<f64>| end.map_or_else(String::new, told);
        let (value, low, high) = (told(row.value), end(row.low), end(row.high));
        Self { strategy: &row.strategy, slice: &row.slice, metric: &row.metric, value, low, high }
    }
}

/// One line of a reliability table, for people.
#[derive(Debug, Default, Serialize)]
struct BinLine {
    strategy: String,
    slice: String,
    predicted: String,
    observed: String,
    low: String,
    high: String,
    rows: String,
}

/// Rows of a reliability table, three of which make a bin, as lines.
fn bins(rows: &[Row]) -> Vec<BinLine> {
    let mut lines: Vec<BinLine> = Vec::new();
    let mut at: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows {
        let place = *at.entry((&row.strategy, &row.slice)).or_insert_with(|| {
            lines.push(BinLine { strategy: row.strategy.clone(), slice: row.slice.clone(), ..BinLine::default() });
            lines.len() - 1
        });
        let (line, end) = (&mut lines[place], |end: Option<f64>| end.map_or_else(String::new, told));
        match row.metric.rsplit('_').next() {
            Some("predicted") => line.predicted = told(row.value),
            Some("observed") => (line.observed, line.low, line.high) = (told(row.value), end(row.low), end(row.high)),
            _ => line.rows = told(row.value),
        }
    }
    lines
}
