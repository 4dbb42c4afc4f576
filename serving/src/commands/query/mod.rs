//! `query`: SQL over the lake, one statement, a file of them, or a conversation.

mod cells;
mod describe;
mod editor;
mod running;
mod shell;
mod sink;
mod split;

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use pipelines::query::{Allowed, open};

use super::Global;
use shell::{Settings, Shell};
use sink::Form;

const EXAMPLES: &str = "Tables: interactions, moments, profiles, presence, messages, decks, pages, portraits, dead_letters, and features.<set>; `\\d` tells more.\n\nExamples:\n  hongniang query                                                  a conversation: \\? for help\n  hongniang query 'SELECT kind, COUNT(*) AS n FROM interactions GROUP BY kind ORDER BY n DESC'\n  hongniang query \"SELECT * FROM interactions WHERE event_time > now() - INTERVAL '7 days'\" --output week.parquet\n  hongniang query -f report.sql --format csv > report.csv\n  echo '\\d interactions' | hongniang query --place s3://bucket/lake";

/// Flags of `query`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QueryArgs {
    /// Statements, separated by `;`. Without any: those of standard input, or a conversation where that is a terminal.
    sql: Option<String>,
    /// Reads the statements from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Another lake than that of the data folder: a folder or a URL such as s3://bucket/lake.
    #[arg(long, value_name = "URL")]
    place: Option<String>,
    /// How to print; by default a table, or what the name of --output announces.
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Writes the result of one statement to a file, which is there as a whole or not at all.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Shows every row and whole cells on a terminal, too.
    #[arg(long)]
    all: bool,
    /// Shows a line for each column instead of one for each row.
    #[arg(short = 'x', long)]
    expanded: bool,
    /// Tells nothing but results and errors.
    #[arg(short, long)]
    quiet: bool,
}

pub(super) async fn run(global: &Global, args: QueryArgs) -> anyhow::Result<()> {
    let config = global.load()?;
    let place = args.place.clone().unwrap_or_else(|| config.lake_place());
    if args.place.is_some() && !place.contains("://") {
        anyhow::ensure!(std::path::Path::new(&place).is_dir(), "--place: there is no folder {place}");
    }
    let text = match (&args.sql, &args.file) {
        (Some(sql), _) => Some(sql.clone()),
        (None, Some(file)) => Some(std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?),
        (None, None) if std::io::stdin().is_terminal() => None,
        (None, None) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            Some(text)
        }
    };
    let spill = config.data_dir.is_dir().then(|| config.data_dir.join("spill"));
    let session = open(&place, &config.query.limits(spill)).await.with_context(|| format!("the lake at {place} cannot be opened"))?;
    let settings = Settings {
        form: args.format,
        output: args.output,
        all: args.all || !std::io::stdout().is_terminal(),
        expanded: args.expanded,
        timing: true,
        quiet: args.quiet,
        // What the lake writer of this configuration does says nothing about another lake.
        flush_s: args.place.is_none().then_some(config.lake.flush_s),
    };
    match text {
        Some(text) => Shell::new(session, settings, Allowed::Views).script(&text).await,
        None => editor::converse(Shell::new(session, settings, Allowed::Views), &place).await,
    }
}
